"""Whether an object is what its kind's strict schema says, and what no schema says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

from liftlock.errors import LiftlockError
from liftlock.render.servers import RUNTIMES
from liftlock.spec.places import spell
from liftlock.spec.quantities import Cpu, Memory

Manifest = Mapping[str, Any]

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def prove_valid(objects: Iterable[Manifest], where: str) -> None:
    """Raises LiftlockError with a line per fault: which file, which object, which path in it, and what is wanted."""
    objects = tuple(objects)
    faults = [f"{_title(one)}: {fault}" for one in objects for fault in tuple(_schema_faults(one)) or _rules(one)]
    # The rules read what the schemas promise is there.
    faults = faults or list(_rules_between(objects))
    if faults:
        raise LiftlockError("\n".join(f"{where}: {fault}" for fault in faults))


def _title(manifest: Manifest) -> str:
    return f"{manifest.get('kind', 'object')} {manifest.get('metadata', {}).get('name', 'without a name')}"


def _schema_faults(manifest: Manifest) -> Iterator[str]:
    kind = str(manifest.get("kind"))
    if kind not in known_kinds():
        yield f"kind: one of {', '.join(known_kinds())}"
        return
    validator = _validator(kind)
    if not validator.is_valid(manifest):
        for error in validator.iter_errors(manifest):
            yield f"{spell(tuple(error.instance_path))}: {error.message}"


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(files("liftlock.render.schemas").joinpath("kinds.json").read_bytes())
    return document


def known_kinds() -> tuple[str, ...]:
    """The kinds there is a strict schema for."""
    return tuple(_document()["kinds"])


@cache
def _validator(kind: str) -> jsonschema_rs.Validator:
    document = _document()
    return jsonschema_rs.validator_for(
        {"$schema": _DRAFT, "$defs": document["$defs"], "kinds": document["kinds"], "$ref": f"#/kinds/{kind}"}
    )


def _rules(manifest: Manifest) -> Iterator[str]:
    """What an API server accepts, and what fails only later (CLUSTER.md, "How KServe behaves")."""
    kind = manifest.get("kind")
    if kind == "InferenceService":
        for name, component in manifest.get("spec", {}).items():
            yield from _component_faults(f"spec.{name}", component)
    if kind == "HTTPRoute":
        for index, rule in enumerate(manifest.get("spec", {}).get("rules", ())):
            yield from _weight_faults(f"spec.rules[{index}].backendRefs", rule.get("backendRefs", ()))


def _component_faults(path: str, component: Manifest) -> Iterator[str]:
    if component.get("minReplicas", 0) > component.get("maxReplicas", 0):
        yield f"{path}.maxReplicas: at least minReplicas, which is {component['minReplicas']}"
    if (model := component.get("model")) is not None:
        yield from _model_faults(f"{path}.model", model)
        yield from _resource_faults(f"{path}.model.resources", model.get("resources", {}))
    elif not component.get("containers"):
        yield f"{path}: a model or containers"
    for index, container in enumerate(component.get("containers", ())):
        yield from _resource_faults(f"{path}.containers[{index}].resources", container.get("resources", {}))


def _model_faults(path: str, model: Manifest) -> Iterator[str]:
    if "modelFormat" not in model:
        yield f"{path}.modelFormat: is required"
    if model.get("runtime") not in RUNTIMES:
        yield f"{path}.runtime: one of {', '.join(sorted(RUNTIMES))}, not {model.get('runtime')!r}"
    if not model.get("storageUri"):
        yield f"{path}.storageUri: is required"


def _resource_faults(path: str, resources: Manifest) -> Iterator[str]:
    limits = resources.get("limits", {})
    for name, asked in resources.get("requests", {}).items():
        if name not in limits:
            yield f"{path}.limits.{name}: is required; KServe's own default may be below the request"
        elif _amount(name, asked) > _amount(name, limits[name]):
            yield f"{path}.requests.{name}: at most its limit of {limits[name]}"
        if name.startswith("nvidia.com/") and not str(asked).isdecimal():
            yield f"{path}.requests.{name}: whole GPUs, not {asked}"


def _amount(name: str, text: str) -> float:
    match name:
        case "cpu":
            return Cpu.parse(text).millicores
        case "memory":
            return Memory.parse(text).bytes
        case _:
            return float(text)


def _weight_faults(path: str, backends: Iterable[Manifest]) -> Iterator[str]:
    weights = [backend.get("weight", 1) for backend in backends]
    if len(weights) > 1 and sum(weights) != 100:
        yield f"{path}: weights that sum to 100, not {sum(weights)}"


def _rules_between(objects: tuple[Manifest, ...]) -> Iterator[str]:
    """Names that would collide, and backends that nothing here makes."""
    named = [(str(one.get("kind")), str(one.get("metadata", {}).get("name"))) for one in objects]
    for kind, name in sorted({pair for pair in named if named.count(pair) > 1}):
        yield f"{kind} {name}: each object once"
    services = {name for kind, name in named if kind == "InferenceService"}
    entries = {f"{name}-{part}" for name in services for part in ("predictor", "transformer")}
    for entry in sorted(entry for entry in entries if len(entry) > 63):
        if entry.endswith("predictor") or _has_transformer(objects, entry.removesuffix("-transformer")):
            yield f"{entry}: KServe names a Service so, and a name has 63 characters at most; a shorter service name"
    for one in objects:
        if one.get("kind") == "HTTPRoute":
            yield from _route_faults(one, services, entries)


def _has_transformer(objects: tuple[Manifest, ...], name: str) -> bool:
    return any("transformer" in one["spec"] for one in objects if _title(one) == f"InferenceService {name}")


def _route_faults(route: Manifest, services: set[str], entries: set[str]) -> Iterator[str]:
    name = route["metadata"]["name"]
    if name in services:
        yield f"HTTPRoute {name}: another name than an InferenceService's: KServe would take it over"
    for index, rule in enumerate(route["spec"].get("rules", ())):
        for backend in rule.get("backendRefs", ()):
            if backend.get("name") not in entries:
                at = f"spec.rules[{index}].backendRefs"
                yield f"HTTPRoute {name}: {at}: {backend.get('name')} is made by nothing here"
