"""What a site must do for a rollout. `liftlock.sites` has the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from liftlock.gate.live import LiveCounts


@dataclass(frozen=True)
class Target:
    """Where load goes to reach a service: by its route, or one revision by the header that names it."""

    url: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Convergence:
    """What came of making a commit so. `unready` says of each revision why it does not answer."""

    unready: Mapping[str, str]


class Site(Protocol):
    """The kind of place revisions run in. Every method raises Unreachable where the site does not answer."""

    name: str

    def converge(self, commit: str, environment: str, service: str) -> Convergence:
        """Return once the site runs what `commit` says of this service, or knows that a revision never will."""
        ...

    def target(self, environment: str, service: str, revision: str | None) -> Target:
        """Where to send load."""
        ...

    def live_counts(self, environment: str, service: str) -> Mapping[str, LiveCounts]:
        """Each revision's counters as users see them, fresh; they only ever grow while its processes live."""
        ...
