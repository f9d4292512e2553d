"""Boards of a small company: real decisions by the real promoter, judged by the real gate on made-up latencies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from liftlock.board.board import Board, Place
from liftlock.board.read import read_board
from liftlock.board.story import Step, Story, UserRequest
from liftlock.gate.facts import RunFacts
from liftlock.gate.judge import judge
from liftlock.gate.live import LiveCounts, judge_live
from liftlock.gate.samples import read_samples
from liftlock.promote.gates import Judged, summary
from liftlock.promote.loadrun import objectives_of
from liftlock.promote.promoter import Promoter, utc_now
from liftlock.repository import Repository, run_git
from liftlock.store.directory import DirectoryStore
from tests.company import ENVIRONMENTS
from tests.promote.doubles import Gate, InstantSite, a_release, cut_into_dev

RATE = 200.0


class Killed(Exception):
    """The promoter's end in the middle of its work."""


@dataclass(kw_only=True)
class MeasuredGate(Gate):
    """Judges as the real one does, on latencies that are `slower` times the baseline's; `failing` of them fail.

    On users' traffic `live_errors` of 60 requests fail; without a number the promoter is killed there.
    """

    store: DirectoryStore
    slower: float = 1.0
    failing: float = 0.0
    requests: int = 900
    live_errors: int | None = 0

    def judge_dark(self, trial, seed):
        text = self._samples(np.random.default_rng(seed), compared=trial.baseline is not None)
        kept = self.store.put(text.encode())
        path = self.store.root / "samples.csv"
        path.write_text(text)
        arms = ("baseline", "candidate") if trial.baseline else ("candidate",)
        samples = read_samples(path)
        facts = run_facts({arm: int((~samples.arm(arm).ok).sum()) for arm in arms}, self.requests)
        margin = trial.rollout.gate.margin if trial.baseline else None
        judgement = judge(samples, objectives_of(trial.candidate), margin, trial.rates, facts)
        evidence = {
            "samples": kept,
            "judgement": judgement.to_json(),
            "facts": facts.model_dump(mode="json"),
            "look": 1,
        }
        return Judged(judgement.verdict, summary(judgement), evidence)

    def _samples(self, draw, *, compared: bool) -> str:
        rows = ["arm,intended_start_s,latency_s,ok"]
        for arm in ("baseline", "candidate") if compared else ("candidate",):
            starts = np.cumsum(draw.exponential(1 / RATE, self.requests))
            latencies = draw.lognormal(np.log(0.002), 0.4, self.requests) * (self.slower if arm == "candidate" else 1)
            failed = draw.random(self.requests) < (self.failing if arm == "candidate" else 0)
            rows += [f"{arm},{a},{b},{int(not c)}" for a, b, c in zip(starts, latencies, failed, strict=True)]
        return "\n".join(rows) + "\n"

    def judge_live(self, held, rollout):
        if self.live_errors is None:
            raise Killed
        buckets = ((0.5, 60), (1.0, 60))
        seen = LiveCounts(held.release.revision, 60, self.live_errors, buckets)
        beside = LiveCounts("before", 240, 0, ((0.5, 240), (1.0, 240)))
        judgement = judge_live(seen, objectives_of(held.release), beside, rollout.live.requests)
        return Judged(judgement.verdict, summary(judgement), {"judgement": judgement.to_json()})


def run_facts(failed: dict[str, int], requests: int) -> RunFacts:
    """A run with nothing wrong but what failed, by arm."""
    arms = {
        name: {
            "scheduled": requests,
            "sent": requests,
            "answered": requests - count,
            "errors": {"status 500": count} if count else {},
            "wrong_revision": 0,
        }
        for name, count in failed.items()
    }
    return RunFacts.model_validate(
        {
            "started": "2026-11-21T10:00:00.000+00:00",
            "seconds": 4.5,
            "arms": arms,
            "lag": {"p50_s": 0.00005, "p99_s": 0.0002, "max_s": 0.0004},
            "generator_cpu_share": 0.04,
        }
    )


@dataclass(frozen=True)
class Firm:
    """A repository with three environments and a store, and what its people do."""

    repository: Repository
    store: DirectoryStore
    by: str = "Sam"

    def gate(self, **differently) -> MeasuredGate:
        return MeasuredGate(store=self.store, **differently)

    def cut(self, mark: str, service: str = "sums") -> None:
        cut_into_dev(self.repository, a_release(service, mark))

    def promote(self, to: str, service: str = "sums", approval: str = "Sam: go", site=None, **differently) -> None:
        gate = self.gate(**differently)
        promoter = Promoter(self.repository, site or InstantSite(), gate, self.by, lambda _: None)
        promoter.promote(service, to, approval=approval)

    def board(self) -> Board:
        return read_board(self.repository, self.repository.head(), self.store, utc_now)


def found(directory: Path, environments: dict[str, str] = ENVIRONMENTS, by: str = "Sam") -> Firm:
    """A repository without a remote, where nothing is released yet."""
    root = directory / "clone"
    run_git(directory, "init", "-q", "-b", "main", str(root))
    for key, value in {"user.name": "Sam", "user.email": "sam@localhost"}.items():
        run_git(root, "config", key, value)
    for name, text in environments.items():
        (root / "environments" / name).mkdir(parents=True)
        (root / "environments" / name / "environment.yaml").write_text(text)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "environments")
    store = DirectoryStore(root / ".liftlock" / "store")
    store.root.mkdir(parents=True)
    return Firm(Repository.open(root), store, by)


def crowded(board: Board, services: int) -> Board:
    """The board of a company where `services` services did what one did."""
    names = [f"service-{number:03}" for number in range(services)]
    [(_, timeline)] = board.timelines.items()
    places = {
        (environment, name): Place(environment, name, tuple(replace(row, service=name) for row in place.rows))
        for name in names
        for (environment, _), place in board.places.items()
    }
    gates = tuple(board.gates[number % len(board.gates)] for number in range(60))
    return replace(board, places=places, timelines=dict.fromkeys(names, timeline), gates=gates)


def a_story(**differently) -> Story:
    """A story of two steps, one of them not as expected, and of users of whom some had no answer."""
    users = tuple(_user(number) for number in range(400))
    steps = (
        Step("promote sums", "all users have it", "sums-1 has all users", 3.2, True, ("dev: pass", "prod: pass")),
        Step("promote a slow one", "staging stops it", "it was <stopped> in dev", 1.0, False, ()),
    )
    story = Story("The story", "2026-11-21T10:00:00+00:00", 12.5, steps, users, ((6.0, "5 % of users"), (8.0, "back")))
    return replace(story, **differently)


def _user(number: int) -> UserRequest:
    at = 2 + number / 50
    if number % 100 == 99:
        return UserRequest(at, 0, "", 0.0002)
    new = 6 < at < 8 and number % 10 == 0
    return UserRequest(at, 500 if new and number % 20 == 0 else 200, "sums-166e65b2" if new else "sums-8e21e63f", 0.002)


A_MOMENT = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
