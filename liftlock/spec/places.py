"""How a problem names the value it is about, and where that stands in a line of JSON."""

from __future__ import annotations

import json
import re

Step = str | int
Path = tuple[Step, ...]

# What a problem that belongs to the whole file calls its field.
WHOLE = "(file)"
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder(strict=False)


def spell(path: Path) -> str:
    """A path as people write it: `slo.latency[0].within`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{printable(step)}" if text else printable(step)
    return text or WHOLE


def printable(key: str) -> str:
    """A key as one short printable word: keys come from files, and an error is one line."""
    text = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in key)
    return text if len(text) <= 60 else text[:57] + "..."


def column_of(line: str, path: Path) -> int:
    """The column (from 1) of the value at `path`, or of the nearest value around it that exists.

    Only asked once something is wrong, so it may read the line again.
    """
    index = _skip(line, 0)
    for step in path:
        below = _member(line, index, step)
        if below is None:
            break
        index = below
    return index + 1


def repeated_key(text: str) -> tuple[int, str] | None:
    """Column (from 1) and name of the first key that stands in one object twice; `text` is valid JSON.

    Readers disagree on such a value: most take the last, some the first. Raises RecursionError for a bomb.
    """
    found: list[tuple[int, str]] = []
    _walk(text, _skip(text, 0), found)
    return min(found, default=None)


def _walk(text: str, index: int, found: list[tuple[int, str]]) -> int:
    """Note the repeated keys of the value at `index`; gives where it ends."""
    value, end = _DECODER.raw_decode(text, index)
    if type(value) not in (dict, list) or not value:
        return end
    if type(value) is list and not any(type(element) in (dict, list) for element in value):
        return end
    keys: set[str] = set()
    while text[index] not in "}]":
        index = _skip(text, index + 1)
        if type(value) is dict:
            start = index
            key, index = _DECODER.raw_decode(text, index)
            if key in keys:
                found.append((start + 1, key))
            keys.add(key)
            index = _skip(text, _skip(text, index) + 1)
        index = _skip(text, _walk(text, index, found))
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
