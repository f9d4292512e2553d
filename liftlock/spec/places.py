"""Where a value stands in one line of JSON. Only asked once something is wrong, so it may read the line again."""

from __future__ import annotations

import json
import re

from liftlock.spec.document import Path, Step

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


def column_of(line: str, path: Path) -> int:
    """The column (from 1) of the value at `path`, or of the nearest value around it that exists."""
    index = _skip(line, 0)
    for step in path:
        below = _member(line, index, step)
        if below is None:
            break
        index = below
    return index + 1


def _member(line: str, index: int, step: Step) -> int | None:
    """Where the member `step` of the object or list at `index` starts."""
    opening = line[index : index + 1]
    if opening not in ("{", "["):
        return None
    index, count = _skip(line, index + 1), 0
    while index < len(line) and line[index] not in "}]":
        key: Step = count
        if opening == "{":
            key, index = _DECODER.raw_decode(line, index)
            index = _skip(line, _skip(line, index) + 1)
        if key == step:
            return index
        _, index = _DECODER.raw_decode(line, index)
        index = _skip(line, index)
        if line[index : index + 1] == ",":
            index = _skip(line, index + 1)
        count += 1
    return None


def _skip(line: str, index: int) -> int:
    match = _SPACE.match(line, index)
    return match.end() if match else index
