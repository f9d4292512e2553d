"""Promotion: up the ladder, one decided step after the other, each a commit.

Nothing is remembered here. Every round reads what git says, asks `rollout.next_step`, and carries that one step out;
so a promotion that is killed is finished by running it again, and two at once do each step once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from liftlock import ledger, paths
from liftlock.environment import Environment, Rollout, for_service, read_ladder
from liftlock.errors import GateFailed, Inconclusive, LiftlockError
from liftlock.gate.verdict import Verdict
from liftlock.ledger import FULL, Action, Fact
from liftlock.promote.gates import Gatekeeper, Judged, Trial
from liftlock.promote.site import Site
from liftlock.promote.state import Held, change, read_held, with_only, with_release, with_weight
from liftlock.release import Release
from liftlock.repository import Change, Repository, Snapshot
from liftlock.rollout import DARK, Admit, Done, Judge, Retire, Shift, Step, Stopped, next_step
from liftlock.spec.sources import Source, immutable_form

Decision = tuple[Held, tuple[Fact, ...], str]


def utc_now() -> datetime:
    """Now, as evidence is dated."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Promoter:
    """What a promotion works with."""

    repository: Repository
    site: Site
    gatekeeper: Gatekeeper
    by: str
    say: Callable[[str], None]
    clock: Callable[[], datetime] = utc_now

    def promote(self, service: str, to: str, *, retry: bool = False, approval: str | None = None) -> Release:
        """Bring the newest release of the first environment to all users of `to`, every rung on the way included.

        Raises GateFailed or Inconclusive with the evidence's words, Unreachable where a site does not answer,
        LiftlockError where it may not be done.
        """
        snapshot = self.repository.head()
        ladder = read_ladder(snapshot)
        release = newest_release(snapshot, ladder, service)
        try:
            for environment in rungs_to(ladder, to):
                self.gatekeeper.get_ready()
                self._climb(service, release, environment, ladder, retry=retry, approval=approval)
        finally:
            self.gatekeeper.close()
        return release

    def _climb(
        self,
        service: str,
        release: Release,
        environment: Environment,
        ladder: tuple[Environment, ...],
        *,
        retry: bool,
        approval: str | None,
    ) -> None:
        """Carry out steps until the release has all users of this environment."""
        rollout = for_service(environment.rollout, release.spec.rollout)
        climb = _Climb(self, service, release, environment, rollout, approval)
        while True:
            snapshot = self.repository.head()
            held = read_held(snapshot, environment, service)
            step = climb.next(held, retry=retry)
            retry = retry and not isinstance(step, Admit)
            if isinstance(step, Admit):
                _may_enter(snapshot, ladder, environment, release, approval)
            if isinstance(step, Done):
                self.site.converge(snapshot.commit, environment.name, service)
                return
            climb.carry_out(step, snapshot, held)


