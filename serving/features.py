"""The inputs of a request against the declared features: shape checked, missing and out-of-range values counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.config import Feature
from serving.errors import InvalidInput
from serving.tensors import Array, Tensor, check_types

# Tree libraries compute in 32 bits and raise on infinities, so what does not fit is refused here.
LARGEST = float(np.finfo(np.float32).max)
NUMERIC = ("float", "integer", "boolean")


@dataclass(slots=True)
class Inputs:
    """One request's inputs, an array of `rows` rows per name: numbers float64, missing ones NaN; texts str or None.

    `matrix` is the same as one float64 matrix of rows by features, where every feature is a number.
    """

    rows: int
    columns: Mapping[str, Array]
    matrix: Array | None = None


@dataclass
class FeatureCounts:
    """How often each feature was missing, or outside its declared range, since the server started."""

    missing: dict[str, int] = field(default_factory=dict)
    out_of_range: dict[str, int] = field(default_factory=dict)
    # Large requests are bound on a thread. Only what is worth counting takes the lock.
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add_missing(self, feature: str, values: int) -> None:
        if values:
            with self._lock:
                self.missing[feature] += values

    def add_out_of_range(self, feature: str, values: int) -> None:
        if values:
            with self._lock:
                self.out_of_range[feature] += values


class FeatureTable:
    """Binds tensors to the declared features, one array operation for all of them where all are numbers."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in features)
        self.numeric = all(feature.type in NUMERIC for feature in features)
        self.counts = FeatureCounts(dict.fromkeys(self.names, 0), dict.fromkeys(self.names, 0))
        self._by_name = {feature.name: feature for feature in features}
        numbers = [feature for feature in features if feature.type in NUMERIC]
        self._numbers = numbers
        self._low = np.array([[-np.inf if f.min is None else f.min] for f in numbers])
        self._high = np.array([[np.inf if f.max is None else f.max] for f in numbers])
        self._whole = np.array([index for index, f in enumerate(numbers) if f.type != "float"], dtype=np.intp)
        self._known = {feature.name: frozenset(feature.values) for feature in features if feature.values}

    def bind(self, tensors: Sequence[Tensor]) -> Inputs:
        """The request's inputs. Raises InvalidInput naming the feature and what is wanted of it."""
        if len(tensors) == 1 and tensors[0].name not in self._by_name:
            return self._from_matrix(tensors[0])
        by_name = {tensor.name: tensor for tensor in tensors}
        if len(by_name) != len(tensors):
            raise InvalidInput("an input is there twice")
        if unknown := by_name.keys() - self._by_name.keys():
            raise InvalidInput(f"{min(unknown)}: is not an input of this service; they are {_listed(self.names)}")
        rows = self._rows(tensors)
        if self.numeric:
            lists = [self._numbers_of(by_name.get(name), feature, rows) for name, feature in self._by_name.items()]
            return self._numeric_inputs(np.array(lists, dtype=np.float64))
        return self._mixed_inputs(by_name, rows)

    def _rows(self, tensors: Sequence[Tensor]) -> int:
        if not tensors or tensors[0].shape[0] < 1:
            raise InvalidInput("at least one row is wanted")
        rows = tensors[0].shape[0]
        for tensor in tensors:
            if tensor.shape[0] != rows:
                raise InvalidInput(f"{tensor.name}: {tensor.shape[0]} rows, and {tensors[0].name} has {rows}")
        return rows

    def _numbers_of(self, tensor: Tensor | None, feature: Feature, rows: int) -> list[float] | Array:
        """One numeric feature's values; NaN where the tensor is absent."""
        if tensor is None:
            if not feature.missing:
                raise InvalidInput(f"{feature.name}: is wanted")
            return [np.nan] * rows
        if len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
            raise InvalidInput(f"{feature.name}: shape [{rows}] or [{rows}, 1] is wanted")
        if tensor.datatype == "BYTES":
            raise InvalidInput(f"{feature.name}: numbers are wanted, not BYTES")
        if isinstance(tensor.data, list):
            if tensor.datatype[0] == "F":
                check_types(tensor.name, tensor.datatype, tensor.data)
                return tensor.data
            return tensor.array().reshape(-1)
        return tensor.data.reshape(-1)

    def _from_matrix(self, tensor: Tensor) -> Inputs:
        count = len(self.features)
        if len(tensor.shape) != 2 or tensor.shape[1] != count or tensor.datatype == "BYTES" or not self.numeric:
            raise InvalidInput(
                f"{tensor.name}: is not an input of this service; they are {_listed(self.names)}"
                + (f", or one tensor of shape [rows, {count}]" if self.numeric else "")
            )
        self._rows([tensor])
        return self._numeric_inputs(np.ascontiguousarray(tensor.array().T, dtype=np.float64))

    def _numeric_inputs(self, values: Array) -> Inputs:
        """From `values`, features by rows: every number checked, at the cost of five array operations."""
        self._check_numbers(values)
        return Inputs(values.shape[1], dict(zip(self.names, values, strict=True)), values.T)

    def _check_numbers(self, values: Array) -> None:
        fits = np.abs(values) <= LARGEST
        if not fits.all():
            self._check_missing(values, fits)
        if self._whole.size:
            self._check_whole(values[self._whole])
        outside = (values < self._low) | (values > self._high)
        if outside.any():
            _count(self.counts.add_out_of_range, self._numbers, outside)

    def _check_missing(self, values: Array, fits: Array) -> None:
        missing = np.isnan(values)
        for index, feature in enumerate(self._numbers):
            if (~(fits[index] | missing[index])).any():
                raise InvalidInput(f"{feature.name}: a number below 3.4e38 is wanted")
            if not feature.missing and missing[index].any():
                raise InvalidInput(f"{feature.name}: a value is missing, and must not be")
        _count(self.counts.add_missing, self._numbers, missing)

    def _check_whole(self, values: Array) -> None:
        wrong = (values != np.floor(values)) & ~np.isnan(values)
        for position, index in enumerate(self._whole):
            feature = self._numbers[index]
            row = values[position]
            if wrong[position].any():
                raise InvalidInput(f"{feature.name}: a whole number is wanted")
            if feature.type == "boolean" and not np.isin(row[~np.isnan(row)], (0.0, 1.0)).all():
                raise InvalidInput(f"{feature.name}: true or false is wanted")

    def _mixed_inputs(self, by_name: Mapping[str, Tensor], rows: int) -> Inputs:
        columns: dict[str, Array] = {}
        numbers: list[list[float] | Array] = []
        for feature in self.features:
            tensor = by_name.get(feature.name)
            if feature.type in NUMERIC:
                numbers.append(self._numbers_of(tensor, feature, rows))
            elif feature.type == "string":
                columns[feature.name] = self._texts_of(tensor, feature, rows)
            else:
                columns[feature.name] = self._tensor_of(tensor, feature)
        if numbers:
            values = np.array(numbers, dtype=np.float64)
            self._check_numbers(values)
            columns.update((feature.name, row) for feature, row in zip(self._numbers, values, strict=True))
        return Inputs(rows, {name: columns[name] for name in self.names})

    def _texts_of(self, tensor: Tensor | None, feature: Feature, rows: int) -> Array:
        if tensor is None:
            texts: Array = np.full(rows, None, dtype=object)
        elif tensor.datatype != "BYTES" or len(tensor.shape) > 2 or (len(tensor.shape) == 2 and tensor.shape[1] != 1):
            raise InvalidInput(f"{feature.name}: BYTES of shape [{rows}] is wanted")
        else:
            texts = tensor.array().reshape(-1)
        missing = sum(text is None for text in texts)
        if missing and not feature.missing:
            wanted = "is wanted" if tensor is None else "a value is missing, and must not be"
            raise InvalidInput(f"{feature.name}: {wanted}")
        self.counts.add_missing(feature.name, missing)
        if known := self._known.get(feature.name):
            unknown = sum(text is not None and text not in known for text in texts)
            self.counts.add_out_of_range(feature.name, unknown)
        return texts

    def _tensor_of(self, tensor: Tensor | None, feature: Feature) -> Array:
        shape = feature.shape or ()
        if tensor is None:
            raise InvalidInput(f"{feature.name}: is wanted")
        fits = len(tensor.shape) == len(shape) and all(
            want in (-1, got) for want, got in zip(shape, tensor.shape, strict=True)
        )
        if not fits:
            raise InvalidInput(f"{feature.name}: shape {list(shape)} is wanted, not {list(tensor.shape)}")
        array = tensor.array()
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            if not feature.missing or np.isinf(array).any():
                raise InvalidInput(f"{feature.name}: finite numbers are wanted")
            self.counts.add_missing(feature.name, int(np.isnan(array).sum()))
        if array.dtype.kind != "O":
            low, high = feature.min, feature.max
            outside = (array < low if low is not None else False) | (array > high if high is not None else False)
            self.counts.add_out_of_range(feature.name, int(np.sum(outside)))
        return array


def bind_undeclared(tensors: Sequence[Tensor]) -> Inputs:
    """Inputs of a service without declared features: whatever they are called, of equal rows and finite."""
    if not tensors or tensors[0].shape[0] < 1:
        raise InvalidInput("at least one row is wanted")
    columns = {tensor.name: tensor.array() for tensor in tensors}
    if len(columns) != len(tensors):
        raise InvalidInput("an input is there twice")
    for name, array in columns.items():
        if len(array) != tensors[0].shape[0]:
            raise InvalidInput(f"{name}: {len(array)} rows, and {tensors[0].name} has {tensors[0].shape[0]}")
        if array.dtype.kind == "f" and np.isinf(array).any():
            raise InvalidInput(f"{name}: finite numbers are wanted")
    return Inputs(tensors[0].shape[0], columns)


def _count(add: Callable[[str, int], None], features: Sequence[Feature], marks: Array) -> None:
    for index in np.flatnonzero(marks.any(axis=1)).tolist():
        add(features[index].name, int(marks[index].sum()))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
