"""Judging a release: by a load test while it is dark, by users' own traffic while it has a share of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from liftlock import paths
from liftlock.environment import Rollout
from liftlock.gate.judge import gate_minimum, judge
from liftlock.gate.live import LiveCounts, judge_live
from liftlock.gate.verdict import Judgement, Verdict
from liftlock.promote.loadrun import ArmTarget, Generator, make_plan, objectives_of
from liftlock.promote.site import Site
from liftlock.promote.state import Held
from liftlock.release import Release
from liftlock.slo import requests_to_pass
from liftlock.store import BlobStore

# A gate sends so many requests that a pass can follow although this many of them were bad: a hiccup is not a verdict.
FORGIVEN = 2
# Looks at most: a second run, longer if need be, where the first could not decide or be trusted. Each is judged at
# half the error rates (Bonferroni), so that two looks together are wrong no more often than promised.
LOOKS = 2
# The longest second run, as a multiple of the first.
LONGER = 10
# How often live counters are read, in seconds; the local site's Prometheus scrapes once a second.
LOOK_S = 0.25


@dataclass(frozen=True)
class Judged:
    """A judgement, why in one line, and what goes into the evidence."""

    verdict: Verdict
    why: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Trial:
    """What is put to a load test: a release, what it is compared with, and by which rules."""

    environment: str
    candidate: Release
    baseline: Release | None
    rollout: Rollout
    web_port: int | None = None

    @property
    def rates(self) -> tuple[float, float]:
        """The chances of a false fail and a false pass at each look."""
        false_pass, false_fail = self.rollout.gate.error_rates
        return false_fail / LOOKS, false_pass / LOOKS

    @property
    def requests(self) -> int:
        """Judged requests per arm at the first look."""
        decisive = requests_to_pass(objectives_of(self.candidate), FORGIVEN, 1 - self.rates[1])
        return max(self.rollout.gate.requests, decisive)


@dataclass(frozen=True)
class Gatekeeper:
    """What judging needs: the site, the store, a place for working files, and somebody to tell."""

    root: Path
    site: Site
    store: BlobStore
    say: Callable[[str], None]
    progress: Callable[[str], None]
    """Told the same thing again and again with new numbers; `say` is told what happened."""
    _spare: list[Generator] = field(default_factory=list)

    def get_ready(self) -> None:
        """A load test is coming: have a generator ready by then."""
        if not self._spare:
            self._spare.append(Generator())

    def close(self) -> None:
        """No load test is coming any more."""
        while self._spare:
            self._spare.pop().close()

    def judge_dark(self, trial: Trial, seed: int) -> Judged:
        """A load test of a release beside the one users have, at most LOOKS times."""
        requests, judged = trial.requests, None
        for look in range(LOOKS):
            judgement, evidence = self.look(trial, requests, seed + look)
            judged = Judged(judgement.verdict, summary(judgement), {**evidence, "look": look + 1})
            requests = max(judgement.requests_needed or 0, trial.requests)
            if judgement.verdict is not Verdict.INCONCLUSIVE or requests > LONGER * trial.requests or look + 1 == LOOKS:
                break
            self.say(f"inconclusive: {judged.why}; looking again with {requests:,} requests an arm")
        assert judged is not None  # LOOKS is at least one
        return judged

    def work_directory(self, trial: Trial) -> Path:
        """Where a run's plan, samples and report are, until the next one of the same release."""
        return self.root / paths.LOCAL_STATE / "gates" / trial.environment / trial.candidate.revision

    def look(self, trial: Trial, requests: int, seed: int) -> tuple[Judgement, dict[str, Any]]:
        """One run and its judgement, with the evidence."""
        generator = self._spare.pop() if self._spare else Generator()
        run = generator.drive(self._plan(trial, requests, seed), lambda line: self.progress(_progress(line)))
        objectives = objectives_of(trial.candidate)
        margin = trial.rollout.gate.margin if trial.baseline else None
        least = gate_minimum(objectives, trial.rates)
        judgement = judge(run.samples, objectives, margin, trial.rates, run.facts, least)
        kept = self.store.put(run.samples_file.read_bytes())
        facts = run.facts.model_dump(mode="json")
        return judgement, {"samples": kept, "judgement": judgement.to_json(), "facts": facts}

    def _plan(self, trial: Trial, requests: int, seed: int) -> dict[str, Any]:
        work = self.work_directory(trial)
        work.mkdir(parents=True, exist_ok=True)
        requests_file = work / "requests.jsonl"
        requests_file.write_bytes(self.store.get(trial.candidate.contents.requests))
        return make_plan(
            trial.candidate,
            self._arms(trial),
            requests_file,
            work,
            requests=requests,
            profile=trial.rollout.gate.profile,
            seed=seed,
            web_port=trial.web_port,
        )

    def _arms(self, trial: Trial) -> tuple[ArmTarget, ...]:
        arms = {"candidate": trial.candidate, "baseline": trial.baseline}
        return tuple(
            ArmTarget(name, self.site.target(trial.environment, one.service, one.revision), one.revision)
            for name, one in arms.items()
            if one is not None
        )

    def judge_live(self, held: Held, rollout: Rollout) -> Judged:
        """Watch users' own traffic until it decides or the environment's patience ends."""
        assert held.release is not None  # see judge_dark
        window = Window()
        deadline = time.monotonic() + rollout.live.within.seconds
        while True:
            window.add(self.site.live_counts(held.environment.name, held.service))
            judgement = self._judge_window(held, held.release, rollout, window)
            self.progress(_live_progress(window, held.release.revision))
            if judgement.verdict is not Verdict.INCONCLUSIVE or time.monotonic() > deadline:
                return Judged(judgement.verdict, summary(judgement), {"judgement": judgement.to_json()})
            time.sleep(LOOK_S)

    def _judge_window(self, held: Held, release: Release, rollout: Rollout, window: Window) -> Judgement:
        baseline = window.counts(held.previous.revision) if held.previous else None
        return judge_live(
            window.counts(release.revision),
            objectives_of(release),
            baseline,
            rollout.live.requests,
            Trial(held.environment.name, release, held.previous, rollout).rates,
        )


