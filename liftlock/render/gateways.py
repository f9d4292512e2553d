"""What each gateway class can do: the facts rendering depends on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

GatewayClassName = Literal["traefik", "envoy"]


@dataclass(frozen=True)
class GatewayClass:
    """One implementation of the Gateway API."""

    mirror: bool
    """Whether it has the extended feature HTTPRouteRequestMirror. Where it has not, a route with a mirror is Accepted
    and every request answers 500 (seen with Traefik 3.6)."""
    requests: str | None = None
    """PromQL selector of its requests to one backend, by `{backend}`; it must count those that found no replica, or
    nothing would ever scale from zero. None where it has no such series."""


GATEWAY_CLASSES: dict[GatewayClassName, GatewayClass] = {
    # A backend's series is named `<namespace>-<Service>-http-<port>@kubernetesgateway` (read in Traefik 3.6.1,
    # pkg/provider/kubernetes/gateway/httproute.go), and a load balancer without servers counts its 503s.
    "traefik": GatewayClass(mirror=False, requests='traefik_service_requests_total{service="{backend}"}'),
    # Its series are per rule, not per backend, and a backend without endpoints is answered before it is counted.
    "envoy": GatewayClass(mirror=True),
}


def requests_series(gateway: GatewayClassName, namespace: str, service: str, port: int) -> str | None:
    """PromQL selector of the gateway's requests to a Kubernetes Service; None where there is none."""
    selector = GATEWAY_CLASSES[gateway].requests
    backend = re.sub(r"[^A-Za-z0-9]+", "-", f"{namespace}-{service}-http-{port}") + "@kubernetesgateway"
    return selector.replace("{backend}", backend) if selector else None
