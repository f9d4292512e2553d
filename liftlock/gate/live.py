"""The same judgement on live traffic: counters of a revision that already serves users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite, log

from liftlock.bounds import log_evidence_above, lower_share, upper_share
from liftlock.gate.judge import DEFAULT_ERROR_RATES, ErrorRates
from liftlock.gate.verdict import ArmNumbers, Finding, Judgement, Verdict, conclude, percent, seconds
from liftlock.slo import LatencyObjective, Objectives

# Without an availability objective a revision may fail this share of requests, or what the baseline does.
ALLOWED_FAILURES = 0.01


@dataclass(frozen=True)
class LiveCounts:
    """What one revision did in a window. `buckets`: (upper edge in seconds, requests answered within it), cumulative
    and ascending, as a Prometheus histogram's; empty where latency is not to be judged."""

    revision: str
    requests: int
    errors: int
    buckets: tuple[tuple[float, int], ...] = ()

    def slower_than(self, within_s: float) -> tuple[int, int]:
        """At least and at most how many requests took longer: exact where an edge is at `within_s`."""
        counted = max((count for _, count in self.buckets), default=0)
        below = max((count for edge, count in self.buckets if edge <= within_s), default=0)
        above = min((count for edge, count in self.buckets if edge >= within_s), default=counted)
        return counted - above, counted - below

    @property
    def answered(self) -> int:
        """How many requests the histogram holds."""
        return max((count for _, count in self.buckets), default=0)


def judge_live(
    candidate: LiveCounts,
    objectives: Objectives | None,
    baseline: LiveCounts | None = None,
    minimum: int = 200,
    error_rates: ErrorRates = DEFAULT_ERROR_RATES,
) -> Judgement:
    """Ask again as often as you like while the window grows: FAIL as soon as the candidate is shown to be worse than
    both the objective and the baseline allow, whenever one stops to look (see `log_evidence_above`); PASS from
    `minimum` requests on when nothing observed is beyond what is allowed; INCONCLUSIVE otherwise: keep waiting.
    """
    questions = 1 + len(objectives.latency if objectives else ())
    alpha = error_rates[0] / questions
    found = [_failures(candidate, baseline, objectives, alpha)]
    found += [_slow(candidate, baseline, one, alpha) for one in (objectives.latency if objectives else ())]
    method = {
        "minimum": minimum,
        "error_rates": list(error_rates),
        "objectives": asdict(objectives) if objectives else None,
    }
    return _conclude(candidate, tuple(found), _doubts(candidate, baseline, minimum), _arms(candidate, baseline), method)


def _conclude(
    candidate: LiveCounts, found: tuple[Finding, ...], doubts: tuple[str, ...], arms: Mapping[str, ArmNumbers],
    method: Mapping[str, object],
) -> Judgement:  # fmt: skip
    """A miss is shown by sound counters however few they are, and users are waiting: it comes before `minimum`."""
    missed = any(finding.verdict is Verdict.FAIL for finding in found)
    return conclude(found, () if missed and not _unsound(candidate) else doubts, arms, method)


def _doubts(candidate: LiveCounts, baseline: LiveCounts | None, minimum: int) -> tuple[str, ...]:
    unsound = [counts.revision for counts in (candidate, baseline) if counts is not None and _unsound(counts)]
    if unsound:
        return (f"counters that cannot be: {', '.join(unsound)}",)
    if candidate.requests < max(minimum, 1):
        return (f"{candidate.requests:,} requests so far, wanted {max(minimum, 1):,}",)
    return ()


def _unsound(counts: LiveCounts) -> bool:
    """Counters of a process that restarted in mid-window run backwards; ours never do."""
    numbers = [count for _, count in counts.buckets]
    edges = [edge for edge, _ in counts.buckets]
    sane = 0 <= counts.errors <= counts.requests and all(isfinite(number) for number in numbers)
    return not sane or sorted(numbers) != numbers or sorted(set(edges)) != edges or min(numbers, default=0) < 0


def _failures(
    candidate: LiveCounts, baseline: LiveCounts | None, objectives: Objectives | None, alpha: float
) -> Finding:
    budget = objectives.allowed_failures if objectives else ALLOWED_FAILURES
    allowed = max(budget, _credible(baseline.errors, baseline.requests) if baseline else 0.0)
    return _finding("availability", (candidate.errors, candidate.errors), candidate.requests, allowed, alpha, "failed")


def _slow(candidate: LiveCounts, baseline: LiveCounts | None, objective: LatencyObjective, alpha: float) -> Finding:
    allowed = objective.allowed
    if baseline is not None:
        allowed = max(allowed, _credible(baseline.slower_than(objective.within_s)[1], baseline.answered))
    name = f"latency p{100 * objective.quantile:.6g}"
    words = f"took longer than {seconds(objective.within_s)}"
    return _finding(name, candidate.slower_than(objective.within_s), candidate.answered, allowed, alpha, words)


def _credible(bad: int, count: int) -> float:
    """The largest share the baseline may well have; none where it had no requests, so it excuses nothing."""
    return upper_share(bad, count, 0.05) if count > 0 else 0.0


def _finding(name: str, bad: tuple[int, int], count: int, allowed: float, alpha: float, words: str) -> Finding:
    """`bad`: at least and at most how many. Fails on the least, passes on the most."""
    if count <= 0 or not 0 <= bad[0] <= bad[1] <= count:
        return Finding(name, Verdict.INCONCLUSIVE, 0.0, 0.0, inf, allowed, f"{name}: nothing was counted")
    share = bad[1] / count
    low, high = lower_share(bad[0], count, alpha), upper_share(bad[1], count, alpha)
    told = f"{percent(share)} of requests {words} [{percent(low)}, {percent(high)}], allowed {percent(allowed)}"
    if bad[0] / count > allowed and log_evidence_above(bad[0], count, allowed) >= log(1 / alpha):
        return Finding(name, Verdict.FAIL, share, low, high, allowed, told)
    verdict = Verdict.PASS if share <= allowed else Verdict.INCONCLUSIVE
    return Finding(name, verdict, share, low, high, allowed, told)


def _arms(candidate: LiveCounts, baseline: LiveCounts | None) -> dict[str, ArmNumbers]:
    arms = {"candidate": ArmNumbers(candidate.requests, candidate.errors, ())}
    if baseline is not None:
        arms["baseline"] = ArmNumbers(baseline.requests, baseline.errors, ())
    return arms
