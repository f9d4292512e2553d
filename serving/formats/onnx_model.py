"""ONNX models on onnxruntime's CPU provider."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from serving.formats import Options
from serving.tensors import Array

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int16)": np.int16,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(uint32)": np.uint32,
    "tensor(uint64)": np.uint64,
    "tensor(bool)": np.bool_,
    "tensor(string)": np.object_,
}


class OnnxModel:
    """A session. One 2-D input takes the matrix of features; several take tensors by name."""

    frame = False

    def __init__(self, path: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        self._inputs = {item.name: (np.dtype(_DTYPES[item.type]), item.shape) for item in self._session.get_inputs()}
        self._outputs = [item.name for item in self._session.get_outputs()]
        shapes = [shape for _, shape in self._inputs.values()]
        self.named = len(shapes) > 1 or len(shapes[0]) != 2
        self.names = tuple(self._inputs) if self.named else None
        self.width = shapes[0][1] if not self.named and isinstance(shapes[0][1], int) else None

    def predict(self, data: Array | Mapping[str, Array]) -> Mapping[str, Array]:
        """The session's outputs by name. Raises ValueError for tensors it does not take."""
        try:
            results = self._session.run(self._outputs, self._feed(data))
        except (
            onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument,
            onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException,
        ) as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return {name: _array(result) for name, result in zip(self._outputs, results, strict=True)}

    def _feed(self, data: Array | Mapping[str, Array]) -> dict[str, Array]:
        if not isinstance(data, Mapping):
            return {name: np.ascontiguousarray(data, dtype=dtype) for name, (dtype, _) in self._inputs.items()}
        if len(self._inputs) == 1 and len(data) == 1:
            data = {next(iter(self._inputs)): next(iter(data.values()))}
        if missing := self._inputs.keys() - data.keys():
            raise ValueError(f"{min(missing)}: is wanted")
        return {name: _column(data[name], dtype, shape) for name, (dtype, shape) in self._inputs.items()}

    def example(self) -> Mapping[str, Array] | None:
        return {
            name: np.full([size if isinstance(size, int) and size > 0 else 1 for size in shape], _zero(dtype), dtype)
            for name, (dtype, shape) in self._inputs.items()
        }


def _zero(dtype: np.dtype[Any]) -> Any:
    return "" if dtype.kind == "O" else 0


def _column(array: Array, dtype: np.dtype[Any], shape: list[Any]) -> Array:
    """A feature of shape [n] where the model's input is [n, 1]."""
    array = array.astype(dtype, copy=False)
    return array.reshape(-1, 1) if array.ndim == 1 and len(shape) == 2 else array


def _array(result: Any) -> Array:
    """An output as an array; the ZipMap of a converted classifier (a dict per row) as its values, classes in order."""
    if isinstance(result, list) and result and isinstance(result[0], dict):
        return np.array([[row[key] for key in sorted(row)] for row in result])
    return np.asarray(result)


def load(path: Path, options: Options) -> OnnxModel:
    return OnnxModel(path, options.threads)
