"""Judging a release: by a load test while it is dark, by users' own traffic while it has a share of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftlock import paths
from liftlock.environment import Rollout
from liftlock.gate.judge import gate_minimum, judge
from liftlock.gate.live import LiveCounts, judge_live
from liftlock.gate.verdict import Judgement, Verdict
from liftlock.promote.loadrun import ArmTarget, drive, make_plan, objectives_of
from liftlock.promote.site import Site
from liftlock.promote.state import Held
from liftlock.release import Release
from liftlock.slo import requests_to_pass
from liftlock.store import BlobStore

# A gate sends so many requests that a pass can follow although this many of them were bad: a hiccup is not a verdict.
FORGIVEN = 2
# Looks at most: a second, longer run where the first could not decide. Each is judged at half the error rates
# (Bonferroni), so that two looks together are wrong no more often than promised.
LOOKS = 2
# The longest second run, as a multiple of the first.
LONGER = 6
# How often live counters are read, in seconds; the local site's Prometheus scrapes once a second.
LOOK_S = 0.25


@dataclass(frozen=True)
class Judged:
    """A judgement, why in one line, and what goes into the evidence."""

    verdict: Verdict
    why: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True)
class Gatekeeper:
    """What judging needs: the site, the store, a place for working files, and somebody to tell."""

    root: Path
    site: Site
    store: BlobStore
    say: Callable[[str], None]

    def judge_dark(self, held: Held, rollout: Rollout, seed: int) -> Judged:
        """A load test of the newest release beside the one users have."""
        assert held.release is not None  # only a release is judged
        arms = self._arms(held)
        first = max(
            rollout.gate.requests, requests_to_pass(objectives_of(held.release), FORGIVEN, 1 - self._rates(rollout)[1])
        )
        requests, judged = first, None
        for look in range(LOOKS):
            judgement, evidence = self._look(held, rollout, arms, requests, seed + look)
            judged = Judged(judgement.verdict, summary(judgement), {**evidence, "look": look + 1})
            needed = judgement.requests_needed
            if judgement.verdict is not Verdict.INCONCLUSIVE or needed is None or needed > LONGER * first:
                break
            requests = max(needed, first)
            self.say(f"not decided by {judgement.arms['candidate'].count} requests; looking again with {requests}")
        assert judged is not None  # LOOKS is at least one
        return judged

    def _rates(self, rollout: Rollout) -> tuple[float, float]:
        false_pass, false_fail = rollout.gate.error_rates
        return false_fail / LOOKS, false_pass / LOOKS

    def _arms(self, held: Held) -> tuple[ArmTarget, ...]:
        assert held.release is not None  # see judge_dark
        pairs: list[tuple[str, Release]] = [("candidate", held.release)]
        if held.previous is not None:
            pairs.append(("baseline", held.previous))
        name = held.environment.name
        return tuple(
            ArmTarget(arm, self.site.target(name, held.service, release.revision), release.revision)
            for arm, release in pairs
        )

    def _look(
        self, held: Held, rollout: Rollout, arms: tuple[ArmTarget, ...], requests: int, seed: int
    ) -> tuple[Judgement, dict[str, Any]]:
        assert held.release is not None  # see judge_dark
        release, rates = held.release, self._rates(rollout)
        work = self.root / paths.LOCAL_STATE / "gates" / held.environment.name / release.revision
        work.mkdir(parents=True, exist_ok=True)
        requests_file = work / "requests.jsonl"
        requests_file.write_bytes(self.store.get(release.contents.requests))
        plan = make_plan(release, arms, requests_file, work, requests=requests, profile=rollout.gate.profile, seed=seed)
        run = drive(plan, lambda line: self.say(_progress(line)))
        objectives = objectives_of(release)
        judgement = judge(
            run.samples,
            objectives,
            rollout.gate.margin if held.previous else None,
            rates,
            run.facts,
            gate_minimum(objectives, rates),
        )
        kept = self.store.put(run.samples_file.read_bytes())
        return judgement, {
            "samples": kept,
            "judgement": judgement.to_json(),
            "facts": run.facts.model_dump(mode="json"),
        }

    def judge_live(self, held: Held, rollout: Rollout) -> Judged:
        """Watch users' own traffic until it decides or the environment's patience ends."""
        assert held.release is not None  # see judge_dark
        window = Window()
        deadline = time.monotonic() + rollout.live.within.seconds
        while True:
            window.add(self.site.live_counts(held.environment.name, held.service))
            judgement = self._judge_window(held, held.release, rollout, window)
            self.say(_live_progress(window, held.release.revision))
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
            self._rates(rollout),
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
    """A judgement in one line: its misses, else its doubts, else how much it saw."""
    reasons = judgement.misses or judgement.doubts
    if reasons:
        return "; ".join(reasons)
    return "; ".join(finding.sentence for finding in judgement.findings)


def _progress(line: Mapping[str, Any]) -> str:
    errors = sum(line["errors"].values())
    return f"load: {line['answered']:,} of {line['of']:,} answered" + (f", {errors:,} errors" if errors else "")


def _live_progress(window: Window, revision: str) -> str:
    counts = window.counts(revision)
    return f"live: {revision} answered {counts.requests:,} requests of users, {counts.errors:,} with errors"