@dataclass(frozen=True)
class _Climb:
    """One release in one environment."""

    promoter: Promoter
    service: str
    release: Release
    environment: Environment
    rollout: Rollout
    approval: str | None

    def next(self, held: Held, *, retry: bool = False) -> Step:
        """The step that follows from what git says now."""
        return next_step(
            held.standing,
            self.release.digest,
            self.rollout.weights,
            keep_warm=timedelta(seconds=self.rollout.keep_warm.seconds),
            now=self.promoter.clock(),
            retry=retry,
        )

    def carry_out(self, step: Step, snapshot: Snapshot, held: Held) -> None:
        """Do one step, and return when git says so and the site has followed."""
        match step:
            case Stopped(entry=entry):
                when = f"{entry.at[:16].replace('T', ' ')} UTC"
                raise GateFailed(
                    f"{self.release.revision} was taken back in {self.environment.name} on {when}: {entry.why}"
                    " (`--retry` tries it again)"
                )
            case Admit():
                self._commit(step, self._admitted)
            case Judge(weight=weight):
                self._judge(step, snapshot, held, weight)
            case Shift(weight=weight):
                self._commit(step, lambda now: self._shifted(now, weight))
            case Retire():
                self._commit(step, self._retired)

    def _judge(self, step: Judge, snapshot: Snapshot, held: Held, weight: int) -> None:
        judged = self._verdict(snapshot, held, weight)
        self.say(f"{judged.verdict}: {judged.why}")
        self._commit(step, lambda now: self._recorded(now, judged, weight))
        where = f"{self.release.revision} in {self.environment.name}"
        if judged.verdict is Verdict.FAIL:
            raise GateFailed(f"{where}: {judged.why}")
        if judged.verdict is Verdict.INCONCLUSIVE:
            raise Inconclusive(f"{where}: {judged.why}")

    def _verdict(self, snapshot: Snapshot, held: Held, weight: int) -> Judged:
        """Judge what the site runs; a revision that never answers needs no load to fail."""
        came = self.promoter.site.converge(snapshot.commit, self.environment.name, self.service)
        if why := came.unready.get(self.release.revision):
            return Judged(Verdict.FAIL, f"never became ready: {why}", {})
        if held.previous and (why := came.unready.get(held.previous.revision)):
            return Judged(Verdict.INCONCLUSIVE, f"the baseline {held.previous.revision} does not answer: {why}", {})
        keeper = self.promoter.gatekeeper
        if weight == DARK:
            self.say(f"load test against {held.previous.revision if held.previous else 'its objectives alone'}")
            trial = Trial(self.environment.name, self.release, held.previous, self.rollout)
            return keeper.judge_dark(trial, seed=_seed(self.release))
        self.say(f"live analysis at {weight} % of users")
        return keeper.judge_live(held, self.rollout)

    def say(self, words: str) -> None:
        self.promoter.say(f"{self.environment.name}: {self.release.revision}: {words}")

    def _commit(self, step: Step, decision: Callable[[Held], Decision]) -> None:
        """Commit `decision` if `step` is still what comes next; somebody else may have done it meanwhile."""

        def decide(base: Snapshot) -> Change | None:
            now = read_held(base, self.environment, self.service)
            if self.next(now, retry=isinstance(step, Admit)) != step:
                return None
            after, facts, message = decision(now)
            return change(after, facts, base.read(paths.ledger(self.service)), message)

        committed = self.promoter.repository.transact(decide)
        self.promoter.site.converge(committed.commit, self.environment.name, self.service)

    def _fact(self, action: Action, why: str, **details: object) -> Fact:
        values = {
            "at": self.promoter.clock().isoformat(timespec="milliseconds"),
            "environment": self.environment.name,
            "action": action,
            "release": self.release.digest,
            "revision": self.release.revision,
            "by": self.promoter.by,
            "why": why,
            **details,
        }
        return Fact.model_validate(values)

    def _admitted(self, now: Held) -> Decision:
        after = with_release(now, self.release)
        baseline = after.previous.digest if after.previous else None
        passed = f"passed in {self.environment.after}" if self.environment.after else "cut"
        why = f"{passed}; approved: {self.approval}" if self.environment.approval == "required" else passed
        fact = self._fact(Action.ADMIT, why, baseline=baseline, weight=DARK)
        self.say("admitted, dark")
        return after, (fact,), self._message("admit, dark", why)

    def _shifted(self, now: Held, weight: int) -> Decision:
        before = now.standing.weight
        why = f"passed at {before} %" if before else "passed the load test"
        fact = self._fact(Action.SHIFT, why, weight=weight, baseline=now.standing.previous)
        self.say(f"{weight} % of users")
        return with_weight(now, weight), (fact,), self._message(f"{weight} % of users", why)

    def _retired(self, now: Held) -> Decision:
        assert now.previous is not None  # next_step has looked
        why = f"all users left {now.previous.revision} {self.rollout.keep_warm} ago"
        fact = self._fact(Action.RETIRE, why, baseline=now.previous.digest, weight=FULL)
        self.say(f"{now.previous.revision} is no longer kept warm")
        return with_only(now, self.release), (fact,), self._message("retire the previous revision", why)

    def _recorded(self, now: Held, judged: Judged, weight: int) -> Decision:
        """The verdict, and in the same commit what follows from it: a failed release is taken back."""
        baseline = now.standing.previous
        details = {"baseline": baseline, "weight": weight}
        verdict = self._fact(
            Action.GATE, judged.why, verdict=str(judged.verdict), evidence=dict(judged.evidence), **details
        )
        match judged.verdict:
            case Verdict.FAIL:
                back = self._fact(Action.ROLLBACK, judged.why, **details)
                return (
                    with_only(now, now.previous),
                    (verdict, back),
                    self._message("gate failed, taken back", judged.why),
                )
            case Verdict.INCONCLUSIVE if weight > DARK:
                dark = self._fact(Action.SHIFT, f"not decided at {weight} %", weight=DARK, baseline=baseline)
                after = with_weight(now, DARK)
                return after, (verdict, dark), self._message("gate inconclusive, back to no users", judged.why)
            case _:
                return now, (verdict,), self._message(f"gate: {judged.verdict}", judged.why)

    def _message(self, what: str, why: str) -> str:
        subject = f"{self.environment.name}: {self.release.revision}: {what}"
        return f"{subject}\n\n{why}\n\nLiftlock-Release: {self.release.digest}\n"


