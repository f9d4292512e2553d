"""Live traffic: a bad revision is caught within a few requests, a good one is not accused, however often one asks."""

from __future__ import annotations

import numpy as np
import pytest

from liftlock.gate.live import LiveCounts, judge_live
from liftlock.gate.verdict import Verdict
from liftlock.slo import LatencyObjective, Objectives

PROMISE = Objectives(99.9, (LatencyObjective(0.99, 0.25),))
BASELINE = LiveCounts("m-1", 20_000, 2, ((0.1, 19_900), (0.25, 19_990), (1.0, 19_998)))


def _counts(requests: int = 500, errors: int = 0, slow: int = 0) -> LiveCounts:
    answered = requests - errors
    return LiveCounts(
        "m-2", requests, errors, ((0.1, (answered - slow) // 2), (0.25, answered - slow), (1.0, answered))
    )


@pytest.mark.parametrize(
    ("verdict", "counts"),
    [
        (Verdict.PASS, _counts()),
        (Verdict.FAIL, _counts(60, errors=4)),
        (Verdict.FAIL, _counts(500, slow=40)),
        (Verdict.INCONCLUSIVE, _counts(20)),
        (Verdict.INCONCLUSIVE, _counts(30, errors=1)),
        (Verdict.INCONCLUSIVE, _counts(500, errors=1)),
        (Verdict.INCONCLUSIVE, _counts(0)),
        (Verdict.PASS, _counts(5000, errors=1)),
    ],
)
def test_a_window_is_judged_by_what_it_shows(verdict: Verdict, counts: LiveCounts):
    assert verdict == judge_live(counts, PROMISE, BASELINE).verdict


def test_a_candidate_no_worse_than_its_baseline_is_not_accused():
    ailing = LiveCounts("m-1", 10_000, 800)
    assert judge_live(LiveCounts("m-2", 500, 40), Objectives(99.9), ailing).verdict == Verdict.PASS
    assert judge_live(LiveCounts("m-2", 500, 40), Objectives(99.9)).verdict == Verdict.FAIL


@pytest.mark.parametrize(
    "counts",
    [
        LiveCounts("m-2", 500, 501),
        LiveCounts("m-2", 500, -1),
        LiveCounts("m-2", 500, 0, ((0.1, 400), (0.25, 300))),
        LiveCounts("m-2", 500, 0, ((0.25, 300), (0.1, 400))),
    ],
)
def test_counters_that_cannot_be_never_pass(counts: LiveCounts):
    judgement = judge_live(counts, PROMISE, BASELINE)
    assert judgement.verdict == Verdict.INCONCLUSIVE
    assert "cannot be" in judgement.doubts[0]


def test_an_objective_nobody_measured_is_no_pass():
    assert judge_live(LiveCounts("m-2", 5000, 0), PROMISE, BASELINE).verdict == Verdict.INCONCLUSIVE


def test_an_objective_between_two_edges_is_judged_by_the_worse():
    counts = LiveCounts("m-2", 1000, 0, ((0.2, 900), (0.5, 1000)))
    assert counts.slower_than(0.25) == (0, 100)
    assert judge_live(counts, PROMISE).verdict == Verdict.INCONCLUSIVE


def test_asking_all_the_time_accuses_hardly_anyone_and_catches_soon():
    random = np.random.default_rng(9)
    objectives = Objectives(99.5)

    def first_fail(share: float) -> int | None:
        bad = np.cumsum(random.random(1500) < share)
        looks = range(5, 1501, 15)
        live = (LiveCounts("m-2", n, int(bad[n - 1])) for n in looks)
        return next((counts.requests for counts in live if judge_live(counts, objectives).verdict == "fail"), None)

    assert sum(first_fail(0.005) is not None for _ in range(100)) <= 8
    caught = [first_fail(0.1) for _ in range(30)]
    assert None not in caught
    assert np.median([n for n in caught if n]) <= 60
