"""Rollback: one command back to the last verified release, by a commit, users moved to a revision that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from liftlock import paths
from liftlock.environment import Environment, read_ladder
from liftlock.errors import LiftlockError, Unreachable
from liftlock.ledger import FULL, Action, Entry, Fact
from liftlock.promote.promoter import rungs_to, utc_now
from liftlock.promote.site import Site
from liftlock.promote.state import Held, change, read_held, with_only, with_warm
from liftlock.release import Release, parse_release
from liftlock.repository import Change, Repository, Snapshot, run_git


@dataclass(frozen=True)
class Rollback:
    """What a rollback works with."""

    repository: Repository
    site: Site
    by: str
    say: Callable[[str], None]
    clock: Callable[[], datetime] = utc_now

    def roll_back(self, service: str, name: str, *, to: str | None = None, why: str = "asked for") -> str:
        """Give all users of an environment back to the last verified release, or to revision `to`; its revision.

        Run again it is a no-op. Raises LiftlockError where there is nothing to go back to, Unreachable where the
        release to go back to does not answer: then users stay where they are.
        """
        snapshot = self.repository.head()
        environment = rungs_to(read_ladder(snapshot), name)[-1]
        held = read_held(snapshot, environment, service)
        if to is None and (done := _done_already(held)):
            self.say(f"{environment.name}: already rolled back to {done}; to go further back name it with --to")
            return done
        target = self._target(snapshot, held, to)
        if held.standing.route and target.revision not in held.standing.route.weights:
            if held.previous is not None and held.standing.weight < FULL:
                # In mid-rollout the users belong to the verified release while the target starts, not to the candidate.
                self._switch(environment, service, held.previous, why)
            self._warm(environment, service, target)
        return self._switch(environment, service, target, why)

    def _target(self, snapshot: Snapshot, held: Held, to: str | None) -> Release:
        """The release to go back to, from git as it is or as it was."""
        wanted = to or _last_verified(held)
        for release in (held.previous, held.release):
            if release and release.revision == wanted:
                return release
        return self._from_history(snapshot, held, wanted)

    def _from_history(self, snapshot: Snapshot, held: Held, revision: str) -> Release:
        """The release file as it was committed when this revision came."""
        file = paths.StateFiles(held.environment.name, held.service).release
        log = run_git(self.repository.root, "log", "--format=%H", snapshot.commit, "--", str(file)).decode().split()
        for commit in log:
            text = self.repository.at(commit).read(file)
            if text and (release := parse_release(text, f"{commit[:12]}:{file}")).revision == revision:
                return release
        raise LiftlockError(f"{held.service} never had {revision} in {held.environment.name}")

    def _warm(self, environment: Environment, service: str, target: Release) -> None:
        """Start a release that no longer runs, and see that it answers before users are moved."""

        def decide(base: Snapshot) -> Change | None:
            held = read_held(base, environment, service)
            if held.standing.route and target.revision in held.standing.route.weights:
                return None
            fact = self._fact(held, Action.ADMIT, target, target, "to go back to", 0)
            message = f"{environment.name}: {target.revision}: started again, dark, to go back to\n"
            return change(with_warm(held, target), (fact,), base.read(paths.ledger(service)), message)

        committed = self.repository.transact(decide)
        came = self.site.converge(committed.commit, environment.name, service)
        if reason := came.unready.get(target.revision):
            raise Unreachable(f"{target.revision} does not answer, so users stay where they are: {reason}")

    def _switch(self, environment: Environment, service: str, target: Release, why: str) -> str:
        def decide(base: Snapshot) -> Change | None:
            held = read_held(base, environment, service)
            if held.release is None or (held.release == target and held.previous is None):
                return None
            bad = held.previous if held.release == target and held.previous else held.release
            fact = self._fact(held, Action.ROLLBACK, bad, target, why, held.standing.weight)
            message = f"{environment.name}: {bad.revision}: rolled back to {target.revision}\n\n{why}\n"
            return change(with_only(held, target), (fact,), base.read(paths.ledger(service)), message)

        committed = self.repository.transact(decide)
        self.site.converge(committed.commit, environment.name, service)
        self.say(f"{environment.name}: all users on {target.revision}")
        return target.revision

    def _fact(self, held: Held, action: Action, release: Release, target: Release, why: str, weight: int) -> Fact:
        return Fact(
            at=self.clock().isoformat(timespec="milliseconds"),
            environment=held.environment.name,
            action=action,
            release=release.digest,
            revision=release.revision,
            baseline=target.digest,
            weight=weight,
            by=self.by,
            why=why,
        )


def _done_already(held: Held) -> str | None:
    """The revision that runs, if the last thing that happened here was a rollback to it."""
    entries = held.standing.entries
    if held.release is None or held.previous is not None or not entries:
        return None
    last = entries[-1]
    if last.action is Action.ROLLBACK and last.baseline == held.release.digest:
        return held.release.revision
    return None


def _last_verified(held: Held) -> str:
    """The revision that had all users before the newest one. Raises LiftlockError where there was none."""
    if held.release is None:
        raise LiftlockError(f"{held.service} has no release in {held.environment.name}")
    if held.previous is not None:
        return held.previous.revision
    before = [entry.revision for entry in _verified(held.standing.entries) if entry.release != held.release.digest]
    if not before:
        raise LiftlockError(f"{held.service} has run nothing in {held.environment.name} before {held.release.revision}")
    return before[-1]


def _verified(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    """Each time a release got all users and was not taken back later."""
    back = {entry.release: entry.sequence for entry in entries if entry.action is Action.ROLLBACK}
    return tuple(
        entry
        for entry in entries
        if entry.action is Action.SHIFT and entry.weight == FULL and back.get(entry.release, 0) < entry.sequence
    )
