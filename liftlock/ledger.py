"""The evidence: one hash-chained line per decision about a service, kept in git.

An entry's `hash` is the SHA-256 of its own canonical JSON without `hash`; `previous` is the hash of the entry before.
So no line can be changed, dropped or put in between without every later hash changing, and git history shows who tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from liftlock.canonical import canonical_json, digest_value
from liftlock.errors import Problem

# What the first entry of a chain names as the one before it.
GENESIS = "sha256:" + "0" * 64


class Action(StrEnum):
    """What was decided."""

    CUT = "cut"  # a release was made and put into the first environment, dark
    ADMIT = "admit"  # a release was copied from the environment before, dark
    GATE = "gate"  # a verdict
    SHIFT = "shift"  # users' weights changed
    ROLLBACK = "rollback"  # back to the last verified release
    RETIRE = "retire"  # the previous revision is no longer kept warm


class Fact(BaseModel):
    """A decision, before it is chained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str  # UTC, RFC 3339
    environment: str
    action: Action
    release: str  # the digest it is about
    revision: str
    baseline: str | None = None  # the digest it was compared with
    weight: int | None = None  # percent of users, for SHIFT and the GATE at that weight; 0 is dark
    verdict: str | None = None  # pass, fail, inconclusive; for GATE
    by: str  # who ran the command
    why: str
    evidence: dict[str, JsonValue] = {}  # the judgement's numbers, and the digest of the samples behind them


class Entry(Fact):
    """A decision in its chain."""

    service: str
    sequence: int  # from 1
    previous: str
    hash: str


def _hash(body: dict[str, Any]) -> str:
    return digest_value({key: value for key, value in body.items() if key != "hash"})


def append(ledger: bytes | None, service: str, facts: Iterable[Fact]) -> bytes:
    """The ledger with `facts` chained at its end."""
    text = ledger or b""
    entries = parse(text)
    sequence, previous = (entries[-1].sequence, entries[-1].hash) if entries else (0, GENESIS)
    for fact in facts:
        sequence += 1
        body = {**fact.model_dump(mode="json"), "service": service, "sequence": sequence, "previous": previous}
        previous = _hash(body)
        text += canonical_json({**body, "hash": previous}) + b"\n"
    return text


def parse(ledger: bytes | None) -> tuple[Entry, ...]:
    """The entries of a ledger file, oldest first. Raises pydantic.ValidationError for a line of another form."""
    return tuple(Entry.model_validate_json(line) for line in (ledger or b"").splitlines())


def chain_problems(file: str, ledger: bytes) -> Iterator[Problem]:
    """Every place where the chain does not hold."""
    previous, sequence = GENESIS, 0
    for number, line in enumerate(ledger.splitlines(), start=1):
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError as error:
            yield Problem(file, number, 1, "entry", f"a ledger entry: {error.errors()[0]['msg']}")
            return
        sequence += 1
        if entry.sequence != sequence:
            yield Problem(
                file, number, 1, "sequence", f"{sequence}, not {entry.sequence}: an entry is missing or added"
            )
        if entry.previous != previous:
            yield Problem(file, number, 1, "previous", f"{previous}: the entry before it was changed or taken out")
        if entry.hash != _hash(orjson.loads(line)):
            yield Problem(file, number, 1, "hash", "the hash of this very line: it was changed after it was written")
        previous, sequence = entry.hash, entry.sequence


# Percent of users: everybody.
FULL = 100


def finished(entries: Iterable[Entry], environment: str, release: str) -> Entry | None:
    """The entry by which `release` got all users of `environment`, unless it was taken back after it."""
    done = None
    for entry in entries:
        if (entry.environment, entry.release) != (environment, release):
            continue
        if entry.action is Action.SHIFT and entry.weight == FULL:
            done = entry
        if entry.action is Action.ROLLBACK:
            done = None
    return done
