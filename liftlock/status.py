"""What runs where, and why it may: from git alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from liftlock.environment import read_ladder, services_in
from liftlock.ledger import Action, Entry
from liftlock.promote.state import Held, read_held
from liftlock.release import Release
from liftlock.repository import Snapshot


@dataclass(frozen=True)
class Row:
    """One revision in one environment."""

    environment: str
    service: str
    revision: str
    release: str
    weight: int
    """Percent of users."""
    since: str
    """When its weight last changed, UTC."""
    by: str
    verdict: str
    """The gate's last word here: pass, fail, inconclusive, or none yet."""
    why: str


def read_status(snapshot: Snapshot) -> tuple[Row, ...]:
    """Every revision of every service, in the ladder's order."""
    rows: list[Row] = []
    for environment in read_ladder(snapshot):
        for service in services_in(snapshot, environment.name):
            held = read_held(snapshot, environment, service)
            releases = (held.release, held.previous)
            rows += [_row(held, release) for release in releases if release is not None]
    return tuple(rows)


def _row(held: Held, release: Release) -> Row:
    mine = [entry for entry in held.standing.entries if _concerns(entry, release)]
    moved = [entry for entry in mine if entry.action is not Action.GATE]
    judged = [entry for entry in mine if entry.action is Action.GATE and entry.release == release.digest]
    last = moved[-1] if moved else None
    return Row(
        environment=held.environment.name,
        service=held.service,
        revision=release.revision,
        release=release.digest,
        weight=held.route.weight(release.revision) if held.route else 0,
        since=last.at if last else "",
        by=last.by if last else "",
        verdict=str(judged[-1].verdict) if judged else "none yet",
        why=last.why if last else "",
    )


def _concerns(entry: Entry, release: Release) -> bool:
    return entry.release == release.digest or (
        entry.action in (Action.ROLLBACK, Action.SHIFT) and entry.baseline == release.digest
    )


def to_json(rows: tuple[Row, ...]) -> list[dict[str, Any]]:
    """The rows as JSON values."""
    return [asdict(row) for row in rows]
