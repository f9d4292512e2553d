"""Models in a registry that speaks as MLflow's does."""

from __future__ import annotations

import json

import pytest

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import fetch_source
from liftlock.sources.download import basic
from liftlock.spec.sources import Source

from .conftest import Reply

MODEL = b"tree\nversion=v4\n" * 500
API = "/api/2.0/mlflow"
ROOT = "mlflow-artifacts:/3/models/m-1f/artifacts"
PROXIED = "/api/2.0/mlflow-artifacts/artifacts/3/models/m-1f/artifacts/model.txt"


@pytest.fixture
def tracking(place, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.address)
    keep(place)
    return place


def keep(place, root=ROOT, status="READY", version="7"):
    found = Reply(
        json.dumps({"model_version": {"name": "churn", "version": version, "status": status, "source": root}}).encode()
    )
    place.replies[f"{API}/registered-models/alias?name=churn&alias=champion"] = found
    place.replies[f"{API}/model-versions/get?name=churn&version=7"] = found
    uri = Reply(json.dumps({"artifact_uri": root}).encode())
    place.replies[f"{API}/model-versions/get-download-uri?name=churn&version=7"] = uri
    place.replies[PROXIED] = Reply(MODEL)


def fetch(reference="champion"):
    return fetch_source(Source.parse(f"mlflow:churn@{reference}"), "model.txt")


@pytest.mark.parametrize("reference", ["champion", "7"])
def test_an_alias_becomes_the_version_it_stands_for(tracking, reference):
    assert fetch(reference) == ("mlflow:churn@7", {"model.txt": MODEL})


def test_files_the_tracking_server_names_by_its_own_address_come_from_it(tracking):
    keep(tracking, root=f"mlflow-artifacts://{tracking.host}/3/models/m-1f/artifacts")
    assert fetch()[1] == {"model.txt": MODEL}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "t0ken"}, "Bearer t0ken"),
        ({"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "pw"}, basic("ann", "pw")),
    ],
)
def test_credentials_are_those_mlflow_itself_takes(tracking, monkeypatch, variables, wanted):
    tracking.wanted = wanted
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert fetch()[0] == "mlflow:churn@7"


@pytest.mark.parametrize("status", ["PENDING_REGISTRATION", "FAILED_REGISTRATION"])
def test_a_version_that_is_not_ready_is_refused(tracking, status):
    keep(tracking, status=status)
    with pytest.raises(LiftlockError, match=f"version 7 is {status}"):
        fetch()


@pytest.mark.parametrize(
    "root", ["file:///mlruns/3/m-1f", "gs://bucket/3", "/mlruns/3", "mlflow-artifacts://models.example/3"]
)
def test_files_kept_where_we_cannot_go_are_told_with_what_would_do(tracking, root):
    keep(tracking, root=root)
    with pytest.raises(LiftlockError, match="--serve-artifacts"):
        fetch()


def test_without_a_server_it_says_which_variable_names_one(monkeypatch):
    with pytest.raises(Unreachable, match="set MLFLOW_TRACKING_URI"):
        fetch()


def test_an_unknown_alias_is_said_with_the_address(tracking):
    with pytest.raises(Unreachable, match=f"{tracking.address}.*alias=gone: answered 404; set MLFLOW_TRACKING_URI"):
        fetch("gone")


def test_a_password_in_the_address_is_never_shown(tracking, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:s3cret@{tracking.host}")
    tracking.wanted = basic("ann", "other")
    with pytest.raises(Unreachable, match="answered 401") as refused:
        fetch()
    assert "s3cret" not in str(refused.value)
    assert tracking.asked[0][1] == basic("ann", "s3cret")
