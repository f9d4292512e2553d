"""Fetching a model from where its team keeps it, once, at cut: afterwards only its digest counts."""

from __future__ import annotations

from liftlock.errors import LiftlockError, Unreachable
from liftlock.spec.sources import Source


def fetch_source(source: Source, file: str | None) -> tuple[str, dict[str, bytes]]:
    """The reference as resolved, and the model's files by path. Raises Unreachable, LiftlockError."""
    match source.scheme:
        case "s3":
            return _fetch_s3(source, file)
        case scheme:
            raise LiftlockError(f"{source}: our own model server takes train and s3:// so far, not {scheme}")


def _fetch_s3(source: Source, file: str | None) -> tuple[str, dict[str, bytes]]:
    """An object, by version where the bucket keeps versions."""
    from liftlock.store.s3 import client_errors, connect

    bucket, _, key = source.location.partition("/")
    version = {"VersionId": source.reference} if source.reference else {}
    try:
        found = connect(None, None).get_object(Bucket=bucket, Key=key, **version)
        data: bytes = found["Body"].read()
    except client_errors() as error:
        raise Unreachable(f"{source}: {error}") from error
    fixed = found.get("VersionId") or source.reference
    resolved = f"s3://{bucket}/{key}" + (f"?versionId={fixed}" if fixed and fixed != "null" else "")
    return resolved, {file or key.rpartition("/")[2]: data}
