"""Cutting a release: the one step that reads `service.yaml`, and resolves everything it names to a digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from liftlock import paths
from liftlock.errors import InvalidInput, LiftlockError
from liftlock.release import OWN_FORMATS, Contents, ModelReference, Release, freeze
from liftlock.sources import fetch_source
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.read import load_features, load_spec
from liftlock.spec.source import problem_at
from liftlock.store import BlobStore, put_tree, read_tree
from liftlock.training import Registration, read_registration

# The largest request body a model server takes (bytes), and how many requests may wait for a place.
MAX_BODY_BYTES = 10 * 1024 * 1024


@dataclass(frozen=True)
class _Files:
    """What a release is made of, read from the service's directory and the store."""

    spec: Spec
    features: FeatureSchema | None
    handler: bytes | None
    requests: bytes
    model: dict[str, bytes]
    reference: ModelReference


def cut(root: Path, service: str, store: BlobStore) -> Release:
    """Freeze `service` as it stands in the checkout at `root`; everything it runs is in `store` afterwards.

    Raises InvalidInput for a spec that is wrong or a model that is not registered, Unreachable for a source that
    does not answer.
    """
    files = _read(root, service, store)
    bundle = None
    if files.spec.model.format in OWN_FORMATS:
        bundle, _ = put_tree(
            store, bundle_files(files.spec, files.features, files.handler, files.model, files.requests)
        )
    return freeze(
        Contents(
            service=service,
            spec=files.spec,
            features=files.features.features if files.features else None,
            model=files.reference,
            bundle=bundle,
            handler=store.put(files.handler) if files.handler is not None else None,
            requests=store.put(files.requests),
        )
    )


def _read(root: Path, service: str, store: BlobStore) -> _Files:
    spec = load_spec(root, service)
    directory = root / paths.service_directory(service)
    handler = (directory / spec.handler).read_bytes() if spec.handler else None
    reference, model = _resolve(root, spec, store)
    requests = (directory / spec.load.requests).read_bytes().replace(b"\r\n", b"\n")
    return _Files(spec, load_features(root, spec), handler, requests, model, reference)


def _resolve(root: Path, spec: Spec, store: BlobStore) -> tuple[ModelReference, dict[str, bytes]]:
    """The model's reference and, where our own server runs it, its files."""
    source = spec.model.source
    if source is None:
        return ModelReference(source=spec.model.image), {}
    if source.scheme == "train":
        registration = _registered(root, spec)
        files = read_tree(store, registration.digest)
        reference = ModelReference(source="train", digest=registration.digest, evaluation=registration.metrics)
        return reference, files
    if spec.model.format not in OWN_FORMATS:
        return ModelReference(source=str(source)), {}
    fetched, files = fetch_source(source, spec.model.file_name)
    digest, _ = put_tree(store, files)
    return ModelReference(source=fetched, digest=digest), files


def _registered(root: Path, spec: Spec) -> Registration:
    registration = read_registration(root, spec.name)
    if registration is None:
        file = paths.service_file(spec.name)
        wanted = f"a registered model: run `liftlock train {spec.name}` and commit model.yaml"
        raise InvalidInput([problem_at((root / file).read_bytes(), str(file), "model.source", wanted)])
    return registration


def bundle_files(
    spec: Spec, features: FeatureSchema | None, handler: bytes | None, model: dict[str, bytes], requests: bytes
) -> dict[str, bytes]:
    """What our model server is given: `serving.json`, the model below `model/`, the handler, a request to warm up."""
    files = {f"model/{path}": data for path, data in model.items() if path != "evaluation.json"}
    if handler is not None:
        files["handler.py"] = handler
    if spec.protocol in ("v2", "grpc-v2"):
        files["warmup.json"] = _first_line(requests, spec)
    files["serving.json"] = orjson.dumps(_serving(spec, features), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    return files


def _first_line(requests: bytes, spec: Spec) -> bytes:
    line = next((line for line in requests.splitlines() if line.strip()), None)
    if line is None:
        raise LiftlockError(f"{spec.load.requests}: at least one request")
    return line


def _serving(spec: Spec, features: FeatureSchema | None) -> dict[str, Any]:
    """`serving.json`, as serving/config.py reads it."""
    batching = spec.batching
    own_file = spec.model.format != "ensemble"
    return {
        "version": 1,
        "service": spec.name,
        "format": spec.model.format,
        "model_file": f"model/{spec.model.file_name}" if own_file else None,
        "handler": "handler.py" if spec.handler else None,
        "protocol": spec.protocol,
        "features": features.rows() if features else None,
        "batching": {"max_rows": batching.size, "max_delay_ms": batching.delay.milliseconds} if batching else None,
        "concurrency": {"limit": spec.concurrency, "queue": spec.concurrency},
        "max_body_bytes": MAX_BODY_BYTES,
        "request_seconds": spec.timeout.seconds,
        "services": list(spec.model.services),
    }
