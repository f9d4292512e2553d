"""Which store a checkout uses."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

from liftlock.errors import LiftlockError
from liftlock.paths import store_directory
from liftlock.store.blobs import BlobStore
from liftlock.store.directory import DirectoryStore

# Names another store than the checkout's own directory: a path, `file://…` or `s3://bucket/prefix?endpoint=…`.
STORE_VARIABLE = "LIFTLOCK_STORE"


def open_store(root: Path) -> BlobStore:
    """The store of the checkout at `root`. Raises LiftlockError for an address of an unknown kind."""
    address = os.environ.get(STORE_VARIABLE)
    if not address:
        return DirectoryStore(store_directory(root))
    url = urlsplit(address)
    match url.scheme:
        case "":
            return DirectoryStore(Path(address).absolute())
        case "file":
            return DirectoryStore(Path(url.path))
        case "s3":
            from liftlock.store.s3 import S3Store

            return S3Store.from_url(url)
        case scheme:
            raise LiftlockError(f"{STORE_VARIABLE}={address}: a path, file:// or s3:// is wanted, not {scheme}://")
