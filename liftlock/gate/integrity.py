"""May these samples be believed at all? One table of checks, asked before anything is judged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from liftlock.gate.facts import RunFacts
from liftlock.gate.samples import ARMS, Arm, ArmSamples, Samples
from liftlock.gate.verdict import percent, seconds

# A generator may be late by these shares of what it measured, and always by these times.
LAG_P50_SHARE, LAG_P50_S = 0.25, 0.00025
LAG_P99_SHARE, LAG_P99_S = 0.5, 0.005
# Without a baseline only the objectives count: late by this share of the tightest does not matter.
LAG_OBJECTIVE_SHARE = 0.1
# Beyond this the generator's one thread is the bottleneck (it shares a core with nobody at 1.0).
MOST_CPU = 0.9
# Two arms on one schedule differ by what the end of a recording cuts off, no more.
LARGEST_IMBALANCE = 0.02
MOST_DUPLICATES = 0.05
MOST_BASELINE_FAILURES = 0.1


@dataclass(frozen=True)
class Evidence:
    """All that is asked of a run. `facts` are None when only samples were recorded."""

    samples: Samples
    facts: RunFacts | None
    minimum: int
    """The fewest requests per arm."""
    compared: bool
    """Whether a baseline is needed."""
    within_s: float | None = None
    """The tightest latency objective, where there is one."""

    @property
    def arms(self) -> tuple[Arm, ...]:
        return ARMS if self.compared else ("candidate",)


Check = Callable[[Evidence], str | None]


def doubts(evidence: Evidence) -> tuple[str, ...]:
    """Every reason to believe nothing; each check answers for all arms."""
    found = (check(evidence) for check in _CHECKS)
    return tuple(reason for reason in found if reason)


def _missing_arm(evidence: Evidence) -> str | None:
    missing = [arm for arm in evidence.arms if not len(evidence.samples.arm(arm))]
    return f"no requests were recorded for: {', '.join(missing)}" if missing else None


def _too_few(evidence: Evidence) -> str | None:
    counts = {arm: len(evidence.samples.arm(arm)) for arm in evidence.arms}
    few = [f"{arm} {count:,}" for arm, count in counts.items() if 0 < count < evidence.minimum]
    return f"fewer than {evidence.minimum:,} requests per arm: {', '.join(few)}" if few else None


def _unequal(evidence: Evidence) -> str | None:
    counts = sorted(len(evidence.samples.arm(arm)) for arm in evidence.arms)
    if len(counts) < 2 or counts[-1] - counts[0] <= max(LARGEST_IMBALANCE * counts[-1], 1):
        return None
    return f"the arms were not driven alike: {counts[0]:,} requests against {counts[-1]:,}"


def _apart(evidence: Evidence) -> str | None:
    """Both arms must have lived through the same time, or time is what is compared."""
    if len(evidence.arms) < 2 or any(len(evidence.samples.arm(arm)) < 2 for arm in evidence.arms):
        return None
    (a, b), (c, d) = (_span(evidence.samples.arm(arm)) for arm in ARMS)
    overlap, longest = min(b, d) - max(a, c), max(b - a, d - c)
    return "the arms were not driven at the same time" if overlap < 0.9 * longest else None


def _span(arm: ArmSamples) -> tuple[float, float]:
    return float(arm.intended_start_s[0]), float(arm.intended_start_s[-1])


def _unsound(evidence: Evidence) -> str | None:
    for arm in evidence.arms:
        samples = evidence.samples.arm(arm)
        for values in (samples.intended_start_s, samples.latency_s):
            if not np.isfinite(values).all() or (values < 0).any():
                return f"{arm}: a time is not finite or is negative"
    return None


def _no_yardstick(evidence: Evidence) -> str | None:
    """Two arms that both fail are alike; that must not pass."""
    baseline = evidence.samples.baseline
    if not evidence.compared or not len(baseline) or baseline.ok.mean() >= 1 - MOST_BASELINE_FAILURES:
        return None
    return f"the baseline failed {percent(1 - float(baseline.ok.mean()))} of requests: nothing to compare with"


def _duplicates(evidence: Evidence) -> str | None:
    for arm in evidence.arms:
        samples = evidence.samples.arm(arm)
        # By intended start, so equal rows are neighbours unless several requests start in one instant.
        same = (np.diff(samples.intended_start_s) == 0) & (np.diff(samples.latency_s) == 0)
        if len(samples) and same.sum() > MOST_DUPLICATES * len(samples):
            return f"{arm}: {percent(same.sum() / len(samples))} of requests are recorded more than once"
    return None


def _lagging(evidence: Evidence) -> str | None:
    latencies = np.concatenate([evidence.samples.arm(arm).never_if_failed_s for arm in evidence.arms])
    if evidence.facts is None or not len(latencies):
        return None
    half_late, most_late = evidence.facts.lag.p50_s, evidence.facts.lag.p99_s
    if half_late is None or most_late is None:
        return "the generator does not say how late its requests left"
    half, most = (float(value) for value in np.quantile(latencies, (0.5, 0.99), method="inverted_cdf"))
    if half_late <= max(LAG_P50_SHARE * half, LAG_P50_S) and most_late <= _most_lag(evidence, most):
        return None
    return (
        f"the generator lagged: requests left {seconds(half_late)} late (p50), {seconds(most_late)} (p99), where "
        f"answers took {seconds(half)} and {seconds(most)}"
    )


def _most_lag(evidence: Evidence, most: float) -> float:
    """How late (seconds) the 99th of 100 requests may leave.

    Lateness counts as latency, so against an objective it can only ever fail a service, never pass one: it may be a
    share of the objective. Between two arms it hides what is smaller than itself, so it is held to what was measured.
    """
    relative = max(LAG_P99_SHARE * most, LAG_P99_S)
    if evidence.compared or evidence.within_s is None:
        return relative
    return max(relative, LAG_OBJECTIVE_SHARE * evidence.within_s)


def _starved(evidence: Evidence) -> str | None:
    if evidence.facts is None or evidence.facts.generator_cpu_share <= MOST_CPU:
        return None
    return f"the generator was the bottleneck: {percent(evidence.facts.generator_cpu_share)} of a core"


def _cut_short(evidence: Evidence) -> str | None:
    if evidence.facts is None:
        return None
    if evidence.facts.stopped:
        return f"the run was cut short: {evidence.facts.stopped}"
    unsent = {arm: facts.scheduled - facts.sent for arm, facts in evidence.facts.arms.items()}
    short = [f"{arm} {count:,}" for arm, count in unsent.items() if count > 0]
    return f"requests were never sent: {', '.join(short)}" if short else None


def _wrong_revision(evidence: Evidence) -> str | None:
    if evidence.facts is None:
        return None
    wrong = [f"{arm} {f.wrong_revision:,}" for arm, f in evidence.facts.arms.items() if f.wrong_revision]
    return f"another revision than the one under test answered: {', '.join(wrong)}" if wrong else None


def _other_counts(evidence: Evidence) -> str | None:
    """Facts and samples must be of one run."""
    if evidence.facts is None:
        return None
    for arm in evidence.arms:
        told = evidence.facts.arms.get(arm)
        samples = evidence.samples.arm(arm)
        if told is None or (told.sent, told.answered) != (len(samples), int(samples.ok.sum())):
            return f"{arm}: the samples and the facts are not of the same run"
    return None


def _own_errors(evidence: Evidence) -> str | None:
    if evidence.facts is None:
        return None
    kinds = {kind for arm in evidence.facts.arms.values() for kind in arm.errors if kind.startswith("generator")}
    return f"the generator itself failed: {', '.join(sorted(kinds))}" if kinds else None


def _clock(evidence: Evidence) -> str | None:
    if evidence.facts is None or not evidence.facts.clock_steps:
        return None
    step = evidence.facts.clock_steps[0]
    return f"the clock was stepped by {step.by_s:+.3g} s, {step.t:.1f} s into the run"


_CHECKS: tuple[Check, ...] = (
    _missing_arm,
    _too_few,
    _unequal,
    _apart,
    _unsound,
    _no_yardstick,
    _duplicates,
    _lagging,
    _starved,
    _cut_short,
    _wrong_revision,
    _other_counts,
    _own_errors,
    _clock,
)
