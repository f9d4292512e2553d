"""The local site as a rollout sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftlock.conventions import REVISION_HEADER
from liftlock.errors import Unreachable
from liftlock.gate.live import LiveCounts
from liftlock.promote.site import Convergence, Target
from liftlock.sites.local import control
from liftlock.sites.local.layout import HOST, Layout
from liftlock.sites.prometheus import Prometheus


class LocalSite:
    """Processes on this machine. Starts itself where it is not up."""

    name = "local"

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._prometheus = Prometheus(f"http://{HOST}:{layout.prometheus_port}")
        self._ports: dict[str, int] = {}

    def converge(self, commit: str, environment: str, service: str) -> Convergence:  # noqa: ARG002 (the newest is made so)
        status = control.converge(self.layout)
        self._ports = status["environments"]
        for refusal in status["refused"]:
            if refusal["environment"] == environment and refusal["revision"].startswith(f"{service}-"):
                stack = f"{environment}-{self.name}"
                raise Unreachable(f"{refusal['revision']} cannot run on {stack}: it needs {refusal['why']}")
        return Convergence(_unready(status, environment, service))

    def target(self, environment: str, service: str, revision: str | None) -> Target:  # noqa: ARG002 (the path names it)
        headers = {REVISION_HEADER: revision} if revision else {}
        return Target(f"http://{HOST}:{self._port(environment)}", headers)

    def _port(self, environment: str) -> int:
        if environment not in self._ports:
            self._ports = control.call(self.layout, "status")["environments"]
        return self._ports[environment]

    def live_counts(self, environment: str, service: str) -> Mapping[str, LiveCounts]:
        return self._prometheus.live_counts(environment, service)


def _unready(status: Mapping[str, Any], environment: str, service: str) -> dict[str, str]:
    """Each revision of the service none of whose processes answers, and why."""
    unready = {}
    for row in status["revisions"]:
        if (row["environment"], row["service"]) != (environment, service):
            continue
        if not any(replica["ready"] for replica in row["replicas"]):
            reasons = [status["failed"].get(replica["process"], "not ready") for replica in row["replicas"]]
            unready[row["revision"]] = reasons[0] if reasons else "has no process"
    return unready
