"""The rules between the fields of a spec: each gives (field, what is wanted) for what does not hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from liftlock.spec.gpu import GPU_CLASSES

if TYPE_CHECKING:
    from liftlock.spec.model import Feature, Gpu, Model, Scaling, Slo, Spec

Fault = tuple[str, str]


@dataclass(frozen=True)
class FormatRules:
    """What a model format takes."""

    protocols: tuple[str, ...]
    sources: tuple[str, ...] = ()
    """Empty: the format has no source."""
    needs: tuple[str, ...] = ()
    """Fields of the spec or its model that must be given."""
    forbids: tuple[str, ...] = ()
    """Fields that mean nothing here."""


_REMOTE = ("s3", "oci", "hf", "mlflow")
_TABLE = FormatRules(
    protocols=("v1", "v2", "grpc-v2"),
    sources=("train", *_REMOTE),
    needs=("features",),
    forbids=("model.image", "model.services", "model.arguments", "model.variables", "gpu"),
)
_NO_EXTRAS = ("model.image", "model.services", "batching")
FORMATS: dict[str, FormatRules] = {
    "sklearn": _TABLE,
    "xgboost": _TABLE,
    "lightgbm": _TABLE,
    "onnx": _TABLE,
    "huggingface": FormatRules(("v1", "v2", "openai"), _REMOTE, forbids=_NO_EXTRAS),
    "vllm": FormatRules(("openai",), _REMOTE, needs=("gpu",), forbids=_NO_EXTRAS),
    "triton": FormatRules(("v2", "grpc-v2"), _REMOTE, forbids=_NO_EXTRAS),
    "custom": FormatRules(
        ("v1", "v2", "grpc-v2", "openai"), needs=("model.image",), forbids=("model.services", "batching")
    ),
    "ensemble": FormatRules(
        ("v1", "v2"),
        needs=("handler", "model.services"),
        forbids=("model.image", "model.arguments", "model.variables", "model.file", "gpu", "batching"),
    ),
}
# Seen at the gateway, so there is a number while no replica runs. Every other metric comes from a running replica.
ZERO_METRICS = ("rate",)
# What a client may be told to try again; a gRPC stream has no such answer while nothing listens.
ZERO_PROTOCOLS = ("v1", "v2", "openai")
_PERCENT_METRICS = ("cpu", "memory", "gpu")


def spec_faults(spec: Spec) -> Iterator[Fault]:
    """Rules between the parts of a spec."""
    yield from _format_faults(spec)
    yield from _source_faults(spec.model)
    yield from _zero_faults(spec)
    if spec.load.traffic == "stream" and spec.protocol != "openai":
        yield "load.traffic", f"prediction or batch; only protocol openai streams, not {spec.protocol}"
    if spec.scaling.metric == "gpu" and spec.gpu is None:
        yield "scaling.metric", "a metric this service has; it has no gpu"
    if spec.handler is not None and not spec.handler.endswith(".py"):
        yield "handler", "a Python file, such as handler.py"
    if spec.model.format == "ensemble" and spec.name in spec.model.services:
        yield "model.services", f"services other than `{spec.name}` itself"
    for index, objective in enumerate(spec.slo.latency):
        if objective.within > spec.timeout:
            yield f"slo.latency[{index}].within", f"no more than the timeout of {spec.timeout}"


def _format_faults(spec: Spec) -> Iterator[Fault]:
    kind = spec.model.format
    wanted = FORMATS[kind]
    if spec.protocol not in wanted.protocols:
        yield "protocol", f"{' or '.join(wanted.protocols)} for format {kind}, not {spec.protocol}"
    for field in wanted.needs:
        if not _given(spec, field):
            yield field, f"is required for format {kind}"
    for field in wanted.forbids:
        if _given(spec, field):
            yield field, f"nothing here: format {kind} has no {field.rpartition('.')[2]}"


def _given(spec: Spec, field: str) -> bool:
    owner, _, name = field.rpartition(".")
    return bool(getattr(spec.model if owner else spec, name))


def _source_faults(model: Model) -> Iterator[Fault]:
    sources = FORMATS[model.format].sources
    if not sources:
        if model.source is not None:
            yield "model.source", f"nothing here: format {model.format} has no source"
    elif model.source is None:
        yield "model.source", f"is required for format {model.format}: {', '.join(sources)}"
    elif model.source.scheme not in sources:
        yield "model.source", f"one of {', '.join(sources)} for format {model.format}, not {model.source.scheme}"
    trained = model.source is not None and model.source.scheme == "train"
    if trained and model.evaluation is None:
        yield "model.evaluation", "is required with source train, such as {metric: roc_auc, at_least: 0.8}"
    if model.evaluation is not None and not trained:
        yield "model.evaluation", "nothing here: only a model trained here is evaluated here"


def _zero_faults(spec: Spec) -> Iterator[Fault]:
    if spec.scaling.min > 0:
        return
    if spec.scaling.metric not in ZERO_METRICS:
        yield "scaling.min", f"1 or more, or metric rate: with no replica there is no {spec.scaling.metric} to scale on"
    if spec.protocol not in ZERO_PROTOCOLS:
        yield "scaling.min", f"1 or more: a {spec.protocol} client cannot be told to wait for the first replica"


def scaling_faults(scaling: Scaling) -> Iterator[Fault]:
    """Bounds between the fields of `scaling`."""
    if scaling.max < scaling.min:
        yield "max", f"{scaling.min} or more, the min"
    if scaling.metric in _PERCENT_METRICS and scaling.target > 100:
        yield "target", f"percent of {scaling.metric} in use, 100 or less"


def gpu_faults(gpu: Gpu) -> Iterator[Fault]:
    """What a class of GPU cannot do."""
    facts = GPU_CLASSES[gpu.kind]
    if gpu.sharing == "mig" and not facts.mig:
        able = ", ".join(name for name, facts in GPU_CLASSES.items() if facts.mig)
        yield "sharing", f"exclusive or time-sliced: {gpu.kind} has no MIG ({able} have)"
    elif gpu.sharing == "mig" and gpu.slice not in facts.mig:
        yield "slice", f"one of {', '.join(facts.mig)}"
    if gpu.sharing != "mig" and gpu.slice is not None:
        yield "slice", "nothing here: only sharing mig has slices"
    if gpu.sharing == "time-sliced" and gpu.count > 1:
        yield "count", "1: a time-sliced replica of more than one share gets no more than one"


def slo_faults(slo: Slo) -> Iterator[Fault]:
    """No objective contradicts another."""
    ordered = sorted(enumerate(slo.latency), key=lambda pair: pair[1].quantile)
    for (_, lower), (index, higher) in pairwise(ordered):
        if lower.quantile == higher.quantile:
            yield f"latency[{index}].quantile", f"each quantile once; {higher.quantile} is there already"
        elif higher.within < lower.within:
            yield f"latency[{index}].within", f"{lower.within} or more, as quantile {lower.quantile} already has"


def feature_faults(feature: Feature) -> Iterable[Fault]:
    """What a feature's type does not have."""
    numeric = feature.type in ("float", "integer", "tensor")
    for field in ("min", "max"):
        if not numeric and getattr(feature, field) is not None:
            yield field, f"nothing here: a {feature.type} has no range"
    if feature.min is not None and feature.max is not None and feature.max < feature.min:
        yield "max", f"{feature.min:g} or more, the min"
    if feature.values is not None and feature.type != "string":
        yield "values", f"nothing here: only strings list their values, not {feature.type}"
    if (feature.type == "tensor") != (feature.shape is not None):
        yield "shape", "is required for a tensor" if feature.type == "tensor" else "nothing here: only a tensor has one"
    elif feature.shape is not None and (feature.shape[0] != -1 or 0 in feature.shape):
        yield "shape", "rows first as -1, then each length or -1 for any: [-1, 8, 8]"
