"""LightGBM's native text models, through the library's own C interface: `import lightgbm` brings scikit-learn along.

Reference: https://lightgbm.readthedocs.io/en/stable/C-API.html
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import BundleError
from serving.formats import Options, zeros
from serving.formats.xgboost_model import shared_library
from serving.tensors import Array

_FLOAT64 = 1
_ROW_MAJOR = 1
_NORMAL = 0
_NAME_BYTES = 256


class LightGBMModel:
    """A booster. Predicts what `Booster.predict` does: probabilities for classifiers, in float64."""

    named = False
    frame = False

    def __init__(self, path: Path, threads: int) -> None:
        _check_content(path.name, path.read_bytes())
        self._library = shared_library("lightgbm", "lib_lightgbm.so")
        self._library.LGBM_GetLastError.restype = ctypes.c_char_p
        self._handle = ctypes.c_void_p()
        self._parameters = f"num_threads={threads} verbosity=-1".encode()
        iterations = ctypes.c_int()
        self._call(
            "LGBM_BoosterCreateFromModelfile", str(path).encode(), ctypes.byref(iterations), ctypes.byref(self._handle)
        )
        self.width: int | None = self._integer("LGBM_BoosterGetNumFeature")
        self._classes = self._integer("LGBM_BoosterGetNumClasses")
        self.names = self._names()

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments) != 0:
            raise ValueError(self._library.LGBM_GetLastError().decode(errors="replace"))

    def _integer(self, function: str) -> int:
        value = ctypes.c_int()
        self._call(function, self._handle, ctypes.byref(value))
        return value.value

    def _names(self) -> tuple[str, ...] | None:
        count = self.width or 0
        buffers = [ctypes.create_string_buffer(_NAME_BYTES) for _ in range(count)]
        pointers = (ctypes.c_char_p * count)(*[ctypes.cast(buffer, ctypes.c_char_p) for buffer in buffers])
        filled, longest = ctypes.c_int(), ctypes.c_size_t()
        self._call(
            "LGBM_BoosterGetFeatureNames",
            self._handle,
            ctypes.c_int(count),
            ctypes.byref(filled),
            ctypes.c_size_t(_NAME_BYTES),
            ctypes.byref(longest),
            pointers,
        )
        names = tuple(buffer.value.decode(errors="replace") for buffer in buffers)
        return None if longest.value > _NAME_BYTES else names

    def predict(self, data: Array | Mapping[str, Array]) -> Array:
        """float64 predictions, one row per row. Raises ValueError for a matrix of another width."""
        matrix = np.ascontiguousarray(data, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != self.width:
            raise ValueError(f"a matrix of {self.width} columns is wanted, not {list(matrix.shape)}")
        rows, columns = matrix.shape
        result = np.empty(rows * self._classes)
        written = ctypes.c_int64()
        self._call(
            "LGBM_BoosterPredictForMat",
            self._handle,
            ctypes.c_void_p(matrix.ctypes.data),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(rows),
            ctypes.c_int32(columns),
            ctypes.c_int(_ROW_MAJOR),
            ctypes.c_int(_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            self._parameters,
            ctypes.byref(written),
            ctypes.c_void_p(result.ctypes.data),
        )
        return result if self._classes == 1 else result.reshape(rows, self._classes)

    def example(self) -> Mapping[str, Array] | None:
        return zeros(self.width)


def _check_content(name: str, content: bytes) -> None:
    """Raise BundleError for what is no whole model: on a cut one the library aborts the process."""
    if not content.startswith(b"tree"):
        raise BundleError(f"{name}: is not a LightGBM text model")
    sizes = re.search(rb"^tree_sizes=([\d ]+)$", content, re.MULTILINE)
    first, end = content.find(b"\nTree=0\n"), content.find(b"\nend of trees")
    if sizes is None or first < 0 or end < 0 or sum(map(int, sizes[1].split())) != end - first:
        raise BundleError(f"{name}: is cut off, or its trees are not of the sizes it says")


def load(path: Path, options: Options) -> LightGBMModel:
    return LightGBMModel(path, options.threads)
