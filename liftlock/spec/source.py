"""From a YAML file to a frozen, typed value, or to every problem in it with its place.

Two readers: `ryaml` where nothing in the file could be read in two ways and everything in it is valid, and the exact
one of `document` for all else. The fast reader never has the last word on a refusal, and a doubt is a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import ryaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from liftlock.errors import InvalidInput, Problem
from liftlock.spec.places import WHOLE

T = TypeVar("T", bound=BaseModel)

# No file a person writes comes near; nothing beyond it is even read.
MOST_BYTES = 256 * 1024

# Beyond these the exact reader counts; below them no file can pass one of its limits unnoticed.
_FAST_CHARACTERS = 16 * 1024
_FAST_DEPTH = 24
# Where a value or a key may start, and what makes it doubtful there: numbers that YAML versions read differently,
# their words for booleans and null, anchors, aliases, tags, merge keys, directives, explicit keys, second documents.
_START = r"(?:^[ ]*|[:\[,{?][ ]*|(?:^|[ ])-[ ]+)"
_DOUBT = re.compile(
    r"[\t\x85\u2028\u2029\x00-\x08\x0b-\x1f]|\r(?!\n)|^---|^\.\.\.|^%"
    rf"|{_START}(?:[&*!%@`?=]|<<|[-+]?0[0-9xXoObB_]|[-+]?[0-9][0-9.]*[_:eE]|[0-9]{{4}}-[0-9]|[-+]?[0-9]{{18}}"
    r"|[-+]?\.[iInN_]|(?:[yY](?:[eE][sS])?|[nN][oO]?|[oO][nN]|[oO][fF][fF]|[nN][uU][lL][lL]|~)[ ]*(?:$|\r|[,\]}#:]))",
    re.MULTILINE,
)


# The quick look before: most files hold no character and no word that could begin a doubt.
_ODD = re.compile(r"[\t\x85\u2028\u2029\x00-\x08\x0b-\x1f]")
_BREAKS = str.maketrans(",[]{}#", "      ")
_BEGINNINGS = frozenset("&*!%@`?=<~+-.0123456789\"'")
_BEFORE_VALUES = frozenset(["", *"\n:,[{?-"])
_CLEAR = re.compile(r"-|(?:0|[1-9][0-9]{0,14})(?:\.[0-9]+)?(?:ms|[smhdw]|[KMGT]i|/s|/min|/h)?|[\"'][^:]*:?")
_LOADED = frozenset(
    "".join(letters) + colon
    for word in ("yes", "no", "on", "off", "y", "n", "null", "~")
    for letters in product(*({letter, letter.upper()} for letter in word))
    for colon in ("", ":")
)


class Written(BaseModel):
    """Base of everything a person writes: frozen, strict, and closed to unknown keys.

    A subclass may define `faults`: the rules between its fields, each as (field path, what is wanted).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Rules between fields that do not hold, as (path below this value, what is wanted)."""
        return ()

    @model_validator(mode="after")
    def _hold_rules(self) -> Any:
        if type(self).faults is not Written.faults and (faults := tuple(self.faults())):
            raise PydanticCustomError("faults", "rules between fields do not hold", {"faults": faults})
        return self


def load(path: Path, model: type[T], *, root: Path) -> T:
    """Read the YAML file at `path` as a `model`. Raises InvalidInput with every problem, files named from `root`."""
    return parse(read(path, root=root), model, name_below(path, root))


def read(path: Path, *, root: Path) -> bytes:
    """A file's bytes, never more than a little over the limit. Raises InvalidInput where it is not a readable file."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        wanted = f"a readable file ({error.strerror or error})"
        raise InvalidInput([Problem(name_below(path, root), 0, 0, WHOLE, wanted)]) from error


def name_below(path: Path, root: Path) -> str:
    """How an error names a file: relative to the checkout's root where it lies in it."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def parse(text: bytes, model: type[T], file: str) -> T:
    """Read `text` as a `model`. Raises InvalidInput with every problem, calling the file `file`."""
    data = read_fast(text)
    if data is not None:
        try:
            return model.model_validate(data, strict=True)
        except ValidationError:
            pass  # the exact reader says what and where
    return parse_exactly(text, model, file)


def parse_exactly(text: bytes, model: type[T], file: str) -> T:
    """`parse` by the exact reader alone."""
    from liftlock.spec.document import read_exactly
    from liftlock.spec.wanted import explain

    document = read_exactly(text, file)
    if document.root is None:
        raise InvalidInput(document.problems)
    try:
        value = model.model_validate(document.root.plain(), strict=True)
    except ValidationError as error:
        places = {(problem.line, problem.column) for problem in document.problems}
        more = [one for one in explain(error, model, document) if (one.line, one.column) not in places]
        raise InvalidInput([*document.problems, *more]) from None
    if document.problems:
        raise InvalidInput(document.problems)
    return value


def problem_at(text: bytes, file: str, field: str, wanted: str) -> Problem:
    """A problem with the value at `field` (`slo.latency[0].within`) of a file already read, with its place."""
    from liftlock.spec.document import read_exactly
    from liftlock.spec.wanted import steps

    line, column = read_exactly(text, file).place(steps(field))
    return Problem(file, line, column, field, wanted)


def read_fast(raw: bytes) -> dict[str, Any] | None:
    """The mapping in `raw`, or None wherever the exact reader should look: any doubt, any fault."""
    if len(raw) > _FAST_CHARACTERS:
        return None
    try:
        text = raw.decode("utf-8-sig")
        if _may_be_doubtful(text) and _DOUBT.search(text):
            return None
        data = _settled(ryaml.loads(text), _FAST_DEPTH)  # type: ignore[attr-defined]  # its stub exports nothing
    except (ValueError, TypeError, RecursionError, _DoubtError):
        return None
    return data if isinstance(data, dict) else None


def _may_be_doubtful(text: str) -> bool:
    """False only where no word of `text` could be what _DOUBT looks for; four times as fast."""
    if _ODD.search(text):
        return True
    words = set(text.translate(_BREAKS).split())
    if any(_begins_a_value(word, text) for word in words & _LOADED):
        return True
    return any(word[0] in _BEGINNINGS and not _CLEAR.fullmatch(word) for word in words)


def _begins_a_value(word: str, text: str) -> bool:
    """Whether `word` stands anywhere but within prose, where a letter comes before it."""
    at = text.find(word)
    while at >= 0:
        if text[:at].rstrip(" ")[-1:] in _BEFORE_VALUES:
            return True
        at = text.find(word, at + 1)
    return False


class _DoubtError(Exception):
    """The fast reader met something only the exact one may judge."""


def _settled(value: Any, depth: int) -> Any:
    """`value` with tuples for lists. Raises _DoubtError for null, for keys that are not text, and for depth."""
    if depth == 0 or value is None:
        raise _DoubtError
    if isinstance(value, dict):
        if not _TEXT.issuperset(map(type, value)):
            raise _DoubtError
        return {key: entry if type(entry) in _LEAVES else _settled(entry, depth - 1) for key, entry in value.items()}
    if isinstance(value, list):
        return tuple([_settled(element, depth - 1) for element in value])
    return value


_TEXT: frozenset[type] = frozenset({str})
_LEAVES: frozenset[type] = frozenset({str, int, float, bool})
