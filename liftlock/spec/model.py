"""The spec: the typed form of a service's `service.yaml`, and of its feature schema."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from liftlock.conventions import SERVICE_NAME
from liftlock.spec import rules
from liftlock.spec.gpu import GpuName
from liftlock.spec.quantities import Between, Cpu, Duration, LoadRate, Memory
from liftlock.spec.source import Written
from liftlock.spec.sources import Source

Format = Literal["sklearn", "xgboost", "lightgbm", "onnx", "huggingface", "vllm", "triton", "custom", "ensemble"]
Protocol = Literal["v1", "v2", "grpc-v2", "openai"]
FeatureType = Literal["float", "integer", "boolean", "string", "tensor"]

# The file a format's model is kept in, where the spec does not name one.
MODEL_FILES: dict[str, str] = {
    "sklearn": "model.skops",
    "xgboost": "model.ubj",
    "lightgbm": "model.txt",
    "onnx": "model.onnx",
}
# A service of this name would share its directory under environments/<env>/ with the generated manifests.
RESERVED_NAMES = frozenset({"manifests"})

_RELATIVE = re.compile(r"(?![-.])[A-Za-z0-9._-]{1,100}(?:/(?![-.])[A-Za-z0-9._-]{1,100}){0,4}")
_TEAM = re.compile(r"[a-z][a-z0-9-]{0,61}[a-z0-9]")
_FEATURE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,99}")
_IMAGE = re.compile(
    r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*){1,8}"
    r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?@sha256:[0-9a-f]{64}"
)


def check_name(name: str) -> str:
    """`name` if a service may be called so. Raises ValueError saying what a name is."""
    if not SERVICE_NAME.fullmatch(name):
        raise ValueError(
            "1 to 44 lower-case letters a-z, digits and dashes, starting with a letter, not ending in one dash"
        )
    if name in RESERVED_NAMES:
        raise ValueError(f"another name; `{name}` is kept for Liftlock's own directory")
    return name


def _matching(pattern: re.Pattern[str], wanted: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(wanted)
        return text

    return AfterValidator(check)


def _one_line(text: str) -> str:
    if not text.strip() or not text.replace("\n", "").isprintable():
        raise ValueError("printable text")
    return text


ServiceName = Annotated[
    str, AfterValidator(check_name), Field(json_schema_extra={"pattern": f"^{SERVICE_NAME.pattern}$"})
]
FileName = Annotated[str, _matching(_RELATIVE, "a file inside the service's directory, such as handler.py")]
Team = Annotated[str, _matching(_TEAM, "a team: 2 to 63 lower-case letters, digits and dashes, starting with a letter")]
Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]
Percent = Annotated[float, Field(gt=0, le=100)]


class Evaluation(Written):
    """The bound a trained model must reach before it is registered. Exactly one of the two bounds."""

    metric: Annotated[str, _matching(_FEATURE, "the name of a metric in evaluation.json, such as roc_auc")]
    at_least: float | None = Field(default=None, allow_inf_nan=False)
    at_most: float | None = Field(default=None, allow_inf_nan=False)

    def faults(self) -> Iterable[tuple[str, str]]:
        """One bound, and only one."""
        if (self.at_least is None) == (self.at_most is None):
            yield "", "exactly one of at_least and at_most"

    def accepts(self, value: float) -> bool:
        """Whether a metric's value reaches the bound; NaN never does."""
        if self.at_least is not None:
            return value >= self.at_least
        return self.at_most is not None and value <= self.at_most


