"""Reading a service's own files from a checkout."""

from __future__ import annotations

from pathlib import Path

from liftlock.paths import service_directory, service_file
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.source import load


def load_spec(root: Path, service: str) -> Spec:
    """The spec of `service` in the checkout at `root`. Raises InvalidInput with every problem in its file."""
    return load(root / service_file(service), Spec, root=root)


def load_features(root: Path, spec: Spec) -> FeatureSchema | None:
    """The feature schema of a spec, or None where it names none. Raises InvalidInput."""
    if spec.features is None:
        return None
    return load(root / service_directory(spec.name) / spec.features, FeatureSchema, root=root)
