"""The gate: a pure function from recorded samples to a verdict."""

from __future__ import annotations

from dataclasses import asdict

from liftlock.gate.comparison import COMPARISONS, ERROR_ALLOWANCE, comparison_findings
from liftlock.gate.facts import RunFacts
from liftlock.gate.integrity import Evidence, doubts
from liftlock.gate.promises import REPORTED_QUANTILES, objective_findings, quantile_of
from liftlock.gate.samples import ARMS, ArmSamples, Samples
from liftlock.gate.verdict import ArmNumbers, Finding, Judgement, conclude
from liftlock.slo import Objectives, required_requests

ErrorRates = tuple[float, float]
DEFAULT_ERROR_RATES: ErrorRates = (0.05, 0.05)
# Fewer say nothing about a tail, and batch means need 10 batches of 20.
FEWEST_REQUESTS = 200


def judge(
    samples: Samples,
    objectives: Objectives | None = None,
    margin: float | None = None,
    error_rates: ErrorRates = DEFAULT_ERROR_RATES,
    facts: RunFacts | None = None,
    minimum: int = FEWEST_REQUESTS,
) -> Judgement:
    """Judge a candidate by its objectives (if any) and against its baseline (if `margin` is given, 0.25 = 25 % slower).

    `error_rates` are the chances of (a false fail of a service as good as it should be, a false pass of one that is
    not). Every question must pass for the whole to pass, so each is put at the full chance of a false pass
    (intersection-union, Berger 1982); any may fail it, so they share the chance of a false fail (Bonferroni).
    """
    false_fail, false_pass = error_rates
    within_s = min((one.within_s for one in objectives.latency), default=None) if objectives else None
    reasons = doubts(Evidence(samples, facts, max(minimum, 1), compared=margin is not None, within_s=within_s))
    questions = (1 + len(objectives.latency) if objectives else 0) + (COMPARISONS if margin is not None else 0)
    method = {
        "margin": margin,
        "error_rates": list(error_rates),
        "minimum": minimum,
        "objectives": asdict(objectives) if objectives else None,
    }
    findings: list[Finding] = []
    # An arm that is empty has nothing to be asked.
    if objectives and len(samples.candidate):
        findings += objective_findings(samples.candidate, objectives, false_pass, false_fail / questions)
    if margin is not None and len(samples.candidate) and len(samples.baseline):
        allowance = objectives.allowed_failures if objectives else ERROR_ALLOWANCE
        findings += comparison_findings(samples, margin, false_pass, false_fail / questions, allowance)
    return conclude(tuple(findings), reasons, arm_numbers(samples), method)


def arm_numbers(samples: Samples) -> dict[str, ArmNumbers]:
    """Each arm that has any requests, in numbers."""
    return {arm: _numbers(samples.arm(arm)) for arm in ARMS if len(samples.arm(arm))}


def _numbers(arm: ArmSamples) -> ArmNumbers:
    quantiles = tuple(quantile_of(arm, quantile) for quantile in REPORTED_QUANTILES)
    return ArmNumbers(len(arm), int((~arm.ok).sum()), quantiles)


def gate_minimum(objectives: Objectives | None, error_rates: ErrorRates = DEFAULT_ERROR_RATES) -> int:
    """The fewest requests per arm from which a pass can follow."""
    if objectives is None:
        return FEWEST_REQUESTS
    return max(FEWEST_REQUESTS, required_requests(objectives, 1 - error_rates[1]))
