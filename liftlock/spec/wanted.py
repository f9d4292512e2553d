"""From a validator's complaint to one line a person can act on: the place, the field, and what is wanted."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Iterable, Iterator
from types import UnionType
from typing import Any, Union

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from liftlock.errors import Problem
from liftlock.spec.document import Document, Doubtful
from liftlock.spec.places import Path, Step, spell

# What pydantic calls a type or a bound, and what we ask for. `{x}` comes from the error's own context.
_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
    "greater_than": "more than {gt}",
    "greater_than_equal": "{ge} or more",
    "less_than": "less than {lt}",
    "less_than_equal": "{le} or less",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "one of {expected}",
}
_SHOWN = 60
_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> Iterator[Problem]:
    """Every problem of a failed validation, each at the key or value it is about."""
    for detail in error.errors(include_url=False):
        path = _real_path(detail["loc"], document)
        if detail["type"] == "faults":
            yield from _rules(detail["ctx"]["faults"], path, document)
        elif detail["type"] == "missing":
            yield _problem(document, path, "is required", document.place(path[:-1]))
        elif detail["type"] == "extra_forbidden":
            yield _problem(document, path, unknown(str(path[-1]), _keys(model, path[:-1])), document.key_place(path))
        else:
            yield _problem(document, path, _sentence(detail), document.place(path))


def steps(field: str) -> Path:
    """The path spelled `slo.latency[0].within`."""
    return tuple(int(index) if index else name for name, index in _STEP.findall(field))


def unknown(word: str, known: Iterable[str]) -> str:
    """What to say of a word that is not one of `known`."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"unknown key; did you mean `{close[0]}`?"
    return f"unknown key; known here: {', '.join(known)}" if known else "unknown key"


def _problem(document: Document, path: Path, wanted: str, place: tuple[int, int]) -> Problem:
    return Problem(document.file, *place, spell(path), wanted)


def _rules(faults: Iterable[tuple[str, str]], path: Path, document: Document) -> Iterator[Problem]:
    for below, wanted in faults:
        full = path + steps(below)
        yield _problem(document, full, wanted, document.place(full))


def _real_path(loc: tuple[Step, ...], document: Document) -> Path:
    """`loc` without the names pydantic adds for branches of a union, which are in no file."""
    path: list[Step] = []
    node = document.root
    for index, step in enumerate(loc):
        child = node.child(step) if node else None
        if child is None and index < len(loc) - 1:
            continue
        path.append(step)
        node = child
    return tuple(path)


def _sentence(detail: ErrorDetails) -> str:
    given, kind = detail["input"], detail["type"]
    context = {**detail.get("ctx", {})}
    wanted = _WANTED[kind].format(**context) if kind in _WANTED else detail["msg"].removeprefix("Value error, ")
    if isinstance(given, Doubtful):
        return _about_doubtful(given.text, wanted)
    if kind == "string_type" and isinstance(given, int | float):
        return f'text; write it in quotes: "{str(given).lower() if isinstance(given, bool) else given}"'
    if kind == "literal_error" and isinstance(given, str):
        choices = re.findall(r"'([^']*)'", str(context["expected"]))
        close = difflib.get_close_matches(given, choices, n=1)
        wanted += f"; did you mean {close[0]}?" if close else ""
    return f"{wanted}, not {_show(given)}"


def _about_doubtful(text: str, wanted: str) -> str:
    if text in {"", "~", "Null", "NULL"}:
        return f"{wanted}; a value is missing here: give one or remove the key"
    shown = _show(text).strip("'")
    if wanted.startswith(("a ", "true")) or re.match(r"[0-9]|more|less", wanted):
        return f"{wanted}, plainly written; YAML readers disagree about {shown}"
    return f'{wanted}; YAML readers disagree about {shown}: write it in quotes, "{shown}"'


def _show(value: Any) -> str:
    match value:
        case dict():
            return "a mapping"
        case tuple() | list():
            return "a list"
        case None:
            return "null"
        case bool():
            return str(value).lower()
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _keys(model: type[BaseModel], path: Path) -> set[str]:
    """The keys allowed at `path` of a `model`."""
    types: list[Any] = [model]
    for step in path:
        types = [below for kind in types for below in _below(kind, step)]
    return {name for kind in types for name in _fields(kind)}


def _fields(kind: Any) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        yield field.alias or name


def _below(kind: type[BaseModel], step: Step) -> Iterator[type[BaseModel]]:
    if isinstance(step, int):
        yield kind  # `_models` looked through the sequence already
        return
    for name, field in kind.model_fields.items():
        if step == (field.alias or name):
            yield from _models(field.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation, through unions, sequences, mappings and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif typing.get_origin(annotation) in {Union, UnionType, tuple, list, dict, typing.Annotated}:
        for argument in typing.get_args(annotation):
            yield from _models(argument)
