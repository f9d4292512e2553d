"""Service-level objectives, and how many requests it takes to establish them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log

from liftlock.bounds import upper_share


@dataclass(frozen=True, order=True)
class LatencyObjective:
    """`quantile` of requests (0.99 = 99 %) answer within `within_s` seconds; a failed request never does."""

    quantile: float
    within_s: float

    @property
    def allowed(self) -> float:
        """The share of requests that may be slower."""
        return 1 - self.quantile


@dataclass(frozen=True)
class Objectives:
    """What a service promises: `availability` in percent of requests answered well, and its latencies."""

    availability: float
    latency: tuple[LatencyObjective, ...] = ()

    @property
    def allowed_failures(self) -> float:
        """The share of requests that may fail: the error budget."""
        return 1 - self.availability / 100

    @property
    def strictest(self) -> float:
        """The smallest share of bad requests that any objective allows."""
        return min([self.allowed_failures, *(objective.allowed for objective in self.latency)])


def required_requests(objectives: Objectives, confidence: float = 0.95) -> int:
    """The fewest requests from which a pass of every objective can follow: all of them good.

    With n requests and none bad, the exact one-sided binomial bound on the share of bad ones is 1 - (1 - c)^(1/n);
    it is within an allowed share a when n >= ln(1 - c) / ln(1 - a) (Clopper & Pearson 1934; the "rule of three").
    A service with some bad requests needs more: see `requests_to_pass`. Raises ValueError for an objective of 100 %,
    which no number of requests establishes.
    """
    if objectives.strictest <= 0:
        raise ValueError("an objective of 100 % cannot be established by any number of requests")
    # The rounding of 1 - 99.9 / 100 must not ask for one more.
    return ceil(log(1 - confidence) / log(1 - objectives.strictest) - 1e-6)


def requests_to_pass(objectives: Objectives, bad: int, confidence: float = 0.95) -> int:
    """The fewest requests from which a pass can follow although `bad` of them were: what a gate does well to send."""
    low = high = required_requests(objectives, confidence)
    while upper_share(bad, high, 1 - confidence) > objectives.strictest:
        low, high = high, high * 2
    while low < high:
        middle = (low + high) // 2
        if upper_share(bad, middle, 1 - confidence) <= objectives.strictest:
            high = middle
        else:
            low = middle + 1
    return high


def why_untestable(objectives: Objectives, rate_per_s: float, max_seconds: float, confidence: float = 0.95) -> str:
    """Why no load test could establish these objectives at this load; '' when one can."""
    if objectives.strictest <= 0:
        return "100 % cannot be established by any number of requests; wanted less"
    needed = required_requests(objectives, confidence)
    seconds = needed / rate_per_s
    if seconds <= max_seconds:
        return ""
    return (
        f"establishing {100 * (1 - objectives.strictest):.6g} % takes {needed:,} requests, {seconds:,.0f} s at "
        f"{rate_per_s:g}/s; wanted at most {max_seconds:,.0f} s: raise load.rate to {ceil(needed / max_seconds):,}/s "
        "or relax the objective"
    )
