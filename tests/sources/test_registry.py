"""Models as images: a registry on loopback, filled by our own OCI layouts and by images others might push."""

from __future__ import annotations

import base64
import gzip
import io
import json
import tarfile

import pytest

from liftlock.canonical import canonical_json, digest_bytes
from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import fetch_source, registry
from liftlock.spec.sources import Source
from liftlock.store import DirectoryStore, put_tree
from liftlock.store.oci import INDEX, LAYER, MANIFEST, write_layout

from .conftest import Reply

FILES = {"model.onnx": b"\x08\x08" + b"weights" * 100, "model.onnx.data": b"more", "sub/labels.txt": b"a\nb\n"}


def push_layout(place, directory, tag="v1"):
    """What a registry holds after our layout was pushed to it."""
    index = json.loads((directory / "index.json").read_text())
    manifest = index["manifests"][0]["digest"]
    for blob in (directory / "blobs" / "sha256").iterdir():
        place.replies[f"/v2/team/model/blobs/sha256:{blob.name}"] = Reply(blob.read_bytes())
    content = (directory / "blobs" / "sha256" / manifest.removeprefix("sha256:")).read_bytes()
    for reference in (tag, manifest):
        place.replies[f"/v2/team/model/manifests/{reference}"] = Reply(content, headers={"Content-Type": MANIFEST})
    return manifest


def push(place, *layers, media_type=LAYER, tag="v1"):
    """An image of these layers, each the bytes of one blob."""
    described = []
    for layer in layers:
        described.append({"mediaType": media_type, "digest": digest_bytes(layer), "size": len(layer)})
        place.replies[f"/v2/team/model/blobs/{digest_bytes(layer)}"] = Reply(layer)
    return push_manifest(place, {"schemaVersion": 2, "mediaType": MANIFEST, "layers": described}, tag)


def push_manifest(place, manifest, tag="v1"):
    content = canonical_json(manifest)
    for reference in (tag, digest_bytes(content)):
        place.replies[f"/v2/team/model/manifests/{reference}"] = Reply(content)
    return digest_bytes(content)


