"""Who a service's pods are, and whom they may talk to: nobody but those named here."""

from __future__ import annotations

from typing import Any

from liftlock.conventions import LABEL_SERVICE
from liftlock.release import Release
from liftlock.render.bundles import model_uri
from liftlock.render.servers import GRPC_PORT, HTTP_PORT, TRITON_METRICS_PORT, has_transformer, http_port
from liftlock.render.stacks import Stack

Manifest = dict[str, Any]

# Where a cloud gives credentials to whoever asks: never to a model.
_METADATA_SERVER = "169.254.169.254/32"
# EKS Pod Identity's agent, which gives a pod the credentials of its own service account.
_POD_IDENTITY = "169.254.170.23/32"
_NAMESPACE = "kubernetes.io/metadata.name"


def service_account(service: str, metadata: Manifest) -> Manifest:
    """The service's own identity; nothing in it calls Kubernetes, so it has no token."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {**metadata, "name": service},
        "automountServiceAccountToken": False,
    }


def network_policy(service: str, releases: tuple[Release, ...], stack: Stack, metadata: Manifest) -> Manifest:
    """Nothing in or out but: the gateway and Prometheus in; names, the model and what the format calls out."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {**metadata, "name": service},
        "spec": {
            "podSelector": _own(service),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": _ingress(service, releases, stack),
            "egress": _egress(service, releases, stack),
        },
    }


def _ingress(service: str, releases: tuple[Release, ...], stack: Stack) -> list[Manifest]:
    served, scraped = set(), set()
    for release in releases:
        served |= {http_port(release.spec), *([GRPC_PORT] if release.spec.protocol == "grpc-v2" else [])}
        served |= {HTTP_PORT} if has_transformer(release.spec) else set()
        scraped |= {TRITON_METRICS_PORT} if release.spec.model.format == "triton" else {http_port(release.spec)}
    rules = [
        {"from": [_namespace(stack.gateway.namespace)], "ports": _tcp(*sorted(served))},
        {"from": [_namespace(stack.monitoring)], "ports": _tcp(*sorted(scraped | served - {GRPC_PORT}))},
    ]
    if any(has_transformer(release.spec) for release in releases):
        rules.append({"from": [{"podSelector": _own(service)}], "ports": _tcp(*sorted(served))})
    return rules


def _egress(service: str, releases: tuple[Release, ...], stack: Stack) -> list[Manifest]:
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    rules: list[Manifest] = [{"to": [_namespace("kube-system")], "ports": names}]
    if any(_fetches(release, stack) for release in releases):
        outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [_METADATA_SERVER]}}
        rules.append({"to": [outside], "ports": _tcp(443)})
        if stack.place == "eks":
            rules.append({"to": [{"ipBlock": {"cidr": _POD_IDENTITY}}], "ports": _tcp(80)})
    if any(release.spec.model.format == "ensemble" for release in releases):
        rules.append({"to": [_namespace(stack.gateway.namespace)]})
    if any(has_transformer(release.spec) for release in releases):
        rules.append({"to": [{"podSelector": _own(service)}]})
    return rules


def _fetches(release: Release, stack: Stack) -> bool:
    """Whether a pod loads its model over the network itself: images and volumes come by way of its node."""
    uris = [model_uri(release, stack) or "", stack.store if has_transformer(release.spec) else ""]
    return any(uri.startswith(("s3://", "gs://", "hf://")) for uri in uris)


def _own(service: str) -> Manifest:
    return {"matchLabels": {LABEL_SERVICE: service}}


def _namespace(name: str) -> Manifest:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE: name}}}


def _tcp(*ports: int) -> list[Manifest]:
    return [{"protocol": "TCP", "port": port} for port in ports]
