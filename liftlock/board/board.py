"""What the page tells, as values: what runs where, what needs somebody, what was decided, and on which numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from liftlock.environment import Environment
from liftlock.gate.facts import RunFacts
from liftlock.gate.verdict import Judgement
from liftlock.ledger import FULL, Entry
from liftlock.promote.proof import Proof
from liftlock.status import Row

Point = tuple[float, float]


@dataclass(frozen=True)
class Place:
    """One service in one environment: its revisions, the newest first."""

    environment: str
    service: str
    rows: tuple[Row, ...]

    @property
    def rolling_out(self) -> bool:
        """Whether some users have a release that is still being judged."""
        return any(0 < row.weight < FULL for row in self.rows)

    @property
    def served(self) -> bool:
        """Whether anybody uses the service here."""
        return any(row.weight for row in self.rows)


@dataclass(frozen=True)
class Decision:
    """A ledger entry and the commit that made it so."""

    entry: Entry
    commit: str
    """Empty where history does not show it."""


@dataclass(frozen=True)
class Curve:
    """How fast one arm answered: (latency in seconds, share of all requests answered within it), rising."""

    arm: str
    requests: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Gate:
    """A verdict with everything it rests on, as far as it is at hand."""

    decision: Decision
    judgement: Judgement | None
    """None where nothing was measured: a release that never answered needs no load to fail."""
    facts: RunFacts | None
    """None on live traffic, where nothing but counters was read."""
    samples: str | None
    """The recorded samples' digest; None on live traffic."""
    look: int | None
    curves: tuple[Curve, ...]
    missing: str
    """Why there are no curves although samples were recorded; else empty."""


class Trouble(StrEnum):
    """Why something needs somebody."""

    STOPPED = "stopped"  # failed before any user had it
    TAKEN_BACK = "taken back"  # failed on users' traffic
    ROLLED_BACK = "rolled back"  # by a person
    UNDECIDED = "not decided"
    ROLLING_OUT = "rolling out"


@dataclass(frozen=True)
class Attention:
    """Something a person may have to look at."""

    trouble: Trouble
    decision: Decision
    gate: str | None
    """The hash of the ledger entry with the verdict behind it."""
    settled: bool
    """Whether something good happened there since: a release finished, or this one is tried again."""


@dataclass(frozen=True)
class Board:
    """Everything the page tells. All of it is from git, but for the curves, which are from the store."""

    at: datetime
    commit: str
    environments: tuple[Environment, ...]
    places: Mapping[tuple[str, str], Place]
    """By (environment, service)."""
    timelines: Mapping[str, tuple[Decision, ...]]
    """Every decision by service, newest first."""
    gates: tuple[Gate, ...]
    """Those told in full, newest first."""
    attention: tuple[Attention, ...]
    """What is open, then what is settled; each newest first."""
    proof: Proof

    @property
    def open(self) -> tuple[Attention, ...]:
        """What nothing has settled yet."""
        return tuple(one for one in self.attention if not one.settled)

    @property
    def services(self) -> tuple[str, ...]:
        """Every service ever released, by name."""
        return tuple(sorted({service for _, service in self.places}))
