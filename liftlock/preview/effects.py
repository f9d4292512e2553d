"""What a changed service means in each environment: replicas, GPUs, cost, and what its gates will ask."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

from liftlock.canonical import digest_bytes, digest_value
from liftlock.environment import Environment, for_service
from liftlock.ledger import FULL
from liftlock.preview.branch import ServiceFiles
from liftlock.preview.prices import gpus_of, replica_usd_per_hour
from liftlock.promote.gates import Trial
from liftlock.promote.loadrun import WARMUP
from liftlock.release import OWN_FORMATS, Contents, ModelReference, Release, freeze
from liftlock.render import Scene, render_manifests
from liftlock.render.scaling import bounds
from liftlock.render.stacks import Stack
from liftlock.rollout import Route

Files = dict[PurePosixPath, bytes]
Kind = Literal["new", "changed", "removed", "unchanged"]


@dataclass(frozen=True)
class FieldChange:
    """One value of a spec, or one file a release is made of, before and after; None where it was not or is not."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Effect:
    """A service in one environment, all its stacks together. Costs are USD an hour, of priced stacks only."""

    environment: str
    stacks: tuple[str, ...]
    unpriced: tuple[str, ...]
    """Stacks on hardware of one's own."""
    replicas: tuple[int, int]
    gpus: tuple[float, float]
    usd_per_hour: tuple[float, float]
    gate_requests: int
    """Judged requests of each arm of the load test."""
    gate_seconds: float
    """How long sending them takes, without the servers' start."""
    weights: tuple[int, ...]


@dataclass(frozen=True)
class ServiceChange:
    """What a branch does to one service."""

    service: str
    kind: Kind
    fields: tuple[FieldChange, ...]
    notes: tuple[str, ...]
    before: tuple[Effect, ...]
    after: tuple[Effect, ...]
    manifests: Mapping[str, str]
    """Unified diff of each manifest its next release changes, by path; the revision's name left out."""


def field_changes(before: ServiceFiles | None, after: ServiceFiles | None) -> tuple[FieldChange, ...]:
    """Every value and file of a release that differs."""
    then, now = _values(before), _values(after)
    keys = sorted(then.keys() | now.keys())
    return tuple(FieldChange(key, then.get(key), now.get(key)) for key in keys if then.get(key) != now.get(key))


def _values(files: ServiceFiles | None) -> dict[str, Any]:
    if files is None:
        return {}
    values = dict(_flat("", files.spec.model_dump(mode="json", by_alias=True, exclude_none=True)))
    parts = {what: text.replace(b"\r\n", b"\n") for what, text in files.parts.items() if text is not None}
    return values | {f"({what})": digest_bytes(text)[:19] for what, text in parts.items()}


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Leaves by dotted path; a list is a leaf."""
    if not isinstance(value, dict):
        yield path, value
        return
    for key, entry in value.items():
        yield from _flat(f"{path}.{key}" if path else key, entry)


def effect(files: ServiceFiles, environment: Environment, stacks: tuple[Stack, ...]) -> Effect | None:
    """What a service is in an environment; None where none of its stacks may run it."""
    spec = files.spec
    runs = tuple(stack for stack in stacks if spec.placement in ("any", stack.place))
    if not runs:
        return None
    found = bounds(spec.scaling, environment.replicas)
    priced = [stack for stack in runs if stack.place == "eks"]
    low, high = found.min * len(runs), found.max * len(runs)
    gpus, cost = gpus_of(spec.gpu), replica_usd_per_hour(spec) * len(priced)
    rollout = for_service(environment.rollout, spec.rollout)
    requests = Trial(environment.name, provisional(files), None, rollout).requests
    return Effect(
        environment=environment.name,
        stacks=tuple(stack.name for stack in runs),
        unpriced=tuple(stack.name for stack in runs if stack not in priced),
        replicas=(low, high),
        gpus=(low * gpus, high * gpus),
        usd_per_hour=(found.min * cost, found.max * cost),
        gate_requests=requests,
        gate_seconds=(requests + WARMUP) / spec.load.rate.per_second,
        weights=rollout.weights,
    )


def provisional(files: ServiceFiles) -> Release:
    """The release as far as it can be known without the store: its bundle's digest is a stand-in made of its parts."""
    spec, parts = files.spec, {what: digest_bytes(text) for what, text in files.parts.items() if text is not None}
    source = str(spec.model.source) if spec.model.source else spec.model.image
    return freeze(
        Contents(
            service=spec.name,
            spec=spec,
            features=files.features.features if files.features else None,
            model=ModelReference(source=source, digest=parts.get("model")),
            bundle=digest_value(parts) if spec.model.format in OWN_FORMATS else None,
            handler=parts.get("handler"),
            requests=parts.get("requests", digest_bytes(b"")),
        )
    )


def manifest_diffs(
    before: ServiceFiles | None, after: ServiceFiles | None, environment: Environment, stacks_text: bytes | None
) -> dict[str, str]:
    """Unified diffs of the manifests with all users on the old and on the new release. Raises LiftlockError."""
    then, now = _manifests(before, environment, stacks_text), _manifests(after, environment, stacks_text)
    return diffs(then, now)


def _manifests(files: ServiceFiles | None, environment: Environment, stacks: bytes | None) -> Files:
    if files is None:
        return {}
    release = provisional(files)
    route = Route(service=release.service, environment=environment.name, weights={release.revision: FULL})
    rendered = render_manifests(Scene(environment, release.service, (release,), route, stacks))
    # A new name for each release says nothing; what else changes does.
    name, digest = f"{release.service}-<revision>".encode(), b"<release>"
    unnamed = {path: text.replace(release.revision.encode(), name) for path, text in rendered.items()}
    return {path: text.replace(release.digest.encode(), digest) for path, text in unnamed.items()}


def diffs(then: Mapping[PurePosixPath, bytes], now: Mapping[PurePosixPath, bytes]) -> dict[str, str]:
    """Unified diffs of the files that differ, by path."""
    found = {}
    for path in sorted(then.keys() | now.keys()):
        old, new = (files.get(path, b"").decode().splitlines(keepends=True) for files in (then, now))
        if old != new:
            names = (f"a/{path}" if path in then else "/dev/null", f"b/{path}" if path in now else "/dev/null")
            found[str(path)] = "".join(difflib.unified_diff(old, new, *names))
    return found
