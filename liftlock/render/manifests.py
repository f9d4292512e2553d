"""All objects of one service in one stack, as one generated file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from liftlock import paths
from liftlock.conventions import (
    ANNOTATION_RELEASE,
    LABEL_ENVIRONMENT,
    LABEL_REVISION,
    LABEL_SERVICE,
    LABEL_TEAM,
    LABEL_TIER,
)
from liftlock.environment import Environment
from liftlock.errors import LiftlockError
from liftlock.release import Release
from liftlock.render.access import network_policy, service_account
from liftlock.render.alerts import prometheus_rule
from liftlock.render.inference import disruption_budget, inference_service
from liftlock.render.kinds import prove_valid
from liftlock.render.monitors import pod_monitor
from liftlock.render.routes import http_route
from liftlock.render.runtime import serving_runtime
from liftlock.render.scaling import Standing
from liftlock.render.stacks import Stack, stacks_of
from liftlock.render.text import as_yaml
from liftlock.rollout import Route

Manifest = dict[str, Any]

# A name in Kubernetes (RFC 1123 label).
LONGEST_NAME = 63


@dataclass(frozen=True)
class Scene:
    """What one environment runs of a service: one or two releases, oldest first, and how users are divided."""

    environment: Environment
    service: str
    releases: tuple[Release, ...]
    route: Route
    stacks_text: bytes | None = None
    """The content of `environments/stacks.yaml`, where there is one."""

    @property
    def stacks(self) -> tuple[Stack, ...]:
        """The stacks that run it: those of its placement. Raises LiftlockError where the environment has none."""
        placement = self.releases[-1].spec.placement
        every = stacks_of(self.environment, self.stacks_text)
        found = tuple(stack for stack in every if placement in ("any", stack.place))
        if not found:
            names = ", ".join(stack.name for stack in every)
            raise LiftlockError(
                f"{self.service}: placement {placement}: no stack of {self.environment.name} is ({names})"
            )
        return found


def render_manifests(scene: Scene) -> dict[PurePosixPath, bytes]:
    """The manifest file of each stack that runs the service, by path. Raises LiftlockError, InvalidInput."""
    files = {}
    for stack in scene.stacks:
        path = paths.manifest(scene.environment.name, stack.name, scene.service)
        objects = tuple(objects_in(scene, stack))
        prove_valid(objects, str(path))
        files[path] = as_yaml(objects)
    return files


def render_runtime(stack: Stack) -> bytes:
    """The model server's ClusterServingRuntime, which a cluster needs before any InferenceService of ours."""
    runtime = serving_runtime(stack)
    prove_valid((runtime,), stack.name)
    return as_yaml((runtime,))


def objects_in(scene: Scene, stack: Stack) -> Iterator[Manifest]:
    """The objects of a service in one stack, in the order they are needed."""
    newest = scene.releases[-1]
    common = _metadata(scene, newest)
    domain = stack.domain_in(scene.environment.name)
    yield service_account(scene.service, common)
    yield network_policy(scene.service, scene.releases, stack, common)
    for release in scene.releases:
        yield from _revision(scene, stack, release)
    yield http_route(scene.service, scene.releases, scene.route, stack, domain, common)
    watched = (
        pod_monitor(scene.service, scene.releases, common),
        prometheus_rule(scene.service, scene.releases, scene.route, scene.environment, stack, common),
    )
    yield from filter(None, watched)


def _revision(scene: Scene, stack: Stack, release: Release) -> Iterator[Manifest]:
    metadata = _metadata(scene, release)
    metadata["labels"] = {**metadata["labels"], LABEL_REVISION: release.revision}
    metadata["annotations"] = {ANNOTATION_RELEASE: release.digest}
    weight = scene.route.weight(release.revision)
    standing = Standing(release.revision, metadata["namespace"], weight, alone=len(scene.releases) == 1)
    yield inference_service(release, scene.environment, stack, metadata, standing)
    yield disruption_budget(release.revision, metadata)


def _metadata(scene: Scene, release: Release) -> Manifest:
    """What every object says of itself. All are in the newest owner's namespace: a route has its backends there."""
    labels = {
        LABEL_SERVICE: scene.service,
        LABEL_ENVIRONMENT: scene.environment.name,
        LABEL_TEAM: release.spec.owner,
        LABEL_TIER: str(release.spec.tier),
    }
    owner = scene.releases[-1].spec.owner
    return {"name": scene.service, "namespace": namespace(owner, scene.environment.name), "labels": labels}


def namespace(team: str, environment: str) -> str:
    """A team's namespace in an environment: `<team>-<environment>`; a team's name too long for that is cut."""
    name = f"{team}-{environment}"
    if len(name) <= LONGEST_NAME:
        return name
    mark = sha256(team.encode()).hexdigest()[:8]
    return f"{team[: LONGEST_NAME - len(environment) - 10]}-{mark}-{environment}"
