"""A service's own objectives as alerts: how fast its error budget burns, over a long and a short window each.

Method and figures: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", table 5-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from liftlock.conventions import METRIC_REQUESTS, METRIC_SECONDS
from liftlock.environment import Environment
from liftlock.release import Release
from liftlock.render.gateways import requests_series
from liftlock.render.servers import SERVICE_PORT, entry_service, server_of
from liftlock.render.stacks import Stack
from liftlock.rollout import DARK, Route
from liftlock.spec.model import Spec

Manifest = dict[str, Any]

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Burn:
    """A share of the budget gone within the long window; the short one ends the alert soon after the burning does."""

    share: float
    long_h: float
    short: str
    severity: str
    hold: str

    @property
    def long(self) -> str:
        """The long window as PromQL has it."""
        return f"{self.long_h:g}h"

    def rate(self, window_h: float) -> float:
        """How many times faster than the objective allows the budget then burns; 1 spends it in just the window."""
        return self.share * window_h / self.long_h


BURNS = (
    Burn(0.02, 1, "5m", "page", "2m"),
    Burn(0.05, 6, "30m", "page", "5m"),
    Burn(0.10, 24, "2h", "ticket", "15m"),
    Burn(0.10, 72, "6h", "ticket", "30m"),
)
# So few bad requests in the long window tell nobody anything, however few requests there were in all.
LEAST_BAD = 5
# Routes of the model server that are users' (serving/endpoints.py); health and metrics are not.
_ROUTES = "v1_predict|v2_infer|grpc_infer"
# Upper edges of the model server's latency histogram, seconds (serving/metrics.py; equal by a test).
EDGES = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0,
         2.5, 5.0, 10.0, 30.0)  # fmt: skip


@dataclass(frozen=True)
class Indicator:
    """What an objective counts: PromQL of bad and of all requests a second, `{window}` open, and the share allowed."""

    name: str
    bad: str
    every: str
    allowed: float
    promise: str


def prometheus_rule(
    service: str,
    releases: tuple[Release, ...],
    route: Route,
    environment: Environment,
    stack: Stack,
    metadata: Manifest,
) -> Manifest | None:
    """The alerts of the newest release's objectives, over the revisions users have; None where nothing counts them."""
    spec = releases[-1].spec
    served = [release for release in releases if route.weight(release.revision) > DARK]
    indicators = tuple(_indicators(served, environment, stack, metadata["namespace"], spec)) if served else ()
    rules = [rule for indicator in indicators for rule in _rules(indicator, spec, service, environment.name)]
    if not rules:
        return None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {**metadata, "name": service},
        "spec": {"groups": [{"name": f"{service}-{environment.name}-slo", "rules": rules}]},
    }


def _indicators(
    served: list[Release], environment: Environment, stack: Stack, namespace: str, spec: Spec
) -> Iterator[Indicator]:
    allowed = 1 - spec.slo.availability / 100
    promise = f"{spec.slo.availability:g} % without error"
    if all(server_of(release.spec).ours for release in served):
        revisions = "|".join(release.revision for release in served)
        # A revision's name has its service's in it.
        labels = f'environment="{environment.name}",revision=~"{revisions}",route=~"{_ROUTES}"'
        every = f"sum(rate({METRIC_REQUESTS}{{{labels}}}[{{window}}]))"
        bad = f'sum(rate({METRIC_REQUESTS}{{{labels},code=~"5.."}}[{{window}}]))'
        yield Indicator("availability", bad, every, allowed, promise)
        yield from _latency(labels, spec)
        return
    # Servers that are not ours count no errors; the gateway does, where its class can tell revisions apart.
    backends = [(entry_service(release.spec, release.revision), SERVICE_PORT) for release in served]
    series = [requests_series(stack.gateway.kind, namespace, name, port) for name, port in backends]
    if None not in series:
        every = " + ".join(f"sum(rate({one}[{{window}}]))" for one in series if one)
        failed = (one.replace("}", ',code=~"5.."}') for one in series if one)
        bad = " + ".join(f"(sum(rate({one}[{{window}}])) or vector(0))" for one in failed)
        yield Indicator("availability", f"({bad})", f"({every})", allowed, promise)


def _latency(labels: str, spec: Spec) -> Iterator[Indicator]:
    """Requests slower than the histogram's nearest edge at or below what was promised."""
    for objective in spec.slo.latency:
        edge = max(edge for edge in EDGES if edge <= objective.within.seconds)
        every = f"sum(rate({METRIC_SECONDS}_count{{{labels}}}[{{window}}]))"
        fast = f'sum(rate({METRIC_SECONDS}_bucket{{{labels},le="{edge}"}}[{{window}}]))'
        share = 100 * objective.quantile
        promise = f"{share:.6g} % within {objective.within}, counted at {edge:g} s"
        yield Indicator(f"latency-p{share:.6g}", f"({every} - {fast})", every, 1 - objective.quantile, promise)


def _rules(indicator: Indicator, spec: Spec, service: str, environment: str) -> Iterator[Manifest]:
    """An alert for each pair of windows in which this objective could be missed at all."""
    window_h = spec.slo.window.milliseconds / _HOUR_MS
    for burn in BURNS:
        factor = burn.rate(window_h)
        if factor < 1 or factor * indicator.allowed >= 1:
            continue
        labels = {"service": service, "environment": environment, "team": spec.alerts.team, "tier": str(spec.tier)}
        # The third tier is best effort: nobody is woken for it.
        severity = burn.severity if spec.tier < 3 else "ticket"
        said = f"{service} in {environment} spends {burn.share:.0%} of its error budget in {burn.long}"
        yield {
            "alert": "ServiceBurnsErrorBudget",
            "expr": _expression(indicator, burn, factor * indicator.allowed),
            "for": burn.hold,
            "labels": {**labels, "severity": severity, "objective": indicator.name, "window": burn.long},
            "annotations": {
                "summary": f"{said}: {indicator.promise}, over {spec.slo.window}",
                "action": f'liftlock status {service}; liftlock rollback {service} --in {environment} --why "…"',
            },
        }


def _expression(indicator: Indicator, burn: Burn, threshold: float) -> str:
    parts = [
        f"{indicator.bad} / {indicator.every} > {threshold:.6g}".replace("{window}", window)
        for window in (burn.long, burn.short)
    ]
    seconds = round(burn.long_h * 3600)
    parts.append(f"{indicator.bad} * {seconds} >= {LEAST_BAD}".replace("{window}", burn.long))
    return " and ".join(f"({part})" for part in parts)
