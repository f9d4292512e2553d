"""A service's request file: JSON lines, each a whole request body, checked against protocol and feature schema.

Values out of a feature's range are allowed: a load test may well send them, and the server counts and answers them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any

import orjson

from liftlock.errors import Problem
from liftlock.spec.model import Feature, FeatureSchema, Spec
from liftlock.spec.places import WHOLE, Path, column_of, printable, repeated_key, spell

# The server's own limit on a body; a longer request could only be answered 413.
LONGEST_BODY = 10 << 20
MOST_BYTES = 256 << 20
# More faulty lines than this say nothing new.
MOST_FAULTY = 50

Fault = tuple[Path, str]
Rule = Callable[[Any], Iterator[Fault]]

_NUMBERS = frozenset({"FP16", "FP32", "FP64", *(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))})
_DATATYPES = _NUMBERS | {"BOOL", "BYTES"}
_NUMBER_TYPES = frozenset({int, float})
_FLOATS = frozenset({float})
# A tensor's numbers, flat. Texts and nested lists are left to the look at each line.
_DATA = re.compile(rb'"data":\s*\[([^\[\]"{}]+)\]')
# What ends every key; texts that hold it escaped are counted too, so a count may be too high and never too low.
_KEY_END = re.compile(rb'"\s*:')
# The Python types of JSON values that a feature's column may hold.
_TYPES: dict[str, frozenset[type]] = {
    "float": _NUMBER_TYPES,
    "integer": _NUMBER_TYPES,
    "boolean": frozenset({bool, int, float}),
    "string": frozenset({str}),
    "tensor": _NUMBER_TYPES,
}
_WORDS = {
    "float": "numbers",
    "integer": "whole numbers",
    "boolean": "true or false",
    "string": "texts",
    "tensor": "numbers",
}


def request_problems(raw: bytes, spec: Spec, schema: FeatureSchema | None, file: str) -> list[Problem]:
    """Every line of a request file that its service could only refuse, up to MOST_FAULTY of them."""
    if len(raw) > MOST_BYTES:
        return [Problem(file, 0, 0, WHOLE, f"at most {MOST_BYTES >> 20} MiB of requests")]
    rule = _rule(spec, schema)
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if schema is not None and spec.protocol in ("v2", "grpc-v2") and _all_alike(raw, rule, schema):
        return []
    return _problems_by_line(raw.split(b"\n"), rule, file)


def _problems_by_line(lines: list[bytes], rule: Rule, file: str) -> list[Problem]:
    problems: list[Problem] = []
    requests = faulty = 0
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        requests += 1
        if found := _line_problems(line, number, rule, file):
            problems += found
            faulty += 1
        if faulty == MOST_FAULTY:
            problems.append(
                Problem(file, number, 1, WHOLE, f"no more than {MOST_FAULTY} faulty requests; stopped here")
            )
            break
    if not requests:
        problems.append(Problem(file, 1, 1, WHOLE, "at least one request: a JSON body on each line"))
    return problems


def _all_alike(raw: bytes, rule: Rule, schema: FeatureSchema) -> bool:
    """Whether all lines are the first but for their tensors' numbers, the first is in order and so are all numbers.

    Most request files are so, and this takes a tenth of the time. Only a yes counts: after a no, line by line.
    """
    try:
        first = raw.partition(b"\n")[0]
        inputs = orjson.loads(first)["inputs"]
        if (
            len(raw) > LONGEST_BODY
            or _may_repeat_keys(first, {"inputs": inputs})
            or next(rule({"inputs": inputs}), None) is not None
        ):
            return False
        numbers = orjson.loads(b"[[" + b"],[".join(_numbers(raw.rstrip(), first, len(inputs))) + b"]]")
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return False
    features = {feature.name: feature for feature in schema.features}
    return all(_tensor_alike(numbers[index :: len(inputs)], tensor, features) for index, tensor in enumerate(inputs))


def _numbers(raw: bytes, first: bytes, count: int) -> list[bytes]:
    """The text of each tensor's numbers, in order; nothing where the lines differ in more than these."""
    head, *frame = _DATA.split(first)[::2]
    pieces = _DATA.split(raw)
    if len(frame) != count or len(pieces) % (2 * count) != 1:
        return []
    end = frame[-1].rstrip(b"\r")
    frame[-1] += b"\n" + head
    expected = [head, *(frame * (len(pieces) // (2 * count)))]
    expected[-1] = end
    return pieces[1::2] if pieces[::2] == expected else []


def _tensor_alike(rows: list[list[Any]], tensor: Any, features: dict[str, Feature]) -> bool:
    """Whether all values of one tensor are as many as its shape says, and in order."""
    if tensor["name"] not in features or set(map(len, rows)) != {math.prod(tensor["shape"])}:
        return False
    return _column_fault(list(chain.from_iterable(rows)), features[tensor["name"]]) is None


def _line_problems(line: bytes, number: int, rule: Rule, file: str) -> list[Problem]:
    if len(line) > LONGEST_BODY:
        return [Problem(file, number, LONGEST_BODY + 1, WHOLE, f"a body of at most {LONGEST_BODY >> 20} MiB")]
    try:
        body = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in line or (body := _with_nan(line)) is None:
            return [Problem(file, number, error.colno, WHOLE, f"a JSON body ({str(error).partition(':')[0]})")]
    try:
        twice = repeated_key(line.decode()) if _may_repeat_keys(line, body) else None
    except RecursionError:
        return [Problem(file, number, 1, WHOLE, "a body of a few levels, not hundreds")]
    if twice is not None:
        return [Problem(file, number, twice[0], printable(twice[1]), "each key once in an object; it is there already")]
    if not (faults := list(rule(body))):
        return []
    text = line.decode()
    return [Problem(file, number, column_of(text, path), spell(path), wanted) for path, wanted in faults]


def _may_repeat_keys(line: bytes, body: Any) -> bool:
    """False only where no object of the line has a key twice: there are no more keys in the text than in its value."""
    return len(_KEY_END.findall(line)) != _keys(body)


def _keys(value: Any) -> int:
    """The keys in a JSON value, as far as they are quickly found: never more than there are."""
    if type(value) is dict:
        return len(value) + sum(_keys(below) for below in value.values() if type(below) in (dict, list))
    if type(value) is list and value and type(value[0]) in (dict, list):
        return sum(_keys(below) for below in value)
    return 0


def _with_nan(line: bytes) -> Any:
    """A body in which missing numbers are written NaN, as Python does; None where it is no JSON even so."""
    try:
        return json.loads(line, parse_constant=lambda name: math.nan if name == "NaN" else 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        return None


def _rule(spec: Spec, schema: FeatureSchema | None) -> Rule:
    features = {feature.name: feature for feature in schema.features} if schema else None
    if spec.protocol == "openai":
        return partial(_openai, stream=spec.load.traffic == "stream")
    return partial(_v1 if spec.protocol == "v1" else _v2, features=features)


def _openai(body: Any, stream: bool) -> Iterator[Fault]:
    if type(body) is not dict:
        yield (), "a JSON object"
        return
    if stream and body.get("stream") is not True:
        yield ("stream",), "true, as load.traffic is stream"
    if isinstance(body.get("prompt"), str | list) or isinstance(body.get("input"), str | list):
        return
    messages = body.get("messages")
    if type(messages) is not list or not messages:
        yield ("messages",), "a list of messages, each with role and content"
        return
    for index, message in enumerate(messages):
        if type(message) is not dict or type(message.get("role")) is not str:
            yield ("messages", index), 'a message: {"role": "user", "content": "…"}'
        elif type(message.get("content")) not in (str, list):
            yield ("messages", index, "content"), "text, or a list of parts"


def _v2(body: Any, features: dict[str, Feature] | None) -> Iterator[Fault]:
    inputs = body.get("inputs") if type(body) is dict else None
    if type(inputs) is not list or not inputs:
        yield ("inputs",), "a list of tensors"
        return
    faults = [fault for index, tensor in enumerate(inputs) for fault in _header(tensor, ("inputs", index))]
    yield from faults
    if features is None or faults:
        return
    if len(inputs) == 1 and inputs[0]["name"] not in features:
        yield from _matrix(inputs[0], features)
        return
    seen: set[str] = set()
    rows = inputs[0]["shape"][0]
    for index, tensor in enumerate(inputs):
        yield from _named(tensor, ("inputs", index), features, seen, rows)
    for name, feature in features.items():
        if name not in seen and not feature.missing:
            yield ("inputs",), f"feature `{name}` too; it may not be missing"


def _header(tensor: Any, path: Path) -> Iterator[Fault]:
    """A tensor's own form: name, datatype, shape, and as many values as the shape says."""
    if type(tensor) is not dict:
        yield path, "a tensor: an object with name, datatype, shape and data"
        return
    shape, data = tensor.get("shape"), tensor.get("data")
    if type(tensor.get("name")) is not str:
        yield (*path, "name"), "text"
    if type(tensor.get("datatype")) is not str or tensor["datatype"] not in _DATATYPES:
        yield (*path, "datatype"), "a V2 datatype such as FP32, INT64, BOOL or BYTES"
    if type(shape) is not list or not shape or not all(type(size) is int and size > 0 for size in shape):
        yield (*path, "shape"), "a list of lengths above zero, rows first"
    elif type(data) is not list:
        yield (*path, "data"), "a list of values"
    elif (count := len(_flat(data))) != math.prod(shape):
        yield (*path, "data"), f"{math.prod(shape)} values, as shape {shape} says, not {count}"


def _flat(data: list[Any]) -> list[Any]:
    while data and type(data[0]) is list:
        data = [value for row in data for value in (row if type(row) is list else [row])]
    return data


def _named(tensor: Any, path: Path, features: dict[str, Feature], seen: set[str], rows: int) -> Iterator[Fault]:
    """A tensor that holds one feature's column."""
    name, shape = tensor["name"], tensor["shape"]
    feature = features.get(name)
    if feature is None:
        yield (*path, "name"), f"a feature of this service: {_listed(features)}"
        return
    if name in seen:
        yield (*path, "name"), f"each feature once; `{name}` is there already"
    seen.add(name)
    if shape[0] != rows:
        yield (*path, "shape"), f"{rows} rows, as the first tensor has, not {shape[0]}"
    if not _fits(shape, feature):
        yield (*path, "shape"), f"shape {list(feature.shape or (-1,))} for feature `{name}`, where -1 is any length"
    if (tensor["datatype"] == "BYTES") != (feature.type == "string"):
        yield (*path, "datatype"), f"{'BYTES' if feature.type == 'string' else 'numbers'} for feature `{name}`"
    elif (wanted := _column_fault(_flat(tensor["data"]), feature)) is not None:
        yield (*path, "data"), wanted


def _fits(shape: list[int], feature: Feature) -> bool:
    if feature.shape is None:
        return len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)
    return len(shape) == len(feature.shape) and all(
        length in (-1, size) for size, length in zip(shape, feature.shape, strict=True)
    )


def _matrix(tensor: Any, features: dict[str, Feature]) -> Iterator[Fault]:
    """One tensor of rows by features, in the schema's order."""
    numeric = all(feature.type in ("float", "integer", "boolean") for feature in features.values())
    width = len(features)
    if not numeric or tensor["datatype"] == "BYTES":
        yield ("inputs", 0, "name"), f"a feature of this service: {_listed(features)}"
    elif len(tensor["shape"]) != 2 or tensor["shape"][1] != width:
        yield ("inputs", 0, "shape"), f"[rows, {width}], a column for each feature, or a tensor named for each"
    else:
        data = _flat(tensor["data"])
        for index, feature in enumerate(features.values()):
            if (wanted := _column_fault(data[index::width], feature)) is not None:
                yield ("inputs", 0, "data"), wanted


def _v1(body: Any, features: dict[str, Feature] | None) -> Iterator[Fault]:
    key = "inputs" if type(body) is dict and "instances" not in body and "inputs" in body else "instances"
    rows = body.get(key) if type(body) is dict else None
    if type(rows) is not list or not rows:
        yield (key,), "a list of rows"
        return
    if features is None:
        return
    if len(features) == 1 and type(rows[0]) is not dict and (feature := next(iter(features.values()))).shape:
        yield from _v1_tensor(rows, feature, key)
        return
    for index, row in enumerate(rows):
        yield from _v1_row(row, (key, index), features)


def _v1_row(row: Any, path: Path, features: dict[str, Feature]) -> Iterator[Fault]:
    if type(row) is list:
        if len(row) != len(features):
            yield path, f"{len(features)} values, one for each feature, not {len(row)}"
            return
        row = dict(zip(features, row, strict=True))
        places: dict[str, Path] = {name: (*path, index) for index, name in enumerate(features)}
    elif type(row) is dict:
        places = {name: (*path, name) for name in features}
    else:
        yield path, "a row: an object by feature, or a list in the schema's order"
        return
    for name in row.keys() - features.keys():
        yield (*path, name), f"a feature of this service: {_listed(features)}"
    for name, feature in features.items():
        value = row.get(name)
        wanted = _shape_fault([value], feature) if feature.shape else _column_fault([value], feature)
        if wanted is not None:
            yield places[name] if name in row else path, wanted


def _v1_tensor(rows: list[Any], feature: Feature, key: str) -> Iterator[Fault]:
    for index, row in enumerate(rows):
        if (wanted := _shape_fault([row], feature)) is not None:
            yield (key, index), wanted


def _shape_fault(rows: list[Any], feature: Feature) -> str | None:
    """What is wrong with nested lists that should have a tensor's shape."""
    shape: list[int] = []
    level: Any = rows
    while type(level) is list and level:
        shape.append(len(level))
        level = level[0]
    flat = _flat(rows)
    if not _fits(shape, feature) or len(flat) != math.prod(shape):
        return f"shape {list(feature.shape or ())} for feature `{feature.name}`, where -1 is any length"
    return _column_fault(flat, feature)


def _column_fault(values: list[Any], feature: Feature) -> str | None:
    """What is wrong with one feature's values, or None."""
    kinds = set(map(type, values))
    name = feature.name
    floats = (
        values if kinds == _FLOATS else [value for value in values if type(value) is float] if float in kinds else []
    )
    if not all(map(math.isfinite, floats)):
        values = [None if value != value else value for value in values]  # NaN is missing
        kinds = set(map(type, values))
    if type(None) in kinds:
        if not feature.missing:
            return f"a value for feature `{name}`; it may not be missing"
        kinds.discard(type(None))
        values = [value for value in values if value is not None]
    if not kinds <= _TYPES[feature.type]:
        return f"{_WORDS[feature.type]} for feature `{name}`"
    if feature.type == "integer" and float in kinds and not all(value == value // 1 for value in values):
        return f"whole numbers for feature `{name}`"
    if feature.type == "boolean" and not all(value in (0, 1) for value in values):
        return f"true or false for feature `{name}`"
    return None


def _listed(features: dict[str, Feature]) -> str:
    names = list(features)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
