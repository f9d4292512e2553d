"""The candidate against the service's own objectives."""

from __future__ import annotations

import numpy as np

from liftlock.bounds import lower_share, quantile_ranks, upper_share
from liftlock.gate.samples import ArmSamples, Bools
from liftlock.gate.stability import design_effect
from liftlock.gate.verdict import Finding, Quantile, Verdict, more_requests, percent, seconds
from liftlock.slo import LatencyObjective, Objectives

REPORTED_QUANTILES = (0.5, 0.9, 0.95, 0.99)
INTERVAL_ALPHA = 0.05


def objective_findings(
    candidate: ArmSamples, objectives: Objectives, pass_alpha: float, fail_alpha: float
) -> list[Finding]:
    """One finding for availability, one for each latency objective.

    An objective allows a share of bad requests. It passes when the exact binomial bound shows the candidate's share to
    be within it, fails when the bound shows it beyond, and is inconclusive between: so a service on the wrong side
    passes, and one on the right side fails, at most with the given chances. Requests near in time count for fewer.
    """
    found = [_availability(candidate, objectives, pass_alpha, fail_alpha)]
    return found + [_latency(candidate, one, pass_alpha, fail_alpha) for one in objectives.latency]


def _availability(candidate: ArmSamples, objectives: Objectives, pass_alpha: float, fail_alpha: float) -> Finding:
    allowed = objectives.allowed_failures
    share, low, high = share_bounds(~candidate.ok, pass_alpha, fail_alpha)
    told = (
        f"{percent(share)} of requests failed [{percent(low)}, {percent(high)}], "
        f"objective at most {percent(allowed)} (availability {objectives.availability:g} %)"
    )
    return share_finding("availability", len(candidate), (share, low, high), allowed, told)


def _latency(candidate: ArmSamples, objective: LatencyObjective, pass_alpha: float, fail_alpha: float) -> Finding:
    slow = candidate.never_if_failed_s > objective.within_s
    bounds = share_bounds(slow, pass_alpha, fail_alpha)
    name = quantile_name(objective.quantile)
    found = quantile_of(candidate, objective.quantile)
    told = (
        f"{name} is {seconds(found.value_s)} [{seconds(found.low_s)}, {seconds(found.high_s)}], "
        f"objective {seconds(objective.within_s)}: {percent(bounds[0])} of requests slower "
        f"[{percent(bounds[1])}, {percent(bounds[2])}], allowed {percent(objective.allowed)}"
    )
    return share_finding(f"latency {name}", len(candidate), bounds, objective.allowed, told)


def share_bounds(bad: Bools, pass_alpha: float, fail_alpha: float) -> tuple[float, float, float]:
    """The share of bad requests with its lower and upper bound."""
    if not len(bad):
        return np.nan, 0.0, 1.0
    effect = design_effect(bad)
    worth, weight = len(bad) / effect, float(bad.sum()) / effect
    return float(bad.mean()), lower_share(weight, worth, fail_alpha), upper_share(weight, worth, pass_alpha)


def share_finding(name: str, count: int, bounds: tuple[float, float, float], allowed: float, told: str) -> Finding:
    """Pass, fail or neither of a share of bad requests against the share allowed."""
    share, low, high = bounds
    if low > allowed:
        return Finding(name, Verdict.FAIL, share, low, high, allowed, told)
    if high <= allowed:
        return Finding(name, Verdict.PASS, share, low, high, allowed, told)
    more = more_requests(count, share, high if share <= allowed else low, allowed)
    told = f"{told}: not decided" + (f"; about {more:,} more requests would" if more else "")
    return Finding(name, Verdict.INCONCLUSIVE, share, low, high, allowed, told, more)


def quantile_of(arm: ArmSamples, quantile: float) -> Quantile:
    """A quantile by its order statistic, with the order statistics that bound it at 90 %."""
    count = len(arm)
    if not count:
        return Quantile(quantile, np.nan, 0.0, np.inf)
    ordered = np.sort(arm.never_if_failed_s)
    rank = max(int(np.ceil(quantile * count - 1e-9)), 1)
    effect = design_effect(arm.never_if_failed_s > ordered[rank - 1])
    worth = max(int(count / effect), 1)
    first, last = quantile_ranks(quantile, worth, INTERVAL_ALPHA)
    low = float(ordered[int(first / worth * count) - 1]) if first >= 1 else 0.0
    high = float(ordered[min(int(np.ceil(last / worth * count)), count) - 1]) if last <= worth else np.inf
    return Quantile(quantile, float(ordered[rank - 1]), low, high)


def quantile_name(quantile: float) -> str:
    """0.99 as p99, 0.999 as p99.9."""
    return f"p{100 * quantile:.6g}"
