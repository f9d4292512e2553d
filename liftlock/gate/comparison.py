"""The candidate against the baseline that ran beside it: body, tail and errors."""

from __future__ import annotations

from math import exp, log

import numpy as np

from liftlock.bounds import lower_share, upper_share
from liftlock.gate.promises import quantile_name, quantile_of
from liftlock.gate.samples import ArmSamples, Floats, Samples
from liftlock.gate.stability import Difference, design_effect, paired_difference
from liftlock.gate.verdict import Finding, Verdict, more_requests, percent, seconds

# The tail is compared at the highest of these beyond which the baseline has at least TAIL_REQUESTS.
TAIL_QUANTILES = (0.99, 0.95, 0.9)
TAIL_REQUESTS = 20
# Without an availability objective: how much larger a share of failures than the baseline's must be ruled out.
ERROR_ALLOWANCE = 0.01
# Latencies are compared by logarithm; nothing answers faster than this.
_FASTEST_S = 1e-6
BODY_QUANTILE = 0.9
COMPARISONS = 3


def comparison_findings(
    samples: Samples, margin: float, pass_alpha: float, fail_alpha: float, allowance: float
) -> list[Finding]:
    """Is the candidate slower by more than `margin` (0.25 = 25 %), in the body or in the tail, or wrong more often?

    Both arms ran through the same moments, so each question is answered from differences within stretches of time.
    """
    return [
        _body(samples, margin, pass_alpha, fail_alpha),
        _tail(samples, margin, pass_alpha, fail_alpha),
        _errors(samples, pass_alpha, fail_alpha, allowance),
    ]


def _body(samples: Samples, margin: float, pass_alpha: float, fail_alpha: float) -> Finding:
    """Geometric means: a slowdown of every request by a factor is that factor."""
    logs = (_logs(samples.baseline), _logs(samples.candidate))
    gap = paired_difference(samples.baseline, samples.candidate, logs)
    ratio, low, high = exp(gap.estimate), exp(gap.low(fail_alpha)), _exp(gap.high(pass_alpha))
    told = (
        f"latency (geometric mean) is {ratio:.3g} times the baseline's [{low:.3g}, {high:.3g}], "
        f"allowed {1 + margin:g} times"
    )
    limit = log(1 + margin)
    verdict = _verdict(gap.low(fail_alpha) > limit, gap.high(pass_alpha) <= limit)
    return _finding("slowdown", verdict, (ratio, low, high, 1 + margin), told, _more(samples, gap, limit))


def _logs(arm: ArmSamples) -> Floats:
    """Failures are the slowest: failing fast is not being fast. Each arm's slowest tenth counts as its tenth slowest
    (winsorised), so that single pauses do not drown the body; the tail has a question of its own."""
    latency = arm.never_if_failed_s
    slowest = np.quantile(latency, BODY_QUANTILE, method="inverted_cdf")
    worst = slowest if np.isfinite(slowest) else arm.latency_s.max()
    logs: Floats = np.log(np.clip(latency, _FASTEST_S, max(worst, _FASTEST_S)))
    return logs


def _exp(value: float) -> float:
    return exp(value) if value < 700 else np.inf


def _tail(samples: Samples, margin: float, pass_alpha: float, fail_alpha: float) -> Finding:
    """The share of candidate requests slower than (1 + margin) times the baseline's quantile, less the share of
    baseline requests slower than that quantile.

    Zero or less when the candidate's quantile is within the margin. It fails when shown above zero, and passes when
    shown to be less than what the quantile leaves (a share of 1 % at p99): a service whose quantile lies in a gap of
    its distribution would otherwise never pass.
    """
    quantile = tail_quantile(len(samples.baseline))
    slow_s = quantile_of(samples.baseline, quantile).value_s
    slow = (
        (samples.baseline.never_if_failed_s > slow_s).astype(float),
        (samples.candidate.never_if_failed_s > (1 + margin) * slow_s).astype(float),
    )
    gap = paired_difference(samples.baseline, samples.candidate, slow)
    limit = 1 - quantile
    low, high = gap.low(fail_alpha), gap.high(pass_alpha)
    told = (
        f"{percent(float(slow[1].mean()))} of requests are slower than {seconds((1 + margin) * slow_s)}, "
        f"{1 + margin:g} times the baseline's {quantile_name(quantile)}; {percent(float(slow[0].mean()))} expected; "
        f"the excess is [{percent(low)}, {percent(high)}], at most {percent(limit)} must be shown"
    )
    verdict = _verdict(low > 0, high <= limit)
    return _finding(
        f"tail {quantile_name(quantile)}", verdict, (gap.estimate, low, high, limit), told,
        _more(samples, gap, limit),
    )  # fmt: skip


def tail_quantile(count: int) -> float:
    """The quantile that so many requests can speak about."""
    return next((q for q in TAIL_QUANTILES if count * (1 - q) >= TAIL_REQUESTS), TAIL_QUANTILES[-1])


def _errors(samples: Samples, pass_alpha: float, fail_alpha: float, allowance: float) -> Finding:
    """Fails when the candidate is shown to fail more often than the baseline; passes when shown not to by more than
    `allowance`. Given all failures of the run, the candidate's are binomial if both arms are equal (Przyborowski &
    Wilenski 1940)."""
    ours, theirs = ~samples.candidate.ok, ~samples.baseline.ok
    count = len(ours)
    effect = max(design_effect(ours), design_effect(theirs))
    failed, others = float(ours.sum()), float(theirs.sum())
    expected = count / max(count + len(theirs), 1)
    blamed = lower_share(failed / effect, (failed + others) / effect, fail_alpha) if failed else 0.0
    share, base = failed / max(count, 1), others / max(len(theirs), 1)
    high = upper_share(failed / effect, count / effect, pass_alpha) if count else 1.0
    low = lower_share(failed / effect, count / effect, fail_alpha) if count else 0.0
    limit = base + allowance
    told = (
        f"{percent(share)} of requests failed [{percent(low)}, {percent(high)}], {percent(base)} of the baseline's; "
        f"at most {percent(limit)} must be shown"
    )
    verdict = _verdict(blamed > expected, high <= limit)
    return _finding("errors", verdict, (share, low, high, limit), told,
                    more_requests(count, share, high, limit))  # fmt: skip


def _verdict(missed: bool, shown: bool) -> Verdict:
    if missed:
        return Verdict.FAIL
    return Verdict.PASS if shown else Verdict.INCONCLUSIVE


def _more(samples: Samples, gap: Difference, limit: float) -> int | None:
    bound = gap.high(0.05) if gap.estimate <= limit else gap.low(0.05)
    return more_requests(len(samples.candidate), gap.estimate, bound, limit)


def _finding(
    name: str, verdict: Verdict, numbers: tuple[float, float, float, float], told: str,
    more: int | None,
) -> Finding:  # fmt: skip
    if verdict is not Verdict.INCONCLUSIVE:
        return Finding(name, verdict, *numbers, told)
    told = f"{told}: not decided" + (f"; about {more:,} more requests per arm would" if more else "")
    return Finding(name, verdict, *numbers, told, more)
