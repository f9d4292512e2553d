"""Where a cluster finds what a revision runs."""

from __future__ import annotations

from liftlock.conventions import DIGEST_PREFIX
from liftlock.errors import LiftlockError
from liftlock.release import Release
from liftlock.render.stacks import Stack
from liftlock.spec.sources import Source


def bundle_uri(stack: Stack, service: str, digest: str) -> str:
    """A stored tree as KServe's `storageUri`: a folder under its digest, or in a registry an image tagged with it.

    The local store keeps blobs; a stack's store has each tree laid out (`store.fetch_tree`) or as an image
    (`store.oci`), put there before a commit names it.
    """
    digits = digest.removeprefix(DIGEST_PREFIX)
    place = stack.store.rstrip("/")
    return f"{place}/{service}:{digits}" if place.startswith("oci://") else f"{place}/trees/{digits}"


def model_uri(release: Release, stack: Stack) -> str | None:
    """The predictor's `storageUri`; None for an image that brings its model. Raises LiftlockError."""
    if release.bundle is not None:
        return bundle_uri(stack, release.service, release.bundle)
    if release.model.digest is not None:
        return bundle_uri(stack, release.service, release.model.digest)
    if release.spec.model.source is None:
        return None
    return _remote(release.spec.model.source, release.revision)


def _remote(source: Source, revision: str) -> str:
    """A source of the team's own as KServe's storage initializer writes it. Raises LiftlockError where it cannot."""
    match source.scheme:
        case "hf":
            return f"hf://{source.location}:{source.reference}"
        case "oci":
            return source.text
        case "s3" if source.reference is None:
            return source.text
        case "s3":
            why = "KServe cannot fetch one version of an S3 object; use oci://…@sha256:… or hf://…@<commit>"
        case _:
            why = "KServe has no mlflow: storage; use oci://…@sha256:… or hf://…@<commit>"
    raise LiftlockError(f"{revision}: model.source {source}: {why}")
