"""The files that an image's layers leave below `models/`, read in memory and never unpacked onto a disk."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import PurePosixPath

ROOT = "models"
# A file of this name removes the one of the rest of it from the layers below (image-spec, layer.md, whiteouts).
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"


def apply_layer(below: dict[str, bytes], layer: bytes, media_type: str, most: int) -> dict[str, bytes]:
    """The files by path relative to `models/` after one more layer, at most `most` bytes of them.

    Raises ValueError for a layer that is no tar, packed in another way than gzip, too large, or with links in it.
    """
    added: dict[str, bytes] = {}
    kept = dict(below)
    try:
        with tarfile.open(fileobj=io.BytesIO(_unpacked(layer, media_type, most)), mode="r:") as tar:
            for member in tar:
                path = _below_root(member.name)
                if path is None or member.isdir():
                    continue
                if path.name.startswith(_WHITEOUT):
                    kept = _without(kept, path)
                else:
                    added[str(path)] = _content(tar, member, most)
    except tarfile.TarError as error:
        raise ValueError(f"is no whole tar ({error})") from error
    if sum(map(len, added.values())) > most:
        raise ValueError(f"more than {most:,} bytes, the most that is taken")
    return kept | added


def _unpacked(layer: bytes, media_type: str, most: int) -> bytes:
    if not media_type.endswith(("gzip", "tar")):
        raise ValueError(f"a tar, with gzip or without, is wanted, not {media_type or 'a layer of no media type'}")
    if not layer.startswith(b"\x1f\x8b"):
        return layer
    unpacking = zlib.decompressobj(wbits=31)
    try:
        tar = unpacking.decompress(layer, most + 1)
    except zlib.error as error:
        raise ValueError(f"its gzip is damaged ({error})") from error
    if len(tar) > most:
        raise ValueError(f"more than {most:,} bytes, the most that is taken")
    if not unpacking.eof:
        raise ValueError("its gzip ends early")
    return tar


def _below_root(name: str) -> PurePosixPath | None:
    """A member's path below `models/`, or None where it is elsewhere."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise ValueError(f"{name}: a path out of the image")
    return PurePosixPath(*parts[1:]) if len(parts) > 1 and parts[0] == ROOT else None


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, most: int) -> bytes:
    if not member.isreg():
        raise ValueError(f"{member.name}: only regular files are taken; this is a link or a special file")
    if member.size > most:
        raise ValueError(f"{member.name}: more than {most:,} bytes, the most that is taken")
    opened = tar.extractfile(member)
    return opened.read() if opened is not None else b""


def _without(files: dict[str, bytes], whiteout: PurePosixPath) -> dict[str, bytes]:
    """The files but those a whiteout hides: one, or a directory's."""
    gone = whiteout.parent if whiteout.name == _OPAQUE else whiteout.with_name(whiteout.name.removeprefix(_WHITEOUT))
    return {path: data for path, data in files.items() if not PurePosixPath(path).is_relative_to(gone)}
