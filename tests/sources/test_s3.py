"""Models in buckets of a real S3 server, versioned and not."""

from __future__ import annotations

import json

import pytest

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import fetch_source, s3
from liftlock.spec.sources import Source

from .conftest import Reply


@pytest.fixture(scope="module")
def bucket():
    """A client and two buckets: `kept` keeps versions, `plain` does not."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        client = boto3.client("s3")
        for name in ("kept", "plain"):
            client.create_bucket(Bucket=name)
        client.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
        yield client
    server.stop()


def put(bucket, name, body, key="team/model.ubj"):
    return bucket.put_object(Bucket=name, Key=key, Body=body).get("VersionId")


def fetch(text, file="model.ubj"):
    return fetch_source(Source.parse(text), file)


def test_an_object_is_fetched_by_the_version_it_has_now(bucket):
    version = put(bucket, "kept", b"second")
    assert fetch("s3://kept/team/model.ubj") == (
        f"s3://kept/team/model.ubj?versionId={version}",
        {"model.ubj": b"second"},
    )


def test_an_older_version_stays_what_it_was(bucket):
    first = put(bucket, "kept", b"first")
    put(bucket, "kept", b"second")
    text = f"s3://kept/team/model.ubj?versionId={first}"
    assert fetch(text) == (text, {"model.ubj": b"first"})


def test_a_bucket_without_versions_gives_the_object_and_no_version(bucket):
    put(bucket, "plain", b"only", key="v3.bin")
    assert fetch("s3://plain/v3.bin") == ("s3://plain/v3.bin", {"model.ubj": b"only"})


@pytest.mark.parametrize("text", ["s3://kept/absent", "s3://nowhere/model", "s3://kept/team/model.ubj?versionId=none"])
def test_what_is_not_there_is_unreachable_with_what_to_set(bucket, text):
    with pytest.raises(Unreachable, match="AWS_ENDPOINT_URL") as refused:
        fetch(text)
    assert str(refused.value).startswith(text)


def test_more_than_the_most_is_refused_before_it_is_read(bucket, monkeypatch):
    put(bucket, "plain", b"x" * 11, key="large")
    monkeypatch.setattr(s3, "MOST_BYTES", 10)
    with pytest.raises(LiftlockError, match="more than 10 bytes"):
        fetch("s3://plain/large")


def test_mlflow_files_in_a_bucket_come_from_the_bucket(bucket, place, monkeypatch):
    put(bucket, "plain", b"registered", key="3/m-1f/artifacts/model.ubj")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", place.address)
    api = "/api/2.0/mlflow"
    ready = {"model_version": {"version": "2", "status": "READY"}}
    place.replies[f"{api}/model-versions/get?name=churn&version=2"] = Reply(json.dumps(ready).encode())
    root = {"artifact_uri": "s3://plain/3/m-1f/artifacts"}
    place.replies[f"{api}/model-versions/get-download-uri?name=churn&version=2"] = Reply(json.dumps(root).encode())
    assert fetch("mlflow:churn@2") == ("mlflow:churn@2", {"model.ubj": b"registered"})
