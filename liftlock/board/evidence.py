"""The evidence of a GATE entry, read back: its judgement, the run's facts, and the recorded samples behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, log10, nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from liftlock.board.board import Curve, Decision, Gate, Point
from liftlock.errors import InvalidInput, LiftlockError, Unreachable
from liftlock.gate.facts import RunFacts
from liftlock.gate.samples import ARMS, ArmSamples, Samples, read_samples
from liftlock.gate.verdict import Judgement
from liftlock.store import BlobStore, MissingBlob

# Points of a curve, evenly over the number of nines: as many at the tail as in the body.
_POINTS = 72
# Beyond 99.99 % a curve is a handful of requests.
_MOST_NINES = 4.0


def _restored(value: Any) -> Any:
    """A judgement's JSON with the numbers that JSON cannot write: None stands for infinite, or unknown."""
    match value:
        case {"value_s": _, "low_s": _, "high_s": _}:
            return {**value, **{key: _or(value[key], inf) for key in ("value_s", "low_s", "high_s")}}
        case {"estimate": estimate, "low": low, "high": high, "limit": _}:
            return {**value, "estimate": _or(estimate, nan), "low": _or(low, -inf), "high": _or(high, inf)}
        case dict():
            return {key: _restored(item) for key, item in value.items()}
        case list():
            return [_restored(item) for item in value]
        case _:
            return value


def _or(value: Any, otherwise: float) -> Any:
    return otherwise if value is None else value


_JUDGEMENT = TypeAdapter[Judgement](Annotated[Judgement, BeforeValidator(_restored)])


def read_judgement(value: object) -> Judgement | None:
    """A judgement as `Judgement.to_json` wrote it; None where it is not one."""
    try:
        return _JUDGEMENT.validate_python(value)
    except ValidationError:
        return None


def read_run_facts(value: object) -> RunFacts | None:
    """A run's facts as they went into the evidence; None where they are not there or not whole."""
    try:
        return RunFacts.model_validate(value)
    except ValidationError:
        return None


def curves_of(samples: Samples) -> tuple[Curve, ...]:
    """The latency distribution of each arm that has requests."""
    return tuple(Curve(arm, len(samples.arm(arm)), _points(samples.arm(arm))) for arm in ARMS if len(samples.arm(arm)))


def _points(arm: ArmSamples) -> tuple[Point, ...]:
    """Latencies at evenly spaced numbers of nines. Where the slowest requests failed the curve ends before them."""
    ordered = np.sort(arm.never_if_failed_s)
    shares = 1 - 10 ** -np.linspace(0, min(log10(len(ordered)), _MOST_NINES), _POINTS)
    ranks = np.clip(np.ceil(shares * len(ordered) - 1e-9).astype(int), 1, len(ordered))
    points = zip(ordered[ranks - 1].tolist(), shares.tolist(), strict=True)
    return tuple((latency, share) for latency, share in points if latency < inf)


@dataclass
class Evidence:
    """Reads gates with the help of a store. One that does not answer is not asked again."""

    store: BlobStore
    _silent: str = field(default="", init=False)

    def gate(self, decision: Decision) -> Gate:
        """The gate of a GATE entry. What cannot be read is said, never raised."""
        evidence = decision.entry.evidence
        digest, look = evidence.get("samples"), evidence.get("look")
        samples = digest if isinstance(digest, str) else None
        curves, missing = self._curves(samples) if samples else ((), "")
        return Gate(
            decision,
            read_judgement(evidence.get("judgement")),
            read_run_facts(evidence.get("facts")),
            samples,
            look if isinstance(look, int) else None,
            curves,
            missing,
        )

    def _curves(self, digest: str) -> tuple[tuple[Curve, ...], str]:
        if self._silent:
            return (), self._silent
        try:
            return curves_of(_parsed(self.store.get(digest))), ""
        except MissingBlob:
            return (), f"they are not in the store at {self.store.where()}"
        except InvalidInput as error:
            return (), f"they cannot be read: {error.problems[0].wanted}"
        except Unreachable as error:
            self._silent = f"the store does not answer: {error}"
            return (), self._silent
        except LiftlockError as error:
            return (), str(error)


def _parsed(data: bytes) -> Samples:
    with TemporaryDirectory(prefix="liftlock-board-") as directory:
        path = Path(directory) / "samples.csv"
        path.write_bytes(data)
        return read_samples(path)
