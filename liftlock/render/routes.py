"""How users reach a service: one HTTPRoute that divides them among its revisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from liftlock import paths
from liftlock.conventions import MIRROR_HEADER, REVISION_HEADER
from liftlock.errors import LiftlockError
from liftlock.release import Release
from liftlock.render.gateways import GATEWAY_CLASSES
from liftlock.render.servers import GRPC_PORT, SERVICE_PORT, entry_service
from liftlock.render.stacks import Stack
from liftlock.rollout import Route

Manifest = dict[str, Any]

_GRPC_PATH = "/inference.GRPCInferenceService"


def route_name(service: str) -> str:
    """Never an InferenceService's name, which ends in eight hex digits: KServe would take the route over."""
    return f"{service}-route"


def http_route(
    service: str, releases: tuple[Release, ...], route: Route, stack: Stack, domain: str, metadata: Manifest
) -> Manifest:
    """The service's route. Raises LiftlockError for a mirror that this stack's gateway cannot make."""
    refuse_mirror(route, releases, stack)
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {**metadata, "name": route_name(service)},
        "spec": {
            "parentRefs": [{"name": stack.gateway.name, "namespace": stack.gateway.namespace}],
            "hostnames": [f"{service}.{domain}"],
            "rules": [*_named(service, releases), *_weighted(service, releases, route)],
        },
    }


def refuse_mirror(route: Route, releases: tuple[Release, ...], stack: Stack) -> None:
    """Raises LiftlockError for a mirror of no revision here, and for one that the stack's gateway cannot make."""
    if route.mirror is None:
        return
    where = f"{paths.StateFiles(route.environment, route.service).route}: mirror"
    if route.mirror not in {release.revision for release in releases}:
        raise LiftlockError(f"{where}: {route.mirror} is no revision here")
    if not GATEWAY_CLASSES[stack.gateway.kind].mirror:
        able = ", ".join(name for name, facts in GATEWAY_CLASSES.items() if facts.mirror)
        raise LiftlockError(
            f"{where}: {stack.name}'s gateway class {stack.gateway.kind} does not support it, and would answer every "
            f"request 500; a class that does is wanted ({able}), or no mirror"
        )


def _named(service: str, releases: tuple[Release, ...]) -> Iterator[Manifest]:
    """A request that names a revision is answered by it and no other, whatever its weight.

    The same paths as the weighted rules have: Gateway API compares paths first, and headers only between equal ones.
    """
    for release in releases:
        header = {"headers": [{"type": "Exact", "name": REVISION_HEADER, "value": release.revision}]}
        for matches, port in _entries(service, (release,)):
            yield {
                "matches": [{**match, **header} for match in matches],
                "filters": [_without_mirror_mark()],
                "backendRefs": [_backend(release, port, 1)],
                "timeouts": _timeouts((release,)),
            }


def _weighted(service: str, releases: tuple[Release, ...], route: Route) -> Iterator[Manifest]:
    """Everybody else by weight. Weight 0 is kept: the gateway knows the revision before users do."""
    mirrored = next((release for release in releases if release.revision == route.mirror), None)
    for matches, port in _entries(service, releases):
        filters = [_without_mirror_mark()]
        if mirrored is not None:
            copy = {key: value for key, value in _backend(mirrored, port, 0).items() if key != "weight"}
            filters.append({"type": "RequestMirror", "requestMirror": {"backendRef": copy}})
        yield {
            "matches": matches,
            "filters": filters,
            "backendRefs": [_backend(release, port, route.weight(release.revision)) for release in releases],
            "timeouts": _timeouts(releases),
        }


def _entries(service: str, releases: tuple[Release, ...]) -> Iterator[tuple[list[Manifest], int]]:
    """The paths users may ask for and the port that answers them; metrics, health and repository are not among them."""
    protocols = {release.spec.protocol for release in releases}
    found = [match for protocol in sorted(protocols) for match in _paths(service, protocol)]
    yield [match for n, match in enumerate(found) if match not in found[:n]], SERVICE_PORT
    if "grpc-v2" in protocols:
        yield [_path("PathPrefix", _GRPC_PATH)], GRPC_PORT


def _paths(service: str, protocol: str) -> list[Manifest]:
    match protocol:
        case "v1":
            name = f"/v1/models/{service}"
            return [_path("Exact", name), _path("Exact", f"{name}:predict"), _path("Exact", f"{name}:explain")]
        case "openai":
            return [_path("PathPrefix", "/v1"), _path("PathPrefix", "/openai/v1")]
        case _:  # a gRPC service answers V2 over HTTP, too
            return [_path("PathPrefix", f"/v2/models/{service}")]


def _path(kind: str, value: str) -> Manifest:
    return {"path": {"type": kind, "value": value}}


def _backend(release: Release, port: int, weight: int) -> Manifest:
    return {"name": entry_service(release.spec, release.revision), "port": port, "weight": weight}


def _without_mirror_mark() -> Manifest:
    """No user may pass for a mirrored request, which nobody counts."""
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {"remove": [MIRROR_HEADER]}}


def _timeouts(releases: tuple[Release, ...]) -> Manifest:
    """The longest that any of the revisions may take; a gateway's own default may be shorter."""
    longest = max(release.spec.timeout for release in releases)
    return {"request": _duration(longest.milliseconds)}


def _duration(milliseconds: int) -> str:
    """Gateway API's durations: at most five digits a unit (GEP-2257)."""
    seconds, rest = divmod(milliseconds, 1000)
    return "".join([f"{seconds}s" if seconds else "", f"{rest}ms" if rest else ""])
