"""Live counters from Prometheus, or none at all: whatever is missing, stale, double or not finite is an error.

prometheus-api-client has no default timeout, hands warnings, NaN and many series through, and answers an error with
KeyError (FACTS); this wrapper turns each of them into Unreachable.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from liftlock.conventions import METRIC_SECONDS, PREDICTION_ROUTES
from liftlock.errors import Unreachable
from liftlock.gate.live import LiveCounts

# Seconds to wait for an answer; the oldest a sample may be (the local site scrapes every second).
TIMEOUT_S, FRESH_S = 5.0, 10.0
# Counters of the gateway, by backend (`environment:service`) and server (`environment.revision.replica`).
RESPONSES = "haproxy_server_http_responses_total"
# Answers that never came whole. A connection that failed was given to another server, so no user saw it.
BROKEN = "haproxy_server_response_errors_total"

Labels = Mapping[str, str]


class Prometheus:
    """One Prometheus server."""

    def __init__(self, url: str) -> None:
        self.url = url

    def live_counts(self, environment: str, service: str) -> Mapping[str, LiveCounts]:
        """Each revision's counters as the gateway's users saw them. Raises Unreachable."""
        backend = f'{{proxy="{environment}:{service}"}}'
        requests: dict[str, int] = defaultdict(int)
        errors: dict[str, int] = defaultdict(int)
        for labels, value in self.query(RESPONSES + backend):
            revision = _revision(labels, environment)
            requests[revision] += round(value)
            errors[revision] += round(value) if labels.get("code") == "5xx" else 0
        for labels, value in self.query(BROKEN + backend):
            requests[_revision(labels, environment)] += round(value)
            errors[_revision(labels, environment)] += round(value)
        buckets = self._buckets(environment, service)
        return {name: LiveCounts(name, requests[name], errors[name], buckets.get(name, ())) for name in requests}

    def _buckets(self, environment: str, service: str) -> dict[str, tuple[tuple[float, int], ...]]:
        """The model servers' latency histograms, their replicas added up."""
        labels = f'environment="{environment}",service="{service}",route=~"{PREDICTION_ROUTES}"'
        selector = f"{METRIC_SECONDS}_bucket{{{labels}}}"
        sums: dict[str, dict[float, int]] = defaultdict(lambda: defaultdict(int))
        for found, value in self.query(selector):
            sums[found["revision"]][float(found["le"])] += round(value)
        return {revision: tuple(sorted(edges.items())) for revision, edges in sums.items()}

    def query(self, expression: str) -> list[tuple[Labels, float]]:
        """An instant vector of fresh, finite samples. Raises Unreachable for anything else."""
        rows = self._ask(expression)
        if not rows:
            return []
        times = {_key(labels): stamp for labels, stamp in self._ask(f"timestamp({expression})")}
        oldest = time.time() - FRESH_S
        for labels, value in rows:
            if not math.isfinite(value):
                raise Unreachable(f"{self.url}: {expression} is {value}")
            if times.get(_key(labels), 0.0) < oldest:
                raise Unreachable(f"{self.url}: {expression} is stale: nothing was scraped for {FRESH_S:.0f} s")
        return rows

    def _ask(self, expression: str) -> list[tuple[Labels, float]]:
        import requests
        from prometheus_api_client import PrometheusConnect
        from prometheus_api_client.exceptions import PrometheusApiClientException

        try:
            client = PrometheusConnect(url=self.url)
            said: Any = client.custom_query(expression, timeout=TIMEOUT_S)
            rows: list[tuple[Labels, float]] = [(dict(row["metric"]), float(row["value"][1])) for row in said]
        except (PrometheusApiClientException, requests.RequestException, KeyError, TypeError, ValueError) as error:
            raise Unreachable(f"{self.url}: no answer to {expression}: {error}") from error
        if len({_key(labels) for labels, _ in rows}) != len(rows):
            raise Unreachable(f"{self.url}: {expression} has one series twice")
        return rows


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "__name__"))


def _revision(labels: Labels, environment: str) -> str:
    """`prod.churn-1a2b3c4d.0` is a replica of churn-1a2b3c4d."""
    return labels.get("server", "").removeprefix(f"{environment}.").rpartition(".")[0]
