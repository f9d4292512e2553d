"""Releases and scenes, valid, to be changed in one thing at a time."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import yaml

from liftlock.environment import Environment
from liftlock.release import OWN_FORMATS, Contents, ModelReference, Release, freeze
from liftlock.render import Scene, render_manifests
from liftlock.rollout import Route
from liftlock.spec.model import Spec
from liftlock.spec.source import parse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HEX = "ab" * 32
SERVICE: dict[str, Any] = {
    "name": "churn",
    "owner": "growth",
    "tier": 1,
    "description": "Which customers are about to leave.",
    "model": {"format": "xgboost", "source": "train", "evaluation": {"metric": "roc_auc", "at_least": 0.8}},
    "protocol": "v2",
    "resources": {"cpu": "500m", "memory": "512Mi"},
    "scaling": {"min": 1, "max": 10, "metric": "concurrency", "target": 8},
    "slo": {"window": "30d", "availability": 99.9, "latency": [{"quantile": 0.99, "within": "250ms"}]},
    "load": {"rate": "200/s", "requests": "requests.jsonl"},
    "features": "features.yaml",
    "alerts": {"team": "growth"},
}
LLM = {
    "name": "support-llm",
    "model": {"format": "vllm", "source": f"hf://acme/support@{COMMIT}", "arguments": ["--max-model-len=8192"]},
    "protocol": "openai",
    "gpu": {"class": "l40s"},
    "resources": {"cpu": 4, "memory": "48Gi"},
    "scaling": {"min": 1, "max": 4, "metric": "concurrency", "target": 16},
    "timeout": "5m",
    "slo": {"availability": 99, "latency": []},
    "features": None,
}
PROD: dict[str, Any] = {
    "name": "prod",
    "after": "staging",
    "stacks": ["prod-eks"],
    "replicas": {"min": 2, "max": 50},
}


def spec(**changes: Any) -> Spec:
    """A valid spec with top-level fields replaced; None takes one away."""
    data = {key: value for key, value in {**SERVICE, **changes}.items() if value is not None}
    return parse(json.dumps(data).encode(), Spec, "service.yaml")


def release(**changes: Any) -> Release:
    """A release of that spec, as `cut` makes it: our own formats from a bundle, others from their source."""
    found = spec(**changes)
    trained = found.model.source is not None and found.model.source.scheme == "train"
    return freeze(
        Contents(
            service=found.name,
            spec=found,
            features=None,
            model=ModelReference(
                source=str(found.model.source or "") or None, digest=f"sha256:{HEX}" if trained else None
            ),
            bundle=f"sha256:{HEX}" if found.model.format in OWN_FORMATS else None,
            handler=f"sha256:{HEX}" if found.handler else None,
            requests=f"sha256:{HEX}",
        )
    )


def environment(**changes: Any) -> Environment:
    """An environment like prod."""
    return parse(yaml.safe_dump({**PROD, **changes}).encode(), Environment, "environment.yaml")


def scene(
    *releases: Release,
    weights: tuple[int, ...] = (),
    where: Environment | None = None,
    stacks: str | None = None,
    mirror: Release | None = None,
) -> Scene:
    """A scene of these releases, oldest first; without weights the newest has all users."""
    where = where or environment()
    service = releases[0].service
    given = weights or (*(0 for _ in releases[1:]), 100)
    route = Route(
        service=service,
        environment=where.name,
        weights={one.revision: weight for one, weight in zip(releases, given, strict=True)},
        mirror=mirror.revision if mirror else None,
    )
    return Scene(where, service, releases, route, stacks.encode() if stacks else None)


def rendered(of: Scene) -> dict[str, list[dict[str, Any]]]:
    """The objects of a scene by stack, read back from the files."""
    return {path.parent.name: list(yaml.safe_load_all(text)) for path, text in render_manifests(of).items()}


def only(of: Scene, kind: str) -> dict[str, Any]:
    """The only object of a kind in the only stack of a scene."""
    (objects,) = rendered(of).values()
    (found,) = [one for one in objects if one["kind"] == kind]
    return found


def file_of(of: Scene) -> tuple[PurePosixPath, bytes]:
    """The only file of a scene."""
    ((path, text),) = render_manifests(of).items()
    return path, text
