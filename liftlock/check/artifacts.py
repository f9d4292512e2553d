"""Model files in a service's directory, told by content: no pickles, nothing cut short or of another format."""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from liftlock.check.tree import Directory, File
from liftlock.check.ubjson import ubjson_end
from liftlock.errors import Problem
from liftlock.spec.model import Spec
from liftlock.spec.places import WHOLE

# Text the team writes; never a model, so never looked into.
_TEXT = (".py", ".yaml", ".yml", ".md", ".jsonl", ".csv", ".toml", ".cfg", ".html", ".rst", ".ipynb")
# How much of a file is looked at for what it is; a whole model is only walked where its own format asks for it.
_HEAD = 64 * 1024
_LARGEST_WALKED = 512 << 20
_PICKLE = "a model saved in its format's own way; this is a pickle, and loading one runs whatever is in it"


def problems(base: Path, directory: Directory, spec: Spec, shown: str) -> Iterator[Problem]:
    """What is wrong with the files of a service that are models or hold pickles."""
    for file in directory.files:
        if file.link or file.name.endswith(_TEXT):
            continue
        wanted = _fault(base / file.name, file, spec)
        if wanted:
            yield Problem(f"{shown}/{file.name}", 0, 0, WHOLE, wanted)


def _fault(path: Path, file: File, spec: Spec) -> str | None:
    try:
        with path.open("rb") as opened:
            head = opened.read(_HEAD)
    except OSError as error:
        return f"a readable file ({error.strerror or error})"
    if holds_pickle(path, head):
        return _PICKLE
    if file.name == spec.model.file_name and spec.model.format in _WHOLE:
        return _format_fault(path, file, head, spec.model.format)
    return None


def _format_fault(path: Path, file: File, head: bytes, declared: str) -> str | None:
    found = recognise(head)
    if found != declared:
        return f"a model of format {declared}, as service.yaml says" + (f"; this is {found}" if found else "")
    if file.size > _LARGEST_WALKED:
        return None
    return f"the whole file; it is cut short ({fault})" if (fault := _WHOLE[declared](path.read_bytes())) else None


def recognise(head: bytes) -> str | None:
    """The model format a file begins like, or None."""
    if head.startswith(b"PK\x03\x04"):
        return "sklearn"  # skops: a zip with a schema
    if head.startswith((b"{L", b"{\x00\x00", b"{i", b"{U", b'{"learner"', b'{"version"')):
        return "xgboost"
    if head.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    if head[:1] == b"\x08" and len(head) > 2 and head[1] < 0x40:
        return "onnx"  # protobuf's field 1, the IR version, a small number
    return None


def holds_pickle(path: Path, head: bytes) -> bool:
    """Whether a file is a pickle, or an archive or compressed stream that holds one."""
    if _is_pickle(head):
        return True
    if head.startswith(b"PK"):
        return _zip_holds_pickle(path)
    if head.startswith(b"\x93NUMPY"):
        return _is_object_array(head)
    return _is_pickle(_unpacked(head))


def _is_pickle(data: bytes) -> bool:
    if data[:1] == b"\x80" and data[1:2] in b"\x02\x03\x04\x05" and len(data) > 2:
        return True
    if data[:1] not in (b"(", b"c", b"}", b"]") or len(data) < 4:
        return False
    # Protocols 0 and 1 have no header: believe only what reads as opcodes to its very end, or as far as we looked.
    count = 0
    try:
        for opcode, _, _ in pickletools.genops(io.BytesIO(data)):
            count += 1
            if opcode.name == "STOP":
                return count > 2
    except Exception:  # whatever these bytes make the reader raise, they are no pickle
        return count > 50
    return False


def _zip_holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist()[:1000]:
                with archive.open(member) as opened:
                    head = opened.read(4096)
                if _is_pickle(head) or (head.startswith(b"\x93NUMPY") and _is_object_array(head)):
                    return True
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error, lzma.LZMAError):
        return False
    return False


def _is_object_array(head: bytes) -> bool:
    return b"'|O" in head[:1024] or b"'O'" in head[:1024]


def _unpacked(head: bytes) -> bytes:
    """The first bytes of a compressed stream, as joblib writes them; empty where it is none."""
    for magic, wbits in ((b"\x1f\x8b", 31), (b"\x78", 15)):
        if head.startswith(magic):
            try:
                return zlib.decompressobj(wbits).decompress(head, 4096)
            except zlib.error:
                return b""
    try:
        if head.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(head, 4096)
        if head.startswith((b"\xfd7zXZ", b"\x5d\x00\x00")):
            return lzma.LZMADecompressor().decompress(head, 4096)
    except (OSError, lzma.LZMAError, EOFError):
        return b""
    return b""


def _zip_end(data: bytes) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if "schema.json" not in archive.namelist():
                return "a skops file holds schema.json"
            bad = archive.testzip()
    except (zipfile.BadZipFile, EOFError, OSError, zlib.error, NotImplementedError, RuntimeError) as error:
        return str(error)
    return f"{bad} in it is damaged" if bad else None


def _xgboost_end(data: bytes) -> str | None:
    if data.startswith(b'{"'):
        return None if data.rstrip().endswith(b"}") else "the last bracket is missing"
    return ubjson_end(data)


def _lightgbm_end(data: bytes) -> str | None:
    return None if b"end of trees" in data and b"end of parameters" in data else "its last section is missing"


def _protobuf_end(data: bytes) -> str | None:
    """Walks the fields of the outermost message: each says how long it is."""
    index, graph = 0, False
    while index < len(data):
        key, index = _varint(data, index)
        kind = key & 7
        graph = graph or key >> 3 == 7  # ModelProto.graph
        if kind == 0:
            _, index = _varint(data, index)
        elif kind == 2:
            length, index = _varint(data, index)
            index += length
        elif kind in (1, 5):
            index += 8 if kind == 1 else 4
        else:
            return f"no field can be of kind {kind}"
    return None if graph and index == len(data) else "its graph does not end in the file"


def _varint(data: bytes, index: int) -> tuple[int, int]:
    value = shift = 0
    while index < len(data) and shift < 64:
        byte = data[index]
        value |= (byte & 0x7F) << shift
        index, shift = index + 1, shift + 7
        if byte < 0x80:
            return value, index
    return value, len(data) + 1  # ran out: past the end, which no whole file is


# What each format's file ends in: None, or what is missing.
_WHOLE: dict[str, Callable[[bytes], str | None]] = {
    "sklearn": _zip_end,
    "xgboost": _xgboost_end,
    "lightgbm": _lightgbm_end,
    "onnx": _protobuf_end,
}
