"""The small interface every store has."""

from __future__ import annotations

from typing import Protocol

from liftlock.canonical import digest_bytes
from liftlock.conventions import DIGEST_PREFIX
from liftlock.errors import LiftlockError, Unreachable


class MissingBlob(Unreachable):
    """The store has nothing of that digest."""


class CorruptBlob(LiftlockError):
    """The store's bytes are not what their name says."""


class BlobStore(Protocol):
    """Immutable bytes by digest (`sha256:<64 hex>`). Writing what is there already is a no-op."""

    def put(self, data: bytes) -> str:
        """Keep `data`; its digest."""
        ...

    def get(self, digest: str) -> bytes:
        """The bytes of `digest`, verified. Raises MissingBlob, CorruptBlob."""
        ...

    def has(self, digest: str) -> bool:
        """Whether `digest` is here."""
        ...

    def where(self) -> str:
        """The store's address, as a person would write it."""
        ...


def key_of(digest: str) -> str:
    """The relative key of a blob: `sha256/<2 hex>/<64 hex>`, so that no folder grows without bound."""
    digits = digest.removeprefix(DIGEST_PREFIX)
    return f"sha256/{digits[:2]}/{digits}"


def verified(data: bytes, digest: str, where: str) -> bytes:
    """`data` if it is what `digest` names. Raises CorruptBlob."""
    if digest_bytes(data) != digest:
        raise CorruptBlob(f"{where}: {digest} holds other bytes than its name says; delete it and store it again")
    return data