class Model(Written):
    """What is served: its format, where it comes from, and what it must reach."""

    format: Format
    source: Source | None = None
    """Required but for `custom` and `ensemble`."""
    file: FileName | None = None
    """The model's file in its source; default by format (`model.ubj`, …)."""
    evaluation: Evaluation | None = None
    """Required with `source: train`."""
    image: Annotated[str, _matching(_IMAGE, "an image by digest: registry/name@sha256:<64 hex>")] | None = None
    """The container of `format: custom`."""
    port: int = Field(default=8080, ge=1024, le=65535)
    """The port a custom image listens on."""
    services: tuple[ServiceName, ...] = Field(default=(), max_length=16)
    """The members of an ensemble."""
    arguments: tuple[Annotated[str, Field(min_length=1, max_length=1000)], ...] = Field(default=(), max_length=100)
    """Further arguments of the runtime (huggingface, vllm, triton, custom)."""
    variables: dict[
        Annotated[str, _matching(re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}"), "a variable's name")], str
    ] = Field(default_factory=dict)
    """Environment variables of the runtime (as arguments); no secrets: this file is in git."""

    @property
    def file_name(self) -> str | None:
        """The model's file name, by default its format's; None where a directory or an image is served."""
        return self.file or MODEL_FILES.get(self.format)


class Resources(Written):
    """What one replica gets."""

    cpu: Annotated[Cpu, Between("10m", "256")]
    memory: Annotated[Memory, Between("16Mi", "4Ti")]


class Gpu(Written):
    """The GPUs of one replica."""

    kind: GpuName = Field(alias="class")
    count: int = Field(default=1, ge=1, le=8)
    sharing: Literal["exclusive", "time-sliced", "mig"] = "exclusive"
    slice: str | None = None
    """The MIG profile with `sharing: mig`, such as 1g.10gb."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """What this class of GPU cannot do."""
        return rules.gpu_faults(self)


class Scaling(Written):
    """How many replicas, and what decides."""

    min: int = Field(default=1, ge=0, le=1000)
    max: int = Field(default=1, ge=1, le=1000)
    metric: Literal["concurrency", "rate", "cpu", "memory", "gpu"] = "concurrency"
    target: float = Field(default=8, gt=0, le=1_000_000, allow_inf_nan=False)
    """Per replica: requests in flight (concurrency), requests a second (rate), or percent in use (cpu, memory, gpu)."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """Bounds between its own fields."""
        return rules.scaling_faults(self)


class LatencyObjective(Written):
    """`quantile` of all requests are answered within a time."""

    quantile: float = Field(gt=0, lt=1)
    within: Annotated[Duration, Between("1ms", "1h")]


class Slo(Written):
    """The service's objectives over a rolling window."""

    window: Annotated[Duration, Between("1d", "90d")] = Duration.parse("30d")
    availability: float = Field(ge=50, lt=100)
    """Percent of requests answered without a server error."""
    latency: tuple[LatencyObjective, ...] = Field(default=(), max_length=10)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Quantiles once each, and higher ones not faster."""
        return rules.slo_faults(self)


class Load(Written):
    """The traffic this service must bear; what its gates drive."""

    rate: LoadRate
    """Requests in all, not per replica."""
    requests: FileName = "requests.jsonl"
    """JSON lines, each a request's whole body in the service's protocol."""
    traffic: Literal["prediction", "batch", "stream"] = "prediction"
    """prediction: small and awaited; batch: large, throughput counts; stream: tokens as they come (openai)."""


class GateOverrides(Written):
    """What this service's gates ask beyond the environment's; only stricter."""

    margin: float | None = Field(default=None, gt=0, le=1)
    """Slower than the baseline by at most this share."""


class RolloutOverrides(Written):
    """A part of an environment's rollout, for this service. Only stricter ones are taken: a smaller margin, smaller
    first weights and no fewer steps, a longer keep_warm."""

    gate: GateOverrides | None = None
    weights: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1, max_length=20)] | None = (
        None
    )
    """Percent of users, rising, the last 100."""
    keep_warm: Annotated[Duration, Between("0s", "7d")] | None = None

    def faults(self) -> Iterable[tuple[str, str]]:
        """Weights rise to 100."""
        if self.weights and (list(self.weights) != sorted(set(self.weights)) or self.weights[-1] != 100):
            yield "weights", "weights that rise, the last of them 100"


class Alerts(Written):
    """Who is told."""

    team: Team


class Batching(Written):
    """Answering several waiting requests at once (our own server only)."""

    size: int = Field(ge=2, le=1024)
    delay: Annotated[Duration, Between("1ms", "1s")] = Duration.parse("5ms")
    """How long the first request of a batch waits for others."""


class Spec(Written):
    """A service as its team wrote it."""

    name: ServiceName
    owner: Team
    tier: int = Field(ge=1, le=3)
    """1: users notice at once, pages at night; 3: best effort."""
    description: Line
    model: Model
    protocol: Protocol
    handler: FileName | None = None
    resources: Resources
    gpu: Gpu | None = None
    scaling: Scaling = Scaling()
    slo: Slo
    load: Load
    rollout: RolloutOverrides = RolloutOverrides()
    features: FileName | None = None
    """The feature schema; required for the formats that take tables."""
    alerts: Alerts
    placement: Literal["any", "eks", "onprem"] = "any"
    batching: Batching | None = None
    concurrency: int = Field(default=64, ge=1, le=10_000)
    """Requests a replica works on at once; one more is answered 429 with Retry-After."""
    timeout: Annotated[Duration, Between("10ms", "1h")] = Duration.parse("30s")
    """The longest a request may take, all in all."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """The rules between its parts."""
        return rules.spec_faults(self)


class Feature(Written):
    """One input of the model."""

    name: Annotated[str, _matching(_FEATURE, "a feature's name: letters, digits, _ . : -, starting with a letter")]
    type: FeatureType
    description: Line | None = None
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)
    values: tuple[str, ...] | None = Field(default=None, min_length=1, max_length=10_000)
    """The values a string is known to take; others are counted, and answered all the same."""
    shape: tuple[Annotated[int, Field(ge=-1, le=1_000_000)], ...] | None = Field(
        default=None, min_length=1, max_length=8
    )
    """A tensor's shape as V2 has it: rows first, -1 for any length, so [-1, 8, 8] is one 8 by 8 image a row."""
    missing: bool = False
    """Whether a row may leave it out."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """What its type does not have."""
        return rules.feature_faults(self)


class FeatureSchema(Written):
    """A service's `features.yaml`: its inputs, in the order of the model's columns."""

    features: tuple[Feature, ...] = Field(min_length=1, max_length=10_000)

    def faults(self) -> Iterable[tuple[str, str]]:
        """Each name once."""
        seen: set[str] = set()
        for index, feature in enumerate(self.features):
            if feature.name in seen:
                yield f"features[{index}].name", f"each feature once; `{feature.name}` is listed already"
            seen.add(feature.name)

    def rows(self) -> list[dict[str, Any]]:
        """The schema as the serving bundle keeps it: a mapping per feature with only what is given."""
        return [
            feature.model_dump(mode="json", exclude_none=True, exclude={"description"}) for feature in self.features
        ]
