"""The content-addressed store, on a directory and on a real S3 server."""

from __future__ import annotations

import json
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from liftlock.canonical import digest_bytes
from liftlock.errors import LiftlockError, Unreachable
from liftlock.store import (
    CorruptBlob,
    DirectoryStore,
    MissingBlob,
    fetch_tree,
    list_tree,
    open_store,
    put_tree,
    read_tree,
)
from liftlock.store.oci import write_layout
from liftlock.store.tree import read_directory, tree_digest

FILES = {"serving.json": b"{}", "model/model.ubj": bytes(range(256)) * 40}


@pytest.fixture(scope="module")
def s3_address():
    """A bucket on a real S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in credentials.items():
            patch.setenv(name, value)
        import boto3

        boto3.client("s3", endpoint_url=endpoint).create_bucket(
            Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
        yield f"s3://models/team-a?endpoint={endpoint}"
    server.stop()


@pytest.fixture(params=["directory", "s3"])
def store(request, tmp_path, monkeypatch):
    if request.param == "s3":
        monkeypatch.setenv("LIFTLOCK_STORE", request.getfixturevalue("s3_address"))
    return open_store(tmp_path)


def test_what_was_put_comes_back_by_its_digest(store):
    digest = store.put(b"a model")
    assert digest == digest_bytes(b"a model")
    assert store.get(digest) == b"a model"
    assert store.has(digest)


def test_putting_twice_is_one_blob(store):
    assert store.put(b"again") == store.put(b"again")


def test_an_absent_digest_is_said_to_be_missing_and_where(store):
    absent = digest_bytes(os.urandom(8))
    assert not store.has(absent)
    with pytest.raises(MissingBlob, match=absent):
        store.get(absent)


def test_a_tree_has_the_same_digest_in_every_store(store):
    digest, rows = put_tree(store, FILES)
    assert digest == tree_digest(dict(reversed(FILES.items())))
    assert list_tree(store, digest) == rows
    assert read_tree(store, digest) == FILES


def test_a_tree_is_laid_out_as_it_was(store, tmp_path):
    digest, _ = put_tree(store, FILES)
    assert read_directory(fetch_tree(store, digest, tmp_path / "bundle")) == FILES


def test_laying_a_tree_out_at_once_from_many_threads_leaves_one_whole_tree(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    digest, _ = put_tree(store, FILES)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: fetch_tree(store, digest, tmp_path / "bundle"), range(16)))
    assert read_directory(tmp_path / "bundle") == FILES
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".new-")] == []


def test_a_blob_changed_on_disk_is_refused(tmp_path):
    store = DirectoryStore(tmp_path)
    digest = store.put(b"a model")
    path = next(path for path in tmp_path.rglob("*") if path.is_file())
    path.chmod(0o644)
    path.write_bytes(b"b model")
    with pytest.raises(CorruptBlob, match=digest):
        store.get(digest)


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("no space left on device")))
    with pytest.raises(OSError, match="no space"):
        DirectoryStore(tmp_path).put(b"a model")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_link_in_a_directory_is_not_stored(tmp_path):
    (tmp_path / "model").symlink_to("/etc/passwd")
    with pytest.raises(LiftlockError, match="regular files"):
        read_directory(tmp_path)


@pytest.mark.parametrize("path", ["../escape", "/etc/passwd", "a/../../b"])
def test_a_tree_cannot_write_outside_its_directory(tmp_path, path):
    store = DirectoryStore(tmp_path / "store")
    digest, _ = put_tree(store, {path: b"x"})
    with pytest.raises(LiftlockError, match="outside"):
        fetch_tree(store, digest, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_a_store_that_does_not_answer_is_unreachable(monkeypatch, tmp_path):
    monkeypatch.setattr("liftlock.store.s3.ATTEMPTS", 1)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("LIFTLOCK_STORE", "s3://models?endpoint=http://127.0.0.1:9&region=eu-west-1")
    with pytest.raises(Unreachable, match="s3://models"):
        open_store(tmp_path).put(b"x")


def test_an_unknown_kind_of_store_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("LIFTLOCK_STORE", "ftp://models")
    with pytest.raises(LiftlockError, match="ftp"):
        open_store(tmp_path)


def test_an_oci_layout_is_the_same_bytes_every_time_and_holds_the_models(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    digest, _ = put_tree(store, FILES)
    first = write_layout(store, digest, tmp_path / "one", tag="churn")
    assert first == write_layout(store, digest, tmp_path / "two", tag="churn")
    assert read_directory(tmp_path / "one") == read_directory(tmp_path / "two")
    blobs = tmp_path / "one" / "blobs" / "sha256"
    for path in blobs.iterdir():
        assert digest_bytes(path.read_bytes()) == f"sha256:{path.name}"
    manifest = json.loads((blobs / first.removeprefix("sha256:")).read_bytes())
    with tarfile.open(blobs / manifest["layers"][0]["digest"].removeprefix("sha256:")) as layer:
        assert {entry.name: layer.extractfile(entry).read() for entry in layer} == {
            f"models/{path}": data for path, data in FILES.items()
        }
