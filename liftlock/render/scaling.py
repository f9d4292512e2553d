"""How many replicas a revision has in an environment, and what decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from liftlock.environment import Replicas
from liftlock.ledger import FULL
from liftlock.render.gateways import requests_series
from liftlock.render.servers import SERVICE_PORT, entry_service, server_of
from liftlock.render.stacks import Stack
from liftlock.spec.model import Scaling, Spec

AutoscalerClass = Literal["hpa", "keda", "none"]
# Percent of its CPU a transformer's replicas may use before there is another.
TRANSFORMER_CPU = 70


@dataclass(frozen=True)
class Bounds:
    """Replicas at least and at most."""

    min: int
    max: int


@dataclass(frozen=True)
class Standing:
    """A revision's place in its route: its percentage of users, and whether it is the only revision."""

    revision: str
    namespace: str
    weight: int
    alone: bool


def bounds(scaling: Scaling, allowed: Replicas) -> Bounds:
    """The spec's wish within the environment's bounds; the environment's minimum holds even above the spec's max."""
    low = min(max(scaling.min, allowed.min), allowed.max)
    return Bounds(low, max(low, min(scaling.max, allowed.max)))


def bounds_now(spec: Spec, allowed: Replicas, stack: Stack, standing: Standing) -> Bounds:
    """The bounds of a revision as it stands. To zero goes only one that has all users to itself, and only behind a
    gateway that counts requests nobody answered: one in a rollout is judged or kept for a rollback, so it stays warm.
    """
    found = bounds(spec.scaling, allowed)
    may_sleep = standing.alone and standing.weight == FULL and _wakes(spec, stack, standing) is not None
    return found if may_sleep else Bounds(max(found.min, 1), found.max)


def _wakes(spec: Spec, stack: Stack, standing: Standing) -> str | None:
    """PromQL that is above zero while users ask for a revision, whether it has replicas or not."""
    series = requests_series(
        stack.gateway.kind, standing.namespace, entry_service(spec, standing.revision), SERVICE_PORT
    )
    return f"sum(rate({series}[1m]))" if series else None


def autoscaler(spec: Spec, allowed: Replicas) -> AutoscalerClass:
    """What scales a spec's revisions. The same as long as a revision lives: KServe copies it onto the pods."""
    found = bounds(spec.scaling, allowed)
    if found.min == found.max:
        return "none"
    return "hpa" if spec.scaling.metric in ("cpu", "memory") else "keda"


def component_scaling(spec: Spec, allowed: Replicas, stack: Stack, standing: Standing) -> dict[str, Any]:
    """The scaling fields of a revision's predictor."""
    now = bounds_now(spec, allowed, stack, standing)
    fields: dict[str, Any] = {"minReplicas": now.min, "maxReplicas": now.max}
    match autoscaler(spec, allowed):
        case "hpa":
            fields["autoScaling"] = {"metrics": [_resource(spec.scaling.metric, round(spec.scaling.target))]}
        case "keda":
            queries = _queries(spec, stack, standing, asleep=now.min == 0)
            metrics = [_external(stack, query, spec.scaling.target) for query in queries]
            fields["autoScaling"] = {"metrics": metrics}
    return fields


def transformer_scaling(spec: Spec, allowed: Replicas, stack: Stack, standing: Standing) -> dict[str, Any]:
    """The scaling fields of a handler in front of the model: by CPU, and never to zero, for CPU wakes nobody."""
    now = bounds_now(spec, allowed, stack, standing)
    fields: dict[str, Any] = {"minReplicas": max(now.min, 1), "maxReplicas": now.max}
    if autoscaler(spec, allowed) != "none":
        fields["autoScaling"] = {"metrics": [_resource("cpu", TRANSFORMER_CPU)]}
    return fields


def _resource(name: str, percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": max(percent, 1)}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _external(stack: Stack, query: str, target: float) -> dict[str, Any]:
    """A KEDA trigger; KEDA divides the query's value by the replicas before it compares (AverageValue)."""
    metric = {"backend": "prometheus", "serverAddress": stack.prometheus, "query": query}
    return {"type": "External", "external": {"metric": metric, "target": {"type": "Value", "value": quantity(target)}}}


def quantity(number: float) -> str:
    """A number as both Kubernetes' quantities and KEDA's thresholds take it: plain decimal, no suffix."""
    return f"{max(number, 1e-6):.6f}".rstrip("0").rstrip(".")


def _queries(spec: Spec, stack: Stack, standing: Standing, *, asleep: bool) -> list[str]:
    """PromQL totals over a revision's replicas; with the gateway's own count where it must be woken from zero."""
    server = server_of(spec)
    pods = f'{{namespace="{standing.namespace}",pod=~"{standing.revision}-predictor-.+"}}'
    wakes = _wakes(spec, stack, standing)
    own = {
        "concurrency": server.in_flight,
        "rate": server.served,
        "gpu": "sum(DCGM_FI_DEV_GPU_UTIL{pods})",  # percent; NVIDIA's dcgm-exporter
    }[spec.scaling.metric]
    if own is None:
        return [_unseen(spec, wakes, standing)]
    found = [own.replace("{pods}", pods)]
    return [*found, wakes] if asleep and wakes else found


def _unseen(spec: Spec, wakes: str | None, standing: Standing) -> str:
    """For an image of the team's own, which may have no metrics: from what the gateway sees, or else its CPU's work.

    Requests in flight are requests a second times the longest they are promised to take (Little's law, on the safe
    side).
    """
    if wakes is None:
        pods = f'{{namespace="{standing.namespace}",pod=~"{standing.revision}-predictor-.+",container!=""}}'
        share = spec.scaling.target / spec.resources.cpu.cores
        return f"sum(rate(container_cpu_usage_seconds_total{pods}[1m])) * {share:.6g}"
    return wakes if spec.scaling.metric == "rate" else f"{wakes} * {_within(spec):.6g}"


def _within(spec: Spec) -> float:
    """Seconds a request is promised to take."""
    return max((one.within.seconds for one in spec.slo.latency), default=spec.timeout.seconds)
