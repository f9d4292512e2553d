"""A gate's verdict and all it rests on, as values that go into the evidence as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import ceil, inf, isfinite, isnan
from typing import Any

from liftlock.errors import ExitCode


class Verdict(StrEnum):
    """Only PASS promotes."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends in that was asked for this verdict."""
        codes = {"pass": ExitCode.DONE, "fail": ExitCode.FAILED, "inconclusive": ExitCode.INCONCLUSIVE}
        return codes[self.value]


@dataclass(frozen=True)
class Finding:
    """One question put to the samples, the answer's interval, and what follows.

    `low` and `high` are one-sided bounds: passing rests on `high` alone, failing on `low` alone.
    Infinite where nothing bounds the answer.
    """

    name: str
    verdict: Verdict
    estimate: float
    low: float
    high: float
    limit: float
    sentence: str
    more_requests: int | None = None
    """Per arm, about how many more would decide, where it is inconclusive and the estimate says."""


@dataclass(frozen=True)
class Quantile:
    """A latency quantile in seconds with its two-sided 90 % interval; infinite where failures reach down to it."""

    quantile: float
    value_s: float
    low_s: float
    high_s: float


@dataclass(frozen=True)
class ArmNumbers:
    """One arm in numbers, failures counted as infinitely slow."""

    count: int
    failed: int
    quantiles: tuple[Quantile, ...]


@dataclass(frozen=True)
class Judgement:
    """What a gate decided, why, and from what."""

    verdict: Verdict
    misses: tuple[str, ...]
    """Every objective or comparison that is shown to be missed."""
    doubts: tuple[str, ...]
    """Every reason why this is no pass although nothing is shown to be missed."""
    arms: Mapping[str, ArmNumbers]
    findings: tuple[Finding, ...]
    requests_needed: int | None
    """Per arm, about how many requests a decision takes in all; None where it is decided or cannot be said."""
    method: Mapping[str, Any] = field(default_factory=dict)
    """The parameters judged with."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; None stands for what is infinite or unknown."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def conclude(
    findings: tuple[Finding, ...], doubts: tuple[str, ...], arms: Mapping[str, ArmNumbers], method: Mapping[str, Any]
) -> Judgement:
    """All findings into one: evidence that cannot be trusted decides nothing; then any miss fails; only all pass."""
    misses = tuple(finding.sentence for finding in findings if finding.verdict is Verdict.FAIL)
    open_ones = [finding for finding in findings if finding.verdict is Verdict.INCONCLUSIVE]
    nothing = () if findings or doubts else ("nothing to judge by: neither objectives nor a baseline",)
    if doubts or nothing:
        verdict = Verdict.INCONCLUSIVE
    elif misses:
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE if open_ones else Verdict.PASS
    reasons = (*doubts, *nothing, *(finding.sentence for finding in open_ones))
    needed = _needed(open_ones, arms) if verdict is Verdict.INCONCLUSIVE else None
    return Judgement(verdict, misses, reasons, arms, findings, needed, method)


def _needed(open_ones: list[Finding], arms: Mapping[str, ArmNumbers]) -> int | None:
    more = [finding.more_requests for finding in open_ones if finding.more_requests is not None]
    candidate = arms.get("candidate")
    return candidate.count + max(more) if more and candidate else None


def more_requests(count: int, estimate: float, bound: float, limit: float) -> int | None:
    """How many more it takes for `bound` to come to the limit's near side, as intervals shrink with the root of n."""
    width, room = abs(bound - estimate), abs(limit - estimate)
    if not (isfinite(width) and room > 0):
        return None
    needed = count * ((width / room) ** 2 - 1)
    return max(1, ceil(needed)) if needed < 1e12 else None


def seconds(value: float) -> str:
    """Seconds in the unit a person would say them in."""
    if isnan(value):
        return "unknown"
    if value == inf:
        return "never"
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:.3g} s"


def percent(share: float) -> str:
    """A share as a percentage with three significant digits."""
    return f"{100 * share:.3g} %"


def _plain(value: Any) -> Any:
    match value:
        case dict() | Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case StrEnum():
            return str(value)
        case float() if not isfinite(value):
            return None
        case _:
            return value
