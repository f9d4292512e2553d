"""A story the page may tell above what git says: what was done, what was expected, what users saw meanwhile."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """One thing that was done."""

    title: str
    expectation: str
    outcome: str
    seconds: float
    ok: bool
    lines: tuple[str, ...]  # what the commands said


@dataclass(frozen=True)
class UserRequest:
    """One user's request to prod; times in seconds since the story began."""

    at_s: float
    status: int  # HTTP; 0 where no answer came
    revision: str
    latency_s: float


@dataclass(frozen=True)
class Story:
    """A told story."""

    title: str
    started: str  # UTC, RFC 3339
    seconds: float
    steps: tuple[Step, ...]
    users: tuple[UserRequest, ...] = ()
    mark_s: tuple[tuple[float, str], ...] = ()  # (when, what happened), for the picture of what users saw
