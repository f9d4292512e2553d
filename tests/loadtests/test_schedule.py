"""Arrivals: Poisson, alike for all arms, and the same each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadtests.plan import Plan
from loadtests.profiles import PROFILES, duration_s
from loadtests.schedule import LARGEST_OFFSET_S, arrivals


def _plan(**changes: Any) -> Plan:
    arms = [{"name": name, "url": "http://127.0.0.1:1"} for name in ("baseline", "candidate")]
    content = {
        "service": "m", "protocol": "v1", "path": "/x", "arms": arms, "requests_file": "r", "rate": 100.0,
        "requests": 4000, "timeout_s": 1.0, "seed": 3, "out": "o", "max_seconds": 1000.0,
    }  # fmt: skip
    return Plan.model_validate(content | changes)


def _times(plan: Plan, arm: int) -> np.ndarray:
    return np.array([arrival.at_s for arrival in arrivals(plan, 1) if arrival.arm == arm])


def test_the_same_plan_gives_the_same_arrivals_and_another_seed_others():
    assert arrivals(_plan(), 3) == arrivals(_plan(), 3)
    assert arrivals(_plan(), 3) != arrivals(_plan(seed=4), 3)


@pytest.mark.parametrize("arm", [0, 1])
def test_each_arm_sees_a_poisson_process_of_the_declared_rate(arm: int):
    gaps = np.diff(_times(_plan(), arm))
    assert pytest.approx(gaps.mean(), rel=0.05) == 0.01
    # An exponential's standard deviation is its mean, and 1/e of its gaps exceed it; paced arrivals would show 0.
    assert pytest.approx(gaps.std() / gaps.mean(), rel=0.06) == 1.0
    assert np.exp(-1) == pytest.approx((gaps > gaps.mean()).mean(), abs=0.03)
    assert abs(np.corrcoef(gaps[1:], gaps[:-1])[0, 1]) < 0.05


def test_both_arms_get_each_request_at_nearly_the_same_time_in_random_order():
    baseline, candidate = _times(_plan(), 0), _times(_plan(), 1)
    assert len(baseline) == len(candidate) == 4000
    assert np.abs(np.searchsorted(baseline, candidate) - np.arange(4000)).mean() < 1.5
    by_arm = [[a for a in arrivals(_plan(rate=1.0, requests=500), 500) if a.arm == arm] for arm in (0, 1)]
    starts = [{arrival.body: arrival.at_s for arrival in arm} for arm in by_arm]
    ahead = [starts[0][body] - starts[1][body] for body in range(500)]
    assert {LARGEST_OFFSET_S} == {round(abs(gap), 9) for gap in ahead}
    assert 0.4 < sum(gap > 0 for gap in ahead) / 500 < 0.6


def test_warm_up_comes_first_and_is_not_judged():
    judged = [arrival.judged for arrival in arrivals(_plan(warmup=50, requests=100), 1)]
    assert len(judged) - sum(judged) == 100
    assert sum(judged) == 200
    assert not any(judged[:90])


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_sends_what_is_asked_in_the_time_it_says(name: str):
    plan = _plan(profile=name)
    times, length = _times(plan, 0), duration_s(PROFILES[name], 100, 4000)
    assert len(times) == 4000
    assert 0 <= times.min() < times.max() <= length + LARGEST_OFFSET_S
    for share in (0.2, 0.5, 0.8):
        expected = PROFILES[name].area(share) / PROFILES[name].mean
        assert expected == pytest.approx((times <= share * length).mean(), abs=0.03)


def test_a_spike_is_three_times_the_rate():
    plan = _plan(profile="spike")
    times, length = _times(plan, 0), duration_s(PROFILES["spike"], 100, 4000)
    assert pytest.approx(((times > 0.46 * length) & (times < 0.54 * length)).sum() / (0.08 * length), rel=0.1) == 300


def test_the_bodies_are_sent_in_turn():
    assert {0, 1, 2} == {arrival.body for arrival in arrivals(_plan(requests=9), 3)}


def test_a_plan_knows_how_long_it_takes(tmp_path: Path):
    assert pytest.approx(_plan(warmup=100).planned_s) == 41.0
