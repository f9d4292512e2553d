"""XGBoost's native JSON and UBJSON models, through the library's own C interface.

`import xgboost` brings scikit-learn, SciPy and pandas along (1,500 modules, 140 MB); the shared library alone is 16 MB.
Reference: https://xgboost.readthedocs.io/en/stable/c.html
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from serving.errors import BundleError
from serving.formats import Options, zeros
from serving.tensors import Array

_ARGUMENTS = json.dumps(
    {
        "type": 0,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "missing": float("nan"),
        "strict_shape": False,
        "cache_id": 0,
    }
).encode()


def shared_library(package: str, name: str) -> ctypes.CDLL:
    """A package's shared library, without importing the package."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{package} is not installed")
    return ctypes.CDLL(str(Path(spec.submodule_search_locations[0]) / "lib" / name))


class XGBoostModel:
    """A booster. Predicts what `Booster.predict` does: probabilities for logistic objectives, and so on."""

    named = False
    frame = False

    def __init__(self, path: Path, threads: int) -> None:
        content = path.read_bytes()
        _check_content(path.name, content)
        self._library = shared_library("xgboost", "libxgboost.so")
        self._library.XGBGetLastError.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p()
        self._call("XGBoosterCreate", None, ctypes.c_uint64(0), ctypes.byref(self._handle))
        self._call("XGBoosterLoadModelFromBuffer", self._handle, content, ctypes.c_uint64(len(content)))
        self._call("XGBoosterSetParam", self._handle, b"nthread", str(threads).encode())
        self.width: int | None = self._count()
        self.names = self._names()

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments) != 0:
            raise ValueError(_reason(self._library.XGBGetLastError()))

    def _count(self) -> int:
        count = ctypes.c_uint64()
        self._call("XGBoosterGetNumFeature", self._handle, ctypes.byref(count))
        return count.value

    def _names(self) -> tuple[str, ...] | None:
        length = ctypes.c_uint64()
        names = ctypes.POINTER(ctypes.c_char_p)()
        self._call(
            "XGBoosterGetStrFeatureInfo", self._handle, b"feature_name", ctypes.byref(length), ctypes.byref(names)
        )
        return tuple(names[index].decode() for index in range(length.value)) or None

    def predict(self, data: Array | Mapping[str, Array]) -> Array:
        """float32 predictions, one row per row. Raises ValueError for a matrix of another width."""
        matrix = np.ascontiguousarray(data, dtype=np.float32)
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            raise ValueError(f"a matrix of {self.width} columns is wanted, not {list(matrix.shape)}")
        shape = ctypes.POINTER(ctypes.c_uint64)()
        dimensions = ctypes.c_uint64()
        result = ctypes.POINTER(ctypes.c_float)()
        self._call(
            "XGBoosterPredictFromDense",
            self._handle,
            _interface(matrix),
            _ARGUMENTS,
            None,
            ctypes.byref(shape),
            ctypes.byref(dimensions),
            ctypes.byref(result),
        )
        lengths = tuple(shape[: dimensions.value])
        # The library keeps the buffer and overwrites it in the next call of this thread.
        return np.ctypeslib.as_array(result, shape=(math.prod(lengths),)).reshape(lengths).copy()

    def example(self) -> Mapping[str, Array] | None:
        return zeros(self.width)


def _check_content(name: str, content: bytes) -> None:
    """Raise BundleError for what is no model. The library aborts the process on some of it, so it is not asked."""
    if not content.startswith(b"{") or len(content) < 2:
        raise BundleError(f"{name}: is neither JSON nor UBJSON")
    if content[1:2].isspace() or content[1:2] == b'"':
        orjson.loads(content)
    elif not content.endswith(b"}"):
        raise BundleError(f"{name}: is cut off")


def _interface(matrix: Array) -> bytes:
    """The array interface, version 3, as JSON: https://numpy.org/doc/stable/reference/arrays.interface.html"""
    rows, columns = matrix.shape
    return b'{"data":[%d,true],"shape":[%d,%d],"typestr":"<f4","version":3,"strides":null}' % (
        matrix.ctypes.data,
        rows,
        columns,
    )


def _reason(message: bytes | None) -> str:
    """The sentence of a message that begins with time, file and line, and may end with a stack trace."""
    text = (message or b"unknown error").decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0].rsplit("]", 1)[-1].lstrip(": ") or text if lines else "unknown error"


def load(path: Path, options: Options) -> XGBoostModel:
    return XGBoostModel(path, options.threads)
