"""From a source in service.yaml to a release whose bundle holds the model."""

from __future__ import annotations

import json

import pytest

from liftlock.cut import cut
from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import fetch_source
from liftlock.spec.sources import Source
from liftlock.store import DirectoryStore, read_tree

from .conftest import Reply

SERVICE = """\
name: taken
owner: growth
tier: 3
description: A model from a registry.
model: {format: lightgbm, source: "mlflow:taken@champion"}
protocol: v2
resources: {cpu: 100m, memory: 128Mi}
slo: {availability: 99}
load: {rate: 100/s, requests: requests.jsonl}
features: features.yaml
alerts: {team: growth}
"""


@pytest.fixture
def checkout(tmp_path):
    directory = tmp_path / "model_services" / "taken"
    directory.mkdir(parents=True)
    (directory / "service.yaml").write_text(SERVICE)
    (directory / "features.yaml").write_text("features: [{name: a, type: float}]\n")
    request = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0]}]}
    (directory / "requests.jsonl").write_text(json.dumps(request) + "\n")
    return tmp_path


def register(place, version, model):
    api = "/api/2.0/mlflow"
    found = {"model_version": {"version": version, "status": "READY"}}
    place.replies[f"{api}/registered-models/alias?name=taken&alias=champion"] = Reply(json.dumps(found).encode())
    uri = {"artifact_uri": f"mlflow-artifacts:/{version}"}
    query = f"name=taken&version={version}"
    place.replies[f"{api}/model-versions/get-download-uri?{query}"] = Reply(json.dumps(uri).encode())
    place.replies[f"/api/2.0/mlflow-artifacts/artifacts/{version}/model.txt"] = Reply(model)


def test_a_release_holds_the_bytes_the_alias_stood_for_at_cut(place, checkout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.address)
    store = DirectoryStore(checkout / "store")
    register(place, "7", b"the seventh")
    release = cut(checkout, "taken", store)
    assert release.model.source == "mlflow:taken@7"
    assert release.model.immutable
    assert read_tree(store, release.bundle)["model/model.txt"] == b"the seventh"
    register(place, "8", b"the eighth")
    assert cut(checkout, "taken", store).digest != release.digest
    assert read_tree(store, release.bundle)["model/model.txt"] == b"the seventh"


def test_a_cut_without_its_registry_leaves_nothing(checkout):
    with pytest.raises(Unreachable, match="MLFLOW_TRACKING_URI"):
        cut(checkout, "taken", DirectoryStore(checkout / "store"))
    assert not (checkout / "store").exists()


@pytest.mark.parametrize(
    ("text", "file", "wanted"), [("train", "model.ubj", "liftlock train"), ("s3://b00/k", None, "model.file")]
)
def test_what_cannot_be_fetched_says_why(text, file, wanted):
    with pytest.raises(LiftlockError, match=wanted):
        fetch_source(Source.parse(text), file)
