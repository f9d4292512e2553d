"""Models on the Hugging Face Hub, or on a server that speaks as it does (https://huggingface.co/docs/hub/api)."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import quote

from pydantic import BaseModel

from liftlock.errors import LiftlockError
from liftlock.sources.download import MOST_BYTES, Server, bearer
from liftlock.spec.sources import Source, is_immutable

HUB = "https://huggingface.co"
ADVICE = "set HF_TOKEN for a private or gated model, HF_ENDPOINT for another hub"


class _Lfs(BaseModel):
    sha256: str
    size: int


class _File(BaseModel):
    rfilename: str
    blobId: str | None = None  # noqa: N815 (the API's name): git's own digest of the file
    lfs: _Lfs | None = None


class _Revision(BaseModel):
    sha: str
    siblings: list[_File] = []


def fetch(source: Source, file: str) -> tuple[str, dict[str, bytes]]:
    """`file` at the commit that the reference stands for now. Raises Unreachable, LiftlockError."""
    token = os.environ.get("HF_TOKEN")
    server = Server.at(os.environ.get("HF_ENDPOINT") or HUB, ADVICE, bearer(token) if token else None)
    reference = quote(source.reference or "main", safe="")
    revision = server.parsed(f"/api/models/{source.location}/revision/{reference}?blobs=true", _Revision)
    if is_immutable(source) and revision.sha != source.reference:
        raise LiftlockError(f"{source}: {server.address} answers with commit {revision.sha} instead")
    listed = _listed(revision, file, source)
    data = server.get(f"/{source.location}/resolve/{revision.sha}/{quote(file)}", most=MOST_BYTES)
    _verify(data, listed, source)
    return f"hf://{source.location}@{revision.sha}", {file: data}


def _listed(revision: _Revision, file: str, source: Source) -> _File:
    for listed in revision.siblings:
        if listed.rfilename == file:
            return listed
    names = ", ".join(listed.rfilename for listed in revision.siblings[:20]) or "nothing"
    raise LiftlockError(f"{source}: has no {file} (model.file); it has {names}")


def _verify(data: bytes, listed: _File, source: Source) -> None:
    """Large files are named by their SHA-256, the others by git's SHA-1 of them."""
    if listed.lfs is not None:
        expected, found = listed.lfs.sha256, hashlib.sha256(data).hexdigest()
    elif listed.blobId is not None:
        expected, found = listed.blobId, hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    else:
        raise LiftlockError(f"{source}: the hub gives no digest of {listed.rfilename}, so it cannot be verified")
    if found != expected:
        raise LiftlockError(f"{source}: {listed.rfilename} came as {found}, and the hub lists {expected}; try again")
