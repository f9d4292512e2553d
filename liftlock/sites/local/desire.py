"""From a commit to what the local site should be."""

from __future__ import annotations

from collections.abc import Iterator

from liftlock.environment import Environment, read_ladder, services_in
from liftlock.promote.state import Held, read_held
from liftlock.release import Release
from liftlock.repository import Snapshot
from liftlock.sites.local.desired import Desired, EnvironmentPort, Refusal, Replica, ServiceRoute, Weighted
from liftlock.sites.local.layout import HOST, Layout

# Processes of one revision on one machine, whatever a cluster would give it.
MOST_REPLICAS = 2


def desire(snapshot: Snapshot, layout: Layout) -> Desired:
    """What the site should be for `snapshot`. Raises InvalidInput where its files cannot be read."""
    ladder = read_ladder(snapshot)
    routes, refused = [], []
    for index, environment in enumerate(ladder):
        for service in services_in(snapshot, environment.name):
            held = read_held(snapshot, environment, service)
            if held.route is not None:
                refused += list(_refusals(held))
                routes.append(_route(held, layout, index))
    ports = tuple(EnvironmentPort(each.name, layout.environment_port(n)) for n, each in enumerate(ladder))
    return Desired(snapshot.commit, ports, tuple(routes), tuple(refused))


def _releases(held: Held) -> tuple[Release, ...]:
    return tuple(release for release in (held.previous, held.release) if release is not None)


def _refusals(held: Held) -> Iterator[Refusal]:
    for release in _releases(held):
        if why := missing_here(release):
            yield Refusal(held.environment.name, release.revision, why)


def missing_here(release: Release) -> str:
    """What this machine lacks to run `release`; '' where it can."""
    lacks = []
    if release.spec.gpu is not None:
        lacks.append(f"{release.spec.gpu.count} GPU of class {release.spec.gpu.kind}")
    if release.bundle is None:
        lacks.append(f"the {release.spec.model.format} runtime, which is a container image")
    return " and ".join(lacks)


def _route(held: Held, layout: Layout, index: int) -> ServiceRoute:
    assert held.route is not None  # the caller has looked
    grpc = any(release.spec.protocol == "grpc-v2" for release in _releases(held))
    revisions = tuple(
        Weighted(
            release.revision,
            held.route.weight(release.revision),
            tuple(_replicas(release, held.environment, grpc, f"http://{HOST}:{layout.environment_port(index)}")),
        )
        for release in _releases(held)
    )
    return ServiceRoute(held.environment.name, held.service, grpc, revisions, held.route.mirror)


def _replicas(release: Release, environment: Environment, grpc: bool, gateway: str) -> Iterator[Replica]:
    if missing_here(release) or release.bundle is None:
        return
    count = min(max(release.spec.scaling.min, environment.replicas.min, 1), MOST_REPLICAS)
    for number in range(count):
        yield Replica(environment.name, release.service, release.revision, number, release.bundle, grpc, gateway)
