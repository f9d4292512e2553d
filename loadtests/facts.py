"""facts.json: what must be known of a run before its samples may be believed."""

from __future__ import annotations

from datetime import UTC, datetime

from loadtests.plan import Plan
from loadtests.recording import Recording
from loadtests.vitals import Vitals


def facts(plan: Plan, recording: Recording, vitals: Vitals, sent: int, stopped: str) -> dict[str, object]:
    """The facts as JSON values; times in seconds. `stopped` says why the run ended early, '' when it did not."""
    return {
        "service": plan.service,
        "profile": plan.profile,
        "rate": plan.rate,
        "seed": plan.seed,
        "started": datetime.fromtimestamp(vitals.started_wall, UTC).isoformat(timespec="milliseconds"),
        "seconds": vitals.seconds,
        "stopped": stopped,
        "arms": {arm.name: recording.counts(number) for number, arm in enumerate(plan.arms)},
        "lag": _lag(recording.lags_s()),
        "generator_cpu_share": vitals.cpu_s / vitals.seconds if vitals.seconds else 0.0,
        "generator_cpu_us_per_request": 1e6 * vitals.cpu_s / sent if sent else None,
        "generator_real_time": vitals.real_time,
        "clock_steps": vitals.clock_steps,
    }


def _lag(lags: list[float]) -> dict[str, float | None]:
    """Actual send minus intended start, over the judged requests. None where nothing was sent."""
    if not lags:
        return {"p50_s": None, "p99_s": None, "max_s": None}
    return {"p50_s": quantile(lags, 0.5), "p99_s": quantile(lags, 0.99), "max_s": lags[-1]}


def quantile(ordered: list[float], share: float) -> float:
    """The smallest value that at least `share` of `ordered` do not exceed."""
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank, 1) - 1]