class Window:
    """Counters since the first reading. A counter that fell was restarted: what it shows since is added."""

    def __init__(self) -> None:
        self._last: dict[str, LiveCounts] = {}
        self._sum: dict[str, LiveCounts] = {}

    def add(self, reading: Mapping[str, LiveCounts]) -> None:
        """Take one reading of every revision's counters."""
        for revision, now in reading.items():
            before = self._last.get(revision)
            self._last[revision] = now
            if before is not None:
                self._sum[revision] = _plus(self.counts(revision), _grown(before, now))

    def counts(self, revision: str) -> LiveCounts:
        """What `revision` did in the window."""
        return self._sum.get(revision, LiveCounts(revision, 0, 0))


def _grown(before: LiveCounts, now: LiveCounts) -> LiveCounts:
    if now.requests < before.requests or now.errors < before.errors:
        return replace(now, buckets=())
    edges = dict(before.buckets)
    buckets = tuple((edge, max(0, count - edges.get(edge, 0))) for edge, count in now.buckets)
    return LiveCounts(now.revision, now.requests - before.requests, now.errors - before.errors, buckets)


def _plus(one: LiveCounts, other: LiveCounts) -> LiveCounts:
    edges = dict(one.buckets)
    buckets = tuple((edge, count + edges.get(edge, 0)) for edge, count in other.buckets) or one.buckets
    return LiveCounts(one.revision, one.requests + other.requests, one.errors + other.errors, buckets)


def summary(judgement: Judgement) -> str:
    """A judgement in one line: why it failed, why it could not decide, or what it saw."""
    reasons = judgement.misses if judgement.verdict is Verdict.FAIL else judgement.doubts
    return "; ".join(reasons or [finding.sentence for finding in judgement.findings])


def _progress(line: Mapping[str, Any]) -> str:
    errors = sum(line["errors"].values())
    return f"load: {line['answered']:,} of {line['of']:,} answered" + (f", {errors:,} errors" if errors else "")


def _live_progress(window: Window, revision: str) -> str:
    counts = window.counts(revision)
    return f"live: {revision} answered {counts.requests:,} requests of users, {counts.errors:,} with errors"
