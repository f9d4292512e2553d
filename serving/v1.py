"""The V1 (TensorFlow Serving) protocol: rows in, rows out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from serving.config import Feature
from serving.errors import InvalidInput, Malformed
from serving.tensors import Array, Tensor, flat
from serving.v2 import decode_json

DATATYPES = {"float": "FP64", "integer": "FP64", "boolean": "FP64", "string": "BYTES", "tensor": "FP64"}


def decode(body: bytes, features: Sequence[Feature] | None) -> list[Tensor]:
    """`{"instances": [...]}` as tensors: rows are lists in schema order or objects by name. Raises InvalidInput."""
    return parse(decode_json(body), features)


def parse(value: Any, features: Sequence[Feature] | None) -> list[Tensor]:
    """A decoded V1 request as tensors. Raises InvalidInput."""
    if type(value) is not dict:
        raise Malformed("the body is not a JSON object")
    rows = value.get("instances", value.get("inputs"))
    if type(rows) is not list or not rows:
        raise InvalidInput("instances: a list of rows is wanted")
    if features is None:
        return [_matrix(rows)]
    if type(rows[0]) is dict:
        return _from_objects(rows, features)
    if len(features) == 1 and features[0].type == "tensor":
        return [_column(rows, features[0])]
    return _from_lists(rows, features)


def _from_objects(rows: list[Any], features: Sequence[Feature]) -> list[Tensor]:
    names = {feature.name for feature in features}
    for row in rows:
        if type(row) is not dict:
            raise InvalidInput("instances: rows are all lists or all objects")
        if unknown := row.keys() - names:
            raise InvalidInput(f"{min(unknown)}: is not an input of this service")
    return [_column([row.get(feature.name) for row in rows], feature) for feature in features]


def _from_lists(rows: list[Any], features: Sequence[Feature]) -> list[Tensor]:
    for row in rows:
        if type(row) is not list or len(row) != len(features):
            raise InvalidInput(f"instances: each row is a list of {len(features)} values, or an object")
    return [_column([row[index] for row in rows], feature) for index, feature in enumerate(features)]


def _column(values: list[Any], feature: Feature) -> Tensor:
    if feature.type == "tensor":
        shape = _shape_of(feature.name, values)
        return Tensor(feature.name, "FP64", shape, flat(feature.name, shape, values))
    if feature.type == "boolean":
        values = [float(value) if type(value) is bool else value for value in values]
    return Tensor(feature.name, DATATYPES[feature.type], (len(values),), values)


def _matrix(rows: list[Any]) -> Tensor:
    shape = _shape_of("instances", rows)
    return Tensor("instances", "FP64", shape, flat("instances", shape, rows))


def _shape_of(name: str, values: list[Any]) -> tuple[int, ...]:
    shape: list[int] = []
    level: Any = values
    while type(level) is list:
        if not level or len(shape) == 8:
            raise InvalidInput(f"{name}: values nested 1 to 8 deep are wanted")
        shape.append(len(level))
        level = level[0]
    return tuple(shape)


def encode(outputs: Mapping[str, Array]) -> bytes:
    """The answer's body."""
    return orjson.dumps({"predictions": predictions(outputs)}, default=_text)


def predictions(outputs: Mapping[str, Array]) -> Any:
    """One value per row where there is one output, else one object per row."""
    columns = {name: array.tolist() for name, array in outputs.items()}
    if len(columns) == 1:
        return next(iter(columns.values()))
    if len({len(column) for column in columns.values()}) > 1:
        return columns
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
