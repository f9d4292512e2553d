"""What comes next for one release in one environment: decided from git alone, by a pure function.

    dark (weight 0, judged by a load test) -> each of the environment's weights, judged on live traffic -> everybody

The ledger says what was decided, the route what users get; together they are the whole state, so a step that was
killed is simply decided again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict

from liftlock.conventions import revision_name
from liftlock.ledger import FULL, Action, Entry

DARK = 0


class Route(BaseModel):
    """How users of a service are divided among its revisions in one environment; percent of users by revision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    environment: str
    weights: Mapping[str, int]
    mirror: str | None = None

    def weight(self, revision: str) -> int:
        return self.weights.get(revision, DARK)


@dataclass(frozen=True)
class Standing:
    """Where a service stands in one environment. Releases are named by their digests."""

    environment: str
    service: str
    release: str | None  # the newest here
    previous: str | None  # the last verified one beside it
    route: Route | None
    entries: tuple[Entry, ...]  # this environment's part of the ledger, oldest first

    def revision(self, digest: str) -> str:
        return revision_name(self.service, digest)

    @property
    def weight(self) -> int:
        """The percentage of users the newest release has."""
        if self.release is None or self.route is None:
            return DARK
        return self.route.weight(self.revision(self.release))


@dataclass(frozen=True)
class Admit:
    """Bring a release into the environment, dark."""

    release: str


@dataclass(frozen=True)
class Judge:
    """Judge the newest release at a weight: a load test while dark, live traffic above."""

    release: str
    baseline: str | None
    weight: int


@dataclass(frozen=True)
class Shift:
    """Give the newest release this percentage of users."""

    release: str
    weight: int


@dataclass(frozen=True)
class Retire:
    """Stop keeping the previous revision warm."""

    release: str
    previous: str


@dataclass(frozen=True)
class Done:
    """The release has all users, and nothing is left to do."""

    release: str


@dataclass(frozen=True)
class Stopped:
    """The release failed here, and was taken back: `entry` says when and why."""

    release: str
    entry: Entry


Step = Admit | Judge | Shift | Retire | Done | Stopped


def next_step(
    standing: Standing,
    release: str,
    weights: tuple[int, ...],
    *,
    keep_warm: timedelta,
    now: datetime,
    retry: bool = False,
) -> Step:
    """The one thing to do next so that `release` ends with all users of this environment, or is known not to.

    `weights` are the environment's, ascending, ending in 100. With `retry` a release that failed before may try again.
    """
    stopped = stopping_entry(standing.entries, release)
    if stopped and not retry:
        return Stopped(release, stopped)
    if standing.release != release:
        return Admit(release)
    if standing.weight == FULL:
        return _afterwards(standing, release, keep_warm, now)
    return _rollout_step(standing, release, weights)


def _rollout_step(standing: Standing, release: str, weights: tuple[int, ...]) -> Step:
    at = standing.weight
    if not _judged(standing.entries, release, DARK):
        return Judge(release, standing.previous, DARK)
    if standing.previous is None:
        return Shift(release, FULL)
    if at != DARK and not _judged(standing.entries, release, at):
        return Judge(release, standing.previous, at)
    return Shift(release, next(weight for weight in (*weights, FULL) if weight > at))


def _judged(entries: tuple[Entry, ...], release: str, weight: int) -> bool:
    """Whether `release` has passed at `weight` since users last moved (or, dark, since it came)."""
    since = (Action.CUT, Action.ADMIT) if weight == DARK else (Action.CUT, Action.ADMIT, Action.SHIFT)
    for entry in reversed(entries):
        if entry.release != release:
            continue
        if entry.action in since:
            return False
        if entry.action is Action.GATE and entry.weight == weight and entry.verdict == "pass":
            return True
    return False


def _afterwards(standing: Standing, release: str, keep_warm: timedelta, now: datetime) -> Step:
    shifted = [entry for entry in standing.entries if entry.release == release and entry.weight == FULL]
    if standing.previous is None or not shifted:
        return Done(release)
    if now - datetime.fromisoformat(shifted[-1].at) < keep_warm:
        return Done(release)
    return Retire(release, standing.previous)


def stopping_entry(entries: tuple[Entry, ...], release: str) -> Entry | None:
    """The last decision that took `release` back, unless it was admitted again after it."""
    for entry in reversed(entries):
        if entry.release != release:
            continue
        if entry.action is Action.ROLLBACK:
            return entry
        if entry.action in (Action.CUT, Action.ADMIT):
            return None
    return None
