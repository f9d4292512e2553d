"""The default store: a directory."""

from __future__ import annotations

from pathlib import Path

from liftlock.atomic import write_whole
from liftlock.canonical import digest_bytes
from liftlock.store.blobs import MissingBlob, key_of, verified


class DirectoryStore:
    """Blobs as read-only files `<root>/sha256/<2 hex>/<64 hex>`; a write is complete or absent."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def _path(self, digest: str) -> Path:
        return self.root / key_of(digest)

    def put(self, data: bytes) -> str:
        digest = digest_bytes(data)
        path = self._path(digest)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data, mode=0o444)
        return digest

    def get(self, digest: str) -> bytes:
        try:
            data = self._path(digest).read_bytes()
        except FileNotFoundError as error:
            raise MissingBlob(f"{self.where()}: no {digest}") from error
        return verified(data, digest, self.where())

    def has(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def where(self) -> str:
        return str(self.root)
