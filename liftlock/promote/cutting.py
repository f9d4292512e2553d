"""Bringing a release that was just cut into the first environment."""

from __future__ import annotations

from datetime import datetime

from liftlock import paths
from liftlock.environment import read_ladder
from liftlock.ledger import Action, Fact
from liftlock.promote.state import change, read_held, with_release
from liftlock.release import Release
from liftlock.repository import Change, Repository, Snapshot
from liftlock.rollout import DARK, stopping_entry


def admit_cut(repository: Repository, release: Release, *, source: str, by: str, at: datetime) -> tuple[Snapshot, bool]:
    """Commit `release`, dark, into the first environment; the commit, and whether there was anything to do.

    `source` is the commit whose files it was cut from. Raises InvalidInput, Unreachable.
    """
    done: list[bool] = []

    def decide(base: Snapshot) -> Change | None:
        first = read_ladder(base)[0]
        held = read_held(base, first, release.service)
        done.clear()
        if held.standing.release == release.digest and not stopping_entry(held.standing.entries, release.digest):
            return None
        after = with_release(held, release)
        fact = Fact(
            at=at.isoformat(timespec="milliseconds"),
            environment=first.name,
            action=Action.CUT,
            release=release.digest,
            revision=release.revision,
            baseline=after.previous.digest if after.previous else None,
            weight=DARK,
            by=by,
            why=f"cut from {source[:12]}",
            evidence={"commit": source, "evaluation": dict(release.model.evaluation)},
        )
        done.append(True)
        message = f"{first.name}: {release.revision}: cut\n\nLiftlock-Release: {release.digest}\n"
        return change(after, (fact,), base.read(paths.ledger(release.service)), message)

    return repository.transact(decide), bool(done)