def _seed(release: Release) -> int:
    """Arrivals that are the same whenever the same release is judged."""
    return int(release.digest[-7:], 16)


def newest_release(snapshot: Snapshot, ladder: tuple[Environment, ...], service: str) -> Release:
    """What was last cut. Raises LiftlockError where nothing was."""
    held = read_held(snapshot, ladder[0], service)
    cut = [entry for entry in held.entries if entry.action is Action.CUT]
    if held.release is None and cut:
        raise GateFailed(_taken_back(held, cut[-1]))
    if held.release is None:
        raise LiftlockError(f"{service} has no release in {ladder[0].name}: run `liftlock release {service}` first")
    if cut and held.release.digest != cut[-1].release:
        raise GateFailed(_taken_back(held, cut[-1]))
    return held.release


def _taken_back(held: Held, cut: ledger.Entry) -> str:
    back = [entry for entry in held.entries if entry.action is Action.ROLLBACK and entry.release == cut.release]
    why = back[-1].why if back else "it is gone"
    return f"{cut.revision}, the newest release, was taken back in {held.environment.name}: {why}"


def rungs_to(ladder: tuple[Environment, ...], name: str) -> tuple[Environment, ...]:
    """The environments up to `name`. Raises LiftlockError for one that is not there."""
    names = [environment.name for environment in ladder]
    if name not in names:
        raise LiftlockError(f"no environment {name!r}: there are {', '.join(names)}")
    return ladder[: names.index(name) + 1]


def _may_enter(
    snapshot: Snapshot,
    ladder: tuple[Environment, ...],
    environment: Environment,
    release: Release,
    approval: str | None,
) -> None:
    """Raises LiftlockError unless `release` has the right to come here."""
    if environment.after is None:
        return
    before = next(one for one in ladder if one.name == environment.after)
    entries = read_held(snapshot, before, release.service).entries
    if ledger.finished(entries, before.name, release.digest) is None:
        raise LiftlockError(
            f"{release.revision} has not passed in {before.name}, so it may not come to {environment.name}"
        )
    if not release.model.immutable and release.model.source:
        form = immutable_form(Source.parse(release.model.source))
        first = ladder[0].name
        raise LiftlockError(
            f"{release.revision}: {release.model.source} may change under its name; above {first} {form} is wanted"
        )
    if environment.approval == "required" and not approval:
        raise LiftlockError(f"{environment.name} wants an approval: say `--approve 'WHO: WHY'`")
