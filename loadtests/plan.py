"""What one load test is to do: the typed form of PLAN.json."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from loadtests.profiles import PROFILES, duration_s


class PlanError(Exception):
    """A plan that cannot be run as written; one line per problem."""


def _plain_http(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise ValueError("wanted http://HOST[:PORT]")
    return url.rstrip("/")


def _one_line(value: str) -> str:
    if any(ord(letter) < 32 or ord(letter) > 126 for letter in value):
        raise ValueError("wanted printable ASCII on one line")
    return value


def _a_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError(f"wanted one of {', '.join(PROFILES)}")
    return name


HeaderText = Annotated[str, AfterValidator(_one_line)]


class Arm(BaseModel):
    """One side of a run: where its requests go, and who must answer them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Literal["candidate", "baseline", "route"]
    url: Annotated[str, AfterValidator(_plain_http)]
    headers: dict[HeaderText, HeaderText] = {}
    revision: str | None = None
    """The revision every answer must name in its header; None where any may answer."""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80


class Plan(BaseModel):
    """One load test. Times are seconds, rates and counts are per arm."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    service: str = Field(min_length=1)
    protocol: Literal["v1", "v2"]
    path: Annotated[str, AfterValidator(_one_line), Field(pattern=r"^/[^ ]*$")]
    arms: Annotated[tuple[Arm, ...], Field(strict=False, min_length=1, max_length=3)]
    requests_file: Annotated[Path, Field(strict=False)]
    """JSON lines: one request body a line, sent in order and over again."""
    rate: float = Field(gt=0, le=100_000)
    requests: int = Field(ge=0, le=100_000_000)
    """Judged requests; 0 is allowed and yields an empty recording, which no gate passes."""
    warmup: int = Field(default=0, ge=0)
    """Requests sent before the judged ones and not recorded."""
    timeout_s: float = Field(gt=0, le=3600)
    profile: Annotated[str, AfterValidator(_a_profile)] = "steady"
    seed: int = Field(ge=0)
    out: Annotated[Path, Field(strict=False)]
    web_port: int | None = Field(default=None, ge=0, le=65535)
    max_seconds: float = Field(gt=0)
    """The run is cut off here; what was not sent by then shows in facts.json."""

    @model_validator(mode="after")
    def _fits(self) -> Plan:
        if len({arm.name for arm in self.arms}) < len(self.arms):
            raise ValueError("arms: each name at most once")
        if self.planned_s > self.max_seconds:
            raise ValueError(f"max_seconds: the schedule alone takes {self.planned_s:.1f} s")
        return self

    @property
    def planned_s(self) -> float:
        """How long the arrivals take, warm-up included."""
        return self.warmup / self.rate + duration_s(PROFILES[self.profile], self.rate, self.requests)


def read_plan(path: Path) -> Plan:
    """The plan in `path`. Raises PlanError naming every field that is wrong."""
    try:
        return Plan.model_validate(orjson.loads(path.read_bytes()))
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise PlanError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from error
    except ValidationError as error:
        lines = (f"{path}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise PlanError("\n".join(lines)) from error


def read_bodies(path: Path) -> tuple[bytes, ...]:
    """The request bodies of a JSON-lines file. Raises PlanError for each line that is not JSON, or for none at all."""
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines()
    except OSError as error:
        raise PlanError(f"{path}: {error.strerror}") from error
    bodies, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            orjson.loads(line)
        except orjson.JSONDecodeError as error:
            problems.append(f"{path}:{number}:{error.colno}: {error.msg}")
        bodies.append(line.strip())
    if problems or not bodies:
        raise PlanError("\n".join(problems) or f"{path}: wanted at least one request")
    return tuple(bodies)