def tar(*members):
    """A layer of (name, content) members; a content that is a TarInfo type makes a special member."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, bytes) and len(content) == 1 and content in (tarfile.SYMTYPE, tarfile.DIRTYPE):
                entry.type, entry.linkname = content, "/etc/passwd"
                archive.addfile(entry)
            else:
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def fetch(place, reference=":v1", file="model.onnx"):
    return fetch_source(Source.parse(f"oci://{place.host}/team/model{reference}"), file)


@pytest.fixture
def layout(tmp_path):
    store = DirectoryStore(tmp_path / "store")
    digest, _ = put_tree(store, FILES)
    write_layout(store, digest, tmp_path / "layout", tag="v1")
    return tmp_path / "layout"


def test_what_we_write_as_an_image_comes_back_by_digest(place, layout):
    digest = push_layout(place, layout)
    resolved = f"oci://{place.host}/team/model@{digest}"
    assert fetch(place) == (resolved, FILES)
    assert fetch(place, f"@{digest}") == (resolved, FILES)
    assert fetch(place, f":v1@{digest}") == (resolved, FILES)


def test_without_a_tag_it_is_latest(place, layout):
    push_layout(place, layout, tag="latest")
    assert fetch(place, "")[1] == FILES


def test_a_packed_layer_is_unpacked(place):
    push(place, gzip.compress(tar(("models/model.onnx", b"packed"))), media_type=f"{LAYER}+gzip")
    assert fetch(place)[1] == {"model.onnx": b"packed"}


def test_later_layers_replace_and_remove_what_is_below(place):
    push(
        place,
        tar(("etc/passwd", b"root"), ("models/model.onnx", b"old"), ("models/old.bin", b"x"), ("models/d/a", b"a")),
        tar(("./models/model.onnx", b"new"), ("models/.wh.old.bin", b""), ("models/d/.wh..wh..opq", b"")),
        tar(("models", tarfile.DIRTYPE), ("models/d/b", b"b")),
    )
    assert fetch(place)[1] == {"model.onnx": b"new", "d/b": b"b"}


def image_for(place, content, **platform):
    digest = push(place, tar(("models/model.onnx", content)), tag="part")
    return {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": platform}


def test_an_image_of_several_platforms_gives_our_servers_own(place):
    arm = image_for(place, b"arm", os="linux", architecture="arm64")
    ours = image_for(place, b"ours", os="linux", architecture="amd64")
    note = image_for(place, b"note", os="unknown", architecture="unknown")  # how BuildKit keeps attestations
    digest = push_manifest(place, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [arm, ours, note]})
    assert fetch(place) == (f"oci://{place.host}/team/model@{digest}", {"model.onnx": b"ours"})


def test_one_image_of_an_index_needs_no_platform(place):
    only = image_for(place, b"only", os="linux", architecture="arm64")
    push_manifest(place, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [only]})
    assert fetch(place)[1] == {"model.onnx": b"only"}


def test_several_platforms_without_ours_are_refused(place):
    parts = [image_for(place, b"x", os="linux", architecture=name) for name in ("arm64", "s390x")]
    push_manifest(place, {"schemaVersion": 2, "mediaType": INDEX, "manifests": parts})
    with pytest.raises(LiftlockError, match="linux/amd64 is wanted"):
        fetch(place)


def test_a_manifest_that_is_not_its_digest_is_refused(place, layout):
    digest = push_layout(place, layout)
    place.replies[f"/v2/team/model/manifests/{digest}"] = Reply(b'{"schemaVersion": 2, "layers": []}')
    with pytest.raises(LiftlockError, match=f"for {digest}"):
        fetch(place, f"@{digest}")


def test_a_layer_that_is_not_its_digest_is_refused(place):
    layer = tar(("models/model.onnx", b"model"))
    push(place, layer)
    place.replies[f"/v2/team/model/blobs/{digest_bytes(layer)}"] = Reply(layer.replace(b"model\0", b"m0del\0"))
    with pytest.raises(LiftlockError, match="came with other bytes"):
        fetch(place)


ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
BOMB = gzip.compress(tar(("models/model.onnx", bytes(3 << 20))), mtime=0)
BAD_LAYERS = [
    (tar(("models/../../model.onnx", b"x")), LAYER, "a path out of the image"),
    (tar(("models/model.onnx", tarfile.SYMTYPE)), LAYER, "only regular files"),
    (tar(("models/model.onnx", bytes(2 << 20))), LAYER, "more than 1,048,576 bytes"),
    (BOMB, f"{LAYER}+gzip", "more than 1,048,576 bytes"),
    (BOMB[:50], f"{LAYER}+gzip", "ends early"),
    (b"\x1f\x8b\x08" + b"?" * 30, f"{LAYER}+gzip", "gzip is damaged"),
    (b"no tar at all" * 100, LAYER, "is no whole tar"),
    (b"(\xb5/\xfd", ZSTD, f"not {ZSTD}"),
    (b"{}", "application/json", "not application/json"),
]


@pytest.mark.parametrize(("layer", "media_type", "wanted"), BAD_LAYERS, ids=[wanted for _, _, wanted in BAD_LAYERS])
def test_a_layer_that_cannot_be_taken_says_which_and_why(place, monkeypatch, layer, media_type, wanted):
    monkeypatch.setattr(registry, "MOST_BYTES", 1 << 20)
    push(place, layer, media_type=media_type)
    with pytest.raises(LiftlockError, match=r"more than|layer sha256:") as refused:
        fetch(place)
    assert wanted in str(refused.value)


def test_an_image_without_the_model_says_what_it_has(place):
    push(place, tar(("models/other.onnx", b"x"), ("model.onnx", b"not below models")))
    with pytest.raises(LiftlockError, match=r"has no models/model\.onnx .* it has other\.onnx"):
        fetch(place)


def test_an_unknown_tag_is_unreachable_with_the_address(place):
    with pytest.raises(Unreachable, match=f"{place.address}/v2/team/model/manifests/v9: answered 404"):
        fetch(place, ":v9")


def log_in(tmp_path, host, user="ann", password="s3cret"):
    directory = tmp_path / "docker"
    directory.mkdir()
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    (directory / "config.json").write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return f"Basic {auth}"


def guard(place, issuer, token="t0ken"):
    """The registry wants a token, which the issuer gives."""
    place.wanted = f"Bearer {token}"
    place.challenge = f'Bearer realm="{issuer.address}/token",service="registry",scope="repository:team/model:pull"'
    path = "/token?service=registry&scope=repository%3Ateam%2Fmodel%3Apull"
    issuer.replies[path] = Reply(json.dumps({"token": token}).encode())
    return path


def test_a_public_image_is_pulled_with_the_token_anybody_gets(place, elsewhere, layout):
    push_layout(place, layout)
    path = guard(place, elsewhere)
    assert fetch(place)[1] == FILES
    assert elsewhere.asked == [(path, None)]


def test_a_private_image_is_pulled_as_whom_docker_login_knows(place, elsewhere, layout, tmp_path):
    push_layout(place, layout)
    path = guard(place, elsewhere)
    elsewhere.wanted = log_in(tmp_path, place.host)
    assert fetch(place)[1] == FILES
    assert elsewhere.asked == [(path, elsewhere.wanted)]


def test_a_registry_that_wants_a_password_gets_it(place, layout, tmp_path):
    push_layout(place, layout)
    place.challenge, place.wanted = 'Basic realm="registry"', log_in(tmp_path, place.host)
    assert fetch(place)[1] == FILES


def test_a_password_the_registry_refuses_is_never_shown(place, tmp_path):
    log_in(tmp_path, place.host)
    place.challenge, place.wanted = 'Basic realm="registry"', "Basic other"
    with pytest.raises(Unreachable, match=f"answered 401; `docker login {place.host}`") as refused:
        fetch(place)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("challenge", ["", "Negotiate", "Bearer", 'Bearer service="x"'])
def test_a_challenge_nobody_can_meet_is_401_with_what_to_do(place, challenge):
    place.challenge, place.wanted = challenge, "Bearer x"
    with pytest.raises(Unreachable, match="answered 401; `docker login"):
        fetch(place)


def test_no_secret_goes_to_an_issuer_in_the_clear(place, tmp_path):
    log_in(tmp_path, place.host)
    place.wanted, place.challenge = "Bearer x", 'Bearer realm="http://tokens.example/token"'
    with pytest.raises(Unreachable, match=r"http://tokens\.example, which is not https"):
        fetch(place)
