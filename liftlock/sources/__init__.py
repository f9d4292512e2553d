"""Fetching a model from where its team keeps it, once, at cut: afterwards only its digest counts."""

from __future__ import annotations

from collections.abc import Callable

from liftlock.errors import LiftlockError
from liftlock.spec.sources import Source

__all__ = ["fetch_source"]


def fetch_source(source: Source, file: str | None) -> tuple[str, dict[str, bytes]]:
    """The reference as resolved, so that it never moves where the place knows such, and the model's files by path.

    `file` is the model's file in its source; it is among the files that come back. Raises Unreachable for a place
    that does not answer or does not give it, LiftlockError for bytes that are not what the place said they were.
    """
    if file is None:
        raise LiftlockError(f"{source}: model.file is wanted: which file in it is the model")
    return _fetcher(source)(source, file)


def _fetcher(source: Source) -> Callable[[Source, str], tuple[str, dict[str, bytes]]]:
    """What fetches from that kind of place; imported only where it is used, as most releases fetch nothing."""
    match source.scheme:
        case "s3":
            from liftlock.sources.s3 import fetch
        case "hf":
            from liftlock.sources.huggingface import fetch
        case "mlflow":
            from liftlock.sources.mlflow import fetch
        case "oci":
            from liftlock.sources.registry import fetch
        case "train":
            raise LiftlockError("train: nothing to fetch; `liftlock train` registers this model")
    return fetch
