"""What a load generator says of its own run: facts.json, the contract with `loadtests`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from liftlock.errors import InvalidInput, Problem

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]


class _Fact(BaseModel):
    # What a newer generator adds is none of our business; what we rely on must be there and sound.
    model_config = ConfigDict(extra="ignore", frozen=True)


class ArmFacts(_Fact):
    """Judged requests of one arm; `errors` by kind."""

    scheduled: Count
    sent: Count
    answered: Count
    errors: dict[str, Count]
    wrong_revision: Count


class Lag(_Fact):
    """Actual send minus intended start; None where nothing was sent."""

    p50_s: Seconds | None
    p99_s: Seconds | None
    max_s: Seconds | None


class ClockStep(_Fact):
    """The wall clock jumped by `by_s`, `t` seconds into the run."""

    t: Seconds
    by_s: Seconds


class RunFacts(_Fact):
    """The facts of one run."""

    started: str
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    stopped: str = ""
    """Why the run ended before its plan did; empty when it did not."""
    arms: dict[str, ArmFacts]
    lag: Lag
    generator_cpu_share: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    clock_steps: tuple[ClockStep, ...] = ()


def read_facts(path: Path) -> RunFacts:
    """The facts in `path`. Raises InvalidInput when they are missing, partial or not finite."""
    try:
        return RunFacts.model_validate(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise InvalidInput([Problem(str(path), 0, 0, "facts", error.strerror or str(error))]) from error
    except orjson.JSONDecodeError as error:
        raise InvalidInput([Problem(str(path), error.lineno, error.colno, "facts", error.msg)]) from error
    except ValidationError as error:
        faults = error.errors()
        raise InvalidInput(
            Problem(str(path), 0, 0, ".".join(map(str, fault["loc"])) or "facts", fault["msg"]) for fault in faults
        ) from error
