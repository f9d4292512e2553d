"""What Prometheus scrapes of a service."""

from __future__ import annotations

from typing import Any

from liftlock.conventions import LABEL_ENVIRONMENT, LABEL_REVISION, LABEL_SERVICE
from liftlock.release import Release
from liftlock.render.servers import has_transformer, server_of

Manifest = dict[str, Any]

_INTERVAL = "15s"
# Labels of the pods that every series gets, as the local site's have them.
_TARGET_LABELS = {"environment": LABEL_ENVIRONMENT, "service": LABEL_SERVICE, "revision": LABEL_REVISION}


def pod_monitor(service: str, releases: tuple[Release, ...], metadata: Manifest) -> Manifest | None:
    """A scrape of every metrics port its revisions have; None where none has one."""
    ports = {server_of(release.spec).metrics_port for release in releases}
    ports |= {"http" for release in releases if has_transformer(release.spec)}
    named = sorted(port for port in ports if port is not None)
    if not named:
        return None
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {**metadata, "name": service},
        "spec": {
            "selector": {"matchLabels": {LABEL_SERVICE: service}},
            "podMetricsEndpoints": [_endpoint(port) for port in named],
        },
    }


def _endpoint(port: str) -> Manifest:
    relabelings = [
        {"sourceLabels": [f"__meta_kubernetes_pod_label_{_underscored(label)}"], "targetLabel": name}
        for name, label in _TARGET_LABELS.items()
    ]
    return {"port": port, "path": "/metrics", "interval": _INTERVAL, "relabelings": relabelings, "honorLabels": True}


def _underscored(label: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in label)
