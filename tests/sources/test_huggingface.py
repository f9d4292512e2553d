"""Models on a hub that speaks as Hugging Face's does."""

from __future__ import annotations

import hashlib
import json

import pytest

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import fetch_source
from liftlock.spec.sources import Source

from .conftest import Reply

COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = b"an onnx model" * 1000
LFS = {"lfs": {"sha256": hashlib.sha256(MODEL).hexdigest(), "size": len(MODEL), "pointerSize": 134}}
SMALL = {"blobId": hashlib.sha1(b"blob %d\0" % len(MODEL) + MODEL).hexdigest()}


@pytest.fixture
def hub(place, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", place.address)
    return place


def keep(hub, reference=COMMIT, sha=COMMIT, model=MODEL, file="onnx/model.onnx", **digest):
    siblings = [{"rfilename": "README.md", "blobId": "0" * 40}, {"rfilename": file, **(digest or LFS)}]
    revision = json.dumps({"sha": sha, "siblings": siblings, "private": False}).encode()
    hub.replies[f"/api/models/team/model/revision/{reference}?blobs=true"] = Reply(revision)
    hub.replies[f"/team/model/resolve/{sha}/{file}"] = Reply(model)


def fetch(reference=COMMIT, file="onnx/model.onnx"):
    return fetch_source(Source.parse(f"hf://team/model@{reference}"), file)


@pytest.mark.parametrize("digest", [LFS, SMALL])
def test_a_commits_file_is_fetched_and_verified(hub, digest):
    keep(hub, **digest)
    assert fetch() == (f"hf://team/model@{COMMIT}", {"onnx/model.onnx": MODEL})


def test_a_branch_becomes_the_commit_it_stands_for(hub):
    keep(hub, reference="main")
    assert fetch("main")[0] == f"hf://team/model@{COMMIT}"


def test_a_large_file_comes_from_where_the_hub_redirects_and_the_token_does_not_go_there(hub, elsewhere, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    keep(hub)
    hub.wanted = "Bearer hf_s3cret"
    hub.replies[f"/team/model/resolve/{COMMIT}/onnx/model.onnx"] = Reply(
        status=302, headers={"Location": f"{elsewhere.address}/cdn?signature=1"}
    )
    elsewhere.replies["/cdn?signature=1"] = Reply(MODEL)
    assert fetch()[1] == {"onnx/model.onnx": MODEL}
    assert elsewhere.asked == [("/cdn?signature=1", None)]


@pytest.mark.parametrize("digest", [LFS, SMALL])
def test_other_bytes_than_the_hub_lists_are_refused(hub, digest):
    keep(hub, model=MODEL[:-1] + b"?", **digest)
    with pytest.raises(LiftlockError, match="the hub lists"):
        fetch()


def test_a_file_that_cannot_be_verified_is_refused(hub):
    keep(hub, size=len(MODEL))
    with pytest.raises(LiftlockError, match="no digest"):
        fetch()


def test_another_commit_than_asked_for_is_refused(hub):
    keep(hub, sha="f" * 40)
    with pytest.raises(LiftlockError, match=f"answers with commit {'f' * 40} instead"):
        fetch()


def test_a_file_that_is_not_there_is_told_from_those_that_are(hub):
    keep(hub)
    with pytest.raises(LiftlockError, match=r"has no model\.onnx .* it has README.md, onnx/model.onnx"):
        fetch(file="model.onnx")


def test_a_private_model_without_a_token_says_what_to_set_and_not_what_was_set(hub, monkeypatch):
    keep(hub)
    hub.wanted = "Bearer another"
    monkeypatch.setenv("HF_TOKEN", "hf_s3cret")
    with pytest.raises(Unreachable, match=f"{hub.address}.*answered 401; set HF_TOKEN") as refused:
        fetch()
    assert "hf_s3cret" not in str(refused.value)
