"""Named tensors as the V2 protocol has them, checked on the way into numpy and written on the way out."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from serving.errors import InvalidInput

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(dtype)
    for name, dtype in {
        "BOOL": np.bool_,
        "INT8": np.int8,
        "INT16": np.int16,
        "INT32": np.int32,
        "INT64": np.int64,
        "UINT8": np.uint8,
        "UINT16": np.uint16,
        "UINT32": np.uint32,
        "UINT64": np.uint64,
        "FP16": np.float16,
        "FP32": np.float32,
        "FP64": np.float64,
        "BYTES": np.object_,
    }.items()
}
DATATYPES = {dtype: name for name, dtype in DTYPES.items()}
MAX_DIMENSIONS = 8
MAX_NAME = 256

# What JSON types may stand for a datatype; None is a missing value, which the feature allows or not.
_JSON_TYPES: dict[str, frozenset[Any]] = {
    name: frozenset({float, int, type(None)} if dtype.kind == "f" else {int, type(None)})
    for name, dtype in DTYPES.items()
} | {"BOOL": frozenset({bool, int, type(None)}), "BYTES": frozenset({str, bytes, type(None)})}
_KIND = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "true or false", "O": "texts"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input as it came: `data` is a flat list in row-major order, or an array already of `shape`."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | Array

    def array(self) -> Array:
        """As numpy: floats where a value is missing, str objects for BYTES. Raises InvalidInput."""
        if isinstance(self.data, list):
            return _from_list(self.name, self.datatype, self.data).reshape(self.shape)
        return self.data


def check_header(name: object, datatype: object, shape: object) -> tuple[str, str, tuple[int, ...]]:
    """The three things every tensor says of itself, or InvalidInput."""
    if type(name) is not str or not name or len(name) > MAX_NAME:
        raise InvalidInput("an input without a name")
    if type(datatype) is not str or datatype not in DTYPES:
        raise InvalidInput(f"{name}: datatype: one of {', '.join(DTYPES)} is wanted")
    if type(shape) is not list or not shape or len(shape) > MAX_DIMENSIONS:
        raise InvalidInput(f"{name}: shape: a list of 1 to {MAX_DIMENSIONS} lengths is wanted")
    for size in shape:
        if type(size) is not int or size < 0:
            raise InvalidInput(f"{name}: shape: lengths are whole numbers from 0")
    return name, datatype, tuple(shape)


def flat(name: str, shape: tuple[int, ...], data: object) -> list[Any]:
    """`data`, flat or nested as `shape` says, as a flat list of exactly the shape's count. Raises InvalidInput."""
    if type(data) is not list:
        raise InvalidInput(f"{name}: data: a list is wanted")
    if data and type(data[0]) is list:
        data = _unnest(name, shape, data)
    wanted = shape[0] if len(shape) == 1 else math.prod(shape)
    if len(data) != wanted:
        raise InvalidInput(f"{name}: the shape has {wanted} values and data {len(data)}")
    return data


def _unnest(name: str, shape: tuple[int, ...], data: list[Any]) -> list[Any]:
    for size in shape[:-1]:
        if len(data) and any(type(item) is not list for item in data):
            raise InvalidInput(f"{name}: data is ragged")
        inner: list[Any] = [value for item in data for value in item]
        if size == 0 or len(inner) % max(len(data), 1):
            raise InvalidInput(f"{name}: data is ragged")
        if len({len(item) for item in data}) > 1:
            raise InvalidInput(f"{name}: data is ragged")
        data = inner
    if data and type(data[0]) is list:
        raise InvalidInput(f"{name}: data is nested deeper than its shape")
    return data


def check_types(name: str, datatype: str, data: list[Any]) -> None:
    """Whether a JSON list can stand for the datatype. Raises InvalidInput naming what is wanted."""
    allowed = _JSON_TYPES[datatype]
    if not allowed.issuperset(map(type, data)):
        found = next(type(value).__name__ for value in data if type(value) not in allowed)
        names = {"NoneType": "null", "str": "text", "list": "list", "dict": "object", "bool": "boolean"}
        kind = _KIND[DTYPES[datatype].kind]
        raise InvalidInput(f"{name}: {kind} are wanted for {datatype}, not {names.get(found, found)}")


def _from_list(name: str, datatype: str, data: list[Any]) -> Array:
    check_types(name, datatype, data)
    dtype = DTYPES[datatype]
    if dtype.kind == "O":
        texts = np.empty(len(data), dtype=object)
        texts[:] = [text.decode(errors="strict") if isinstance(text, bytes) else text for text in data]
        return texts
    try:
        if None in data:
            return np.array(data, dtype=np.float64)
        if dtype.kind == "b" and not {0, 1}.issuperset(data):
            raise InvalidInput(f"{name}: true or false is wanted")
        with np.errstate(over="raise"):
            return np.array(data, dtype=np.float64 if dtype.kind == "f" else dtype).astype(dtype, copy=False)
    except (OverflowError, FloatingPointError):
        raise InvalidInput(f"{name}: a value does not fit {datatype}") from None


def from_raw(name: str, datatype: str, shape: tuple[int, ...], raw: bytes | memoryview) -> Tensor:
    """A tensor from its bytes, little-endian row-major; BYTES as 4-byte lengths and UTF-8. Raises InvalidInput."""
    if datatype == "BYTES":
        return Tensor(name, datatype, shape, flat(name, shape, _split_texts(name, bytes(raw))))
    dtype = DTYPES[datatype].newbyteorder("<")
    if len(raw) != dtype.itemsize * math.prod(shape):
        raise InvalidInput(f"{name}: the shape has {dtype.itemsize * math.prod(shape)} bytes and data {len(raw)}")
    return Tensor(name, datatype, shape, np.frombuffer(raw, dtype=dtype).reshape(shape))


def _split_texts(name: str, raw: bytes) -> list[str]:
    texts: list[str] = []
    offset = 0
    try:
        while offset < len(raw):
            (length,) = struct.unpack_from("<I", raw, offset)
            offset += 4
            if length > len(raw) - offset:
                raise InvalidInput(f"{name}: a text is longer than the data")
            texts.append(raw[offset : offset + length].decode())
            offset += length
    except struct.error:
        raise InvalidInput(f"{name}: a text's length is cut off") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"{name}: texts are UTF-8") from None
    return texts


def datatype_of(array: Array) -> str:
    """The V2 datatype of an array; anything that is no number is BYTES."""
    return DATATYPES.get(array.dtype, "BYTES")


def to_texts(array: Array) -> list[str]:
    return [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in array.ravel()]


def to_raw(array: Array) -> bytes:
    """The bytes of an array as `from_raw` reads them."""
    if datatype_of(array) != "BYTES":
        return np.ascontiguousarray(array).tobytes()
    encoded = [text.encode() for text in to_texts(array)]
    return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
