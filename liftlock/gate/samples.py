"""Recorded requests as arrays, and the reader of their file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from liftlock.errors import InvalidInput, Problem

Arm = Literal["baseline", "candidate"]
ARMS: tuple[Arm, ...] = ("baseline", "candidate")
COLUMNS = ("arm", "intended_start_s", "latency_s", "ok")
_OK_WORDS = {"1": 1, "0": 0, "true": 1, "false": 0, "1.0": 1, "0.0": 0}
_CHUNK = 8 << 20
_LONGEST_HEADER = 64 << 10
_MOST_PROBLEMS = 20
_COMMA, _NEWLINE = 44, 10

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ArmSamples:
    """The requests of one arm by intended start. Seconds; a failed request counts as never answered."""

    intended_start_s: Floats
    latency_s: Floats
    ok: Bools

    def __len__(self) -> int:
        return len(self.latency_s)

    @property
    def never_if_failed_s(self) -> Floats:
        """Latencies with failures infinitely slow."""
        return np.where(self.ok, self.latency_s, np.inf)


@dataclass(frozen=True, eq=False)
class Samples:
    """Both arms of one run; either may be empty."""

    baseline: ArmSamples
    candidate: ArmSamples

    def arm(self, name: Arm) -> ArmSamples:
        return self.baseline if name == "baseline" else self.candidate

    @classmethod
    def of(cls, arm: NDArray[np.int8], start: Floats, latency: Floats, ok: Bools) -> Samples:
        """From parallel columns in any order; `arm` is an index into ARMS."""
        return cls(*(_sorted(start[arm == n], latency[arm == n], ok[arm == n]) for n in range(len(ARMS))))


def _sorted(start: Floats, latency: Floats, ok: Bools) -> ArmSamples:
    if np.any(start[1:] < start[:-1]):
        order = np.argsort(start, kind="stable")
        start, latency, ok = start[order], latency[order], ok[order]
    return ArmSamples(start, latency, ok)


def read_samples(path: Path) -> Samples:
    """The samples of a CSV file whose first columns are COLUMNS, in any order of rows.

    Raises InvalidInput naming each line that is wrong: the first 20, then how many more.
    """
    if path.exists() and not path.is_file():
        raise InvalidInput([Problem(str(path), 0, 0, "samples", "a file; this is a directory, a pipe or a device")])
    try:
        with path.open("rb") as file:
            tables = list(_read_tables(file, str(path)))
    except OSError as error:
        raise InvalidInput([Problem(str(path), 0, 0, "samples", error.strerror or str(error))]) from error
    table = np.concatenate(tables) if tables else np.empty((0, 4), dtype=_ROW)
    return Samples.of(table["arm"], table["start"], table["latency"], table["ok"])


_ROW = np.dtype([("arm", "i1"), ("start", "f8"), ("latency", "f8"), ("ok", "?")])
Table = NDArray[np.void]


def _read_tables(file: BinaryIO, name: str) -> Iterator[Table]:
    _check_header(file.readline(_LONGEST_HEADER), name)
    line, rest = 2, b""
    while chunk := file.read(_CHUNK):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        if newline:
            yield _parse(whole + newline, name, line)
            line += whole.count(b"\n") + 1
    if rest.strip():
        yield _parse(rest + b"\n", name, line)


def _check_header(header: bytes, name: str) -> None:
    found = header.decode("utf-8-sig", "replace").strip().split(",")
    if tuple(word.strip().strip('"') for word in found[: len(COLUMNS)]) != COLUMNS:
        raise InvalidInput([Problem(name, 1, 1, "header", f"wanted the columns {','.join(COLUMNS)} first")])


def _parse(text: bytes, name: str, first_line: int) -> Table:
    """The rows of whole lines: all at once, and where that does not work out, line by line to say why."""
    rows = _parse_fast(text)
    if rows is None:
        rows = _parse_lines(text, name, first_line)
    return rows


def _parse_fast(text: bytes) -> Table | None:
    lines = text.count(b"\n")
    if sum(text.count(arm.encode() + b",") for arm in ARMS) != lines:
        return None
    text = text.replace(b"baseline,", b"0,").replace(b"candidate,", b"1,").replace(b"\r\n", b"\n")
    for word, digit in ((b"true", b"1"), (b"True", b"1"), (b"false", b"0"), (b"False", b"0")):
        text = text.replace(word, digit) if word in text else text
    bare = _first_columns(text)
    if bare is None:
        return None
    try:
        values = np.fromstring(bare.replace(b"\n", b","), sep=",")
    except ValueError:
        return None
    if len(values) != lines * len(COLUMNS):
        return None
    values = values.reshape(lines, len(COLUMNS))
    sound = np.isfinite(values).all() and (values >= 0).all() and (values[:, [0, 3]] <= 1).all()
    if not sound or (values[:, [0, 3]] % 1).any():
        return None
    return np.rec.fromarrays(values.T, dtype=_ROW).view(np.ndarray)


def _first_columns(text: bytes) -> bytes | None:
    """The text without what follows the fourth column of each line; None where a line has fewer."""
    codes = np.frombuffer(text, dtype=np.uint8)
    ends = np.flatnonzero(codes == _NEWLINE)
    commas = np.flatnonzero(codes == _COMMA)
    first = np.searchsorted(commas, np.concatenate(([0], ends[:-1])))
    counts = np.diff(np.append(first, len(commas)))
    if (counts < len(COLUMNS) - 1).any():
        return None
    longer = counts >= len(COLUMNS)
    if not longer.any():
        return text
    step = np.zeros(len(codes) + 1, dtype=np.int8)
    step[commas[first[longer] + len(COLUMNS) - 1]] = 1
    step[ends[longer]] -= 1
    kept: bytes = codes[np.cumsum(step[:-1], dtype=np.int8) == 0].tobytes()
    return kept


def _parse_lines(text: bytes, name: str, first_line: int) -> Table:
    rows: list[tuple[int, float, float, bool]] = []
    problems: list[Problem] = []
    lines = text.decode("utf-8", "replace").splitlines()
    for number, fields in enumerate(csv.reader(lines), first_line):
        if not any(fields):
            continue
        fault = _fault(fields)
        if fault:
            problems.append(Problem(name, number, 1, *fault))
        else:
            ok = bool(_OK_WORDS[fields[3].strip().lower()])
            rows.append((ARMS.index(fields[0].strip()), float(fields[1]), float(fields[2]), ok))
    if problems:
        raise InvalidInput(_at_most(problems, name))
    return np.array(rows, dtype=_ROW)


def _fault(fields: list[str]) -> tuple[str, str] | None:
    """Which field of a row is wrong, and what is wanted there."""
    if len(fields) < len(COLUMNS):
        return "row", f"wanted {len(COLUMNS)} columns, found {len(fields)}"
    if fields[0].strip() not in ARMS:
        return "arm", f"wanted baseline or candidate, found {fields[0][:40]!r}"
    for column in (1, 2):
        try:
            value = float(fields[column])
        except ValueError:
            value = np.nan
        if not 0 <= value < np.inf:
            return COLUMNS[column], f"wanted finite seconds of at least 0, found {fields[column][:40]!r}"
    if fields[3].strip().lower() not in _OK_WORDS:
        return "ok", f"wanted 1 or 0, found {fields[3][:40]!r}"
    return None


def _at_most(problems: list[Problem], name: str) -> list[Problem]:
    left_out = len(problems) - _MOST_PROBLEMS
    more = [Problem(name, 0, 0, "rows", f"{left_out} more like these")] if left_out > 0 else []
    return problems[:_MOST_PROBLEMS] + more
