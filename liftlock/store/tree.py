"""Directories in the store: a tree is the canonical listing of its files, itself a blob."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

import orjson
from pydantic import BaseModel, ConfigDict

from liftlock.canonical import canonical_json, digest_bytes
from liftlock.errors import LiftlockError
from liftlock.store.blobs import BlobStore


class TreeFile(BaseModel):
    """One file of a tree: a relative POSIX path, its size in bytes, its digest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    size: int
    digest: str


def _listing(files: Iterable[TreeFile]) -> bytes:
    return canonical_json([file.model_dump() for file in sorted(files, key=lambda file: file.path)])


def read_directory(directory: Path) -> dict[str, bytes]:
    """The regular files below `directory` by relative POSIX path. Raises LiftlockError for a link or a special file."""
    found = {}
    for path in sorted(directory.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise LiftlockError(f"{path}: only regular files can be stored; this is a link or a special file")
        if path.is_file():
            found[path.relative_to(directory).as_posix()] = path.read_bytes()
    return found


def put_tree(store: BlobStore, files: Mapping[str, bytes]) -> tuple[str, tuple[TreeFile, ...]]:
    """Store every file and the listing; the tree's digest and its files, sorted by path."""
    rows = tuple(TreeFile(path=path, size=len(data), digest=store.put(data)) for path, data in sorted(files.items()))
    return store.put(_listing(rows)), rows


def tree_digest(files: Mapping[str, bytes]) -> str:
    """The digest `put_tree` would give, without storing anything."""
    return digest_bytes(
        _listing(TreeFile(path=path, size=len(data), digest=digest_bytes(data)) for path, data in files.items())
    )


def list_tree(store: BlobStore, digest: str) -> tuple[TreeFile, ...]:
    """The files of a tree. Raises MissingBlob, CorruptBlob."""
    return tuple(TreeFile.model_validate(row) for row in orjson.loads(store.get(digest)))


def read_tree(store: BlobStore, digest: str) -> dict[str, bytes]:
    """A tree's files by path, all verified."""
    return {file.path: store.get(file.digest) for file in list_tree(store, digest)}


def fetch_tree(store: BlobStore, digest: str, into: Path) -> Path:
    """Lay a tree out as the directory `into`, whole or not at all; nothing happens where it is already there."""
    if into.is_dir():
        return into
    into.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=into.parent, prefix=".new-"))
    try:
        for file in list_tree(store, digest):
            target = scratch / _inside(file.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(store.get(file.digest))
        scratch.chmod(0o755)
        _take_place(scratch, into)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return into


def _inside(path: str) -> PurePosixPath:
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise LiftlockError(f"{path!r}: a tree's file may not lie outside it")
    return relative


def _take_place(scratch: Path, into: Path) -> None:
    """Rename into place; somebody who did the same at the same time is as good."""
    try:
        os.rename(scratch, into)  # noqa: PTH104 (Path.rename would do; os.rename says that it must be atomic)
    except OSError:
        if not into.is_dir():
            raise
