"""An object that is not what its kind says is refused before it is written, with its path."""

from __future__ import annotations

import copy

import pytest

from liftlock.errors import LiftlockError
from liftlock.render.kinds import known_kinds, prove_valid

from .builders import release, rendered, scene

CHURN = release()
OBJECTS = rendered(scene(CHURN, release(timeout="20s"), weights=(95, 5)))["prod-eks"]
ABSENT = object()


def changed(kind, path, value):
    """The objects with one value of the first object of a kind replaced."""
    objects = copy.deepcopy(OBJECTS)
    place = next(one for one in objects if one["kind"] == kind)
    *owners, last = path
    for step in owners:
        place = place[step]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return objects


def test_every_kind_that_is_rendered_has_a_strict_schema():
    assert {one["kind"] for one in OBJECTS} < set(known_kinds())


PREDICTOR = ("spec", "predictor")
FAULTS = [
    ("InferenceService", (*PREDICTOR, "maxReplica"), 3, "spec.predictor: .*maxReplica"),
    ("InferenceService", (*PREDICTOR, "minReplicas"), "2", "spec.predictor.minReplicas: "),
    ("InferenceService", (*PREDICTOR, "minReplicas"), 11, "spec.predictor.maxReplicas: at least minReplicas"),
    ("InferenceService", (*PREDICTOR, "model", "storageURI"), "s3://a", "spec.predictor.model: .*storageURI"),
    ("InferenceService", (*PREDICTOR, "model", "storageUri"), ABSENT, "model.storageUri: is required"),
    ("InferenceService", (*PREDICTOR, "model", "modelFormat"), ABSENT, "model.modelFormat: is required"),
    ("InferenceService", (*PREDICTOR, "model", "runtime"), "liftlock-srv", "model.runtime: one of kserve-hugging"),
    ("InferenceService", (*PREDICTOR, "model", "resources", "requests", "cpu"), "2", "requests.cpu: at most its limit"),
    ("InferenceService", (*PREDICTOR, "model", "resources", "limits"), {}, "limits.cpu: is required"),
    (
        "InferenceService",
        (*PREDICTOR, "model", "resources", "requests", "nvidia.com/gpu"),
        "0.5",
        "requests.nvidia.com/gpu: whole GPUs",
    ),
    ("InferenceService", (*PREDICTOR, "canaryTraffic"), 5, "canaryTraffic"),
    ("InferenceService", ("spec", "predictor"), {"minReplicas": 1, "maxReplicas": 1}, "a model or containers"),
    ("InferenceService", ("metadata", "name"), "c" * 64, "metadata.name: "),
    ("InferenceService", ("metadata", "name"), "c" * 60, "KServe names a Service so"),
    ("HTTPRoute", ("spec", "rules", 2, "backendRefs", 0, "weight"), 90, "weights that sum to 100, not 95"),
    ("HTTPRoute", ("spec", "rules", 2, "backendRefs", 0, "name"), "nobody", "nobody is made by nothing here"),
    ("HTTPRoute", ("spec", "rules", 0, "timeouts", "request"), "1d", "spec.rules.0..timeouts.request: "),
    ("HTTPRoute", ("metadata", "name"), CHURN.revision, "KServe would take it over"),
    ("NetworkPolicy", ("spec", "ingress", 0, "form"), [], "spec.ingress.0.: .*form"),
    ("PodDisruptionBudget", ("spec", "minAvailabel"), 1, "minAvailabel"),
    ("PodMonitor", ("spec", "podMetricsEndpoints", 0, "prot"), "http", "prot"),
    ("ServiceAccount", ("metadata", "labels", "liftlock.io/team"), "not a label!", "metadata.labels"),
    ("ServiceAccount", ("kind",), "Secret", "kind: one of"),
    ("ServiceAccount", ("metadata",), {}, "metadata"),
]


@pytest.mark.parametrize(("kind", "path", "value", "said"), FAULTS, ids=[f"{f[0]}-{f[3]}" for f in FAULTS])
def test_a_slip_in_an_object_is_refused_with_file_object_and_path(kind, path, value, said):
    with pytest.raises(LiftlockError, match=said) as refused:
        prove_valid(changed(kind, path, value), "environments/prod/manifests/prod-eks/churn.yaml")
    assert str(refused.value).startswith("environments/prod/manifests/prod-eks/churn.yaml: ")


def test_an_object_twice_is_refused():
    with pytest.raises(LiftlockError, match="ServiceAccount churn: each object once"):
        prove_valid([*OBJECTS, OBJECTS[0]], "x")


def test_what_is_rendered_is_valid():
    prove_valid(OBJECTS, "x")
