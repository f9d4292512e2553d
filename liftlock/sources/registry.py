"""Models as images in an OCI registry: the files below `models/` (OCI distribution-spec 1.1, image-spec 1.1)."""

from __future__ import annotations

import base64
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ValidationError

from liftlock.canonical import digest_bytes
from liftlock.conventions import DIGEST_PREFIX
from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources.download import MOST_BYTES, NotGiven, Server, basic, bearer
from liftlock.sources.layers import apply_layer
from liftlock.spec.sources import Source

MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
# A model's files are the same everywhere; where an image has several platforms, servers run on this one.
PLATFORM = ("linux", "amd64")
_LOOPBACK = re.compile(r"(localhost|127\.[0-9.]+|\[::1\])(:\d+)?")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class _Platform(BaseModel):
    os: str = ""
    architecture: str = ""


class _Descriptor(BaseModel):
    mediaType: str = ""  # noqa: N815 (the specification's name)
    digest: str
    size: int = 0
    platform: _Platform | None = None


class _Manifest(BaseModel):
    """A manifest (layers) or an index (manifests)."""

    layers: list[_Descriptor] = []
    manifests: list[_Descriptor] = []


class _Token(BaseModel):
    token: str | None = None
    access_token: str | None = None


@dataclass(frozen=True)
class _Repository:
    """One repository of a registry."""

    server: Server
    name: str
    source: Source

    def manifest(self, reference: str) -> tuple[str, _Manifest]:
        """A manifest or index and its digest, verified where the reference is one."""
        body = self.server.get(f"/v2/{self.name}/manifests/{reference}", ", ".join((*MANIFESTS, *INDEXES)))
        digest = digest_bytes(body)
        if reference.startswith(DIGEST_PREFIX) and digest != reference:
            raise LiftlockError(f"{self.source}: the registry gave {digest} for {reference}; try again")
        try:
            return digest, _Manifest.model_validate(json.loads(body))
        except (ValueError, ValidationError) as error:
            raise Unreachable(f"{self.source}: {self.server.address} gave no manifest for {reference}") from error

    def blob(self, descriptor: _Descriptor) -> bytes:
        data = self.server.get(f"/v2/{self.name}/blobs/{descriptor.digest}", most=MOST_BYTES)
        if digest_bytes(data) != descriptor.digest:
            raise LiftlockError(f"{self.source}: layer {descriptor.digest} came with other bytes; try again")
        return data


def fetch(source: Source, file: str) -> tuple[str, dict[str, bytes]]:
    """The files below `models/`, `file` among them, by the image's digest. Raises Unreachable, LiftlockError."""
    host, _, name = source.location.partition("/")
    scheme = "http" if _LOOPBACK.fullmatch(host) else "https"
    advice = f"`docker login {host}` keeps what it wants to know in DOCKER_CONFIG"
    repository = _Repository(Server.at(f"{scheme}://{host}", advice), name, source)
    reference = source.reference or "latest"
    try:
        digest, manifest = repository.manifest(reference)
    except NotGiven as refused:
        if refused.status != 401:
            raise
        repository = replace(repository, server=_authorized(repository.server, refused, name))
        digest, manifest = repository.manifest(reference)
    if manifest.manifests:
        _, manifest = repository.manifest(_of_platform(manifest, source).digest)
    return f"oci://{source.location}@{digest}", _files(repository, manifest, file)


def _of_platform(index: _Manifest, source: Source) -> _Descriptor:
    images = [one for one in index.manifests if one.platform is None or one.platform.os != "unknown"]
    fitting = [one for one in images if one.platform and (one.platform.os, one.platform.architecture) == PLATFORM]
    if not fitting and len(images) != 1:
        raise LiftlockError(f"{source}: an image for {'/'.join(PLATFORM)} is wanted; this index has none")
    return (fitting or images)[0]


def _files(repository: _Repository, manifest: _Manifest, file: str) -> dict[str, bytes]:
    source = repository.source
    if sum(layer.size for layer in manifest.layers) > MOST_BYTES:
        raise LiftlockError(f"{source}: more than {MOST_BYTES:,} bytes, the most that is taken")
    files: dict[str, bytes] = {}
    for layer in manifest.layers:
        try:
            files = apply_layer(files, repository.blob(layer), layer.mediaType, MOST_BYTES)
        except ValueError as error:
            raise LiftlockError(f"{source}: layer {layer.digest}: {error}") from error
    if file not in files:
        names = ", ".join(sorted(files)[:20]) or "nothing"
        raise LiftlockError(f"{source}: has no models/{file} (model.file); below models/ it has {names}")
    return files


def _authorized(server: Server, refused: NotGiven, name: str) -> Server:
    """The server with what it asked for: a token from where it says, or the user and password we keep for it."""
    kind, _, rest = (refused.headers.get("WWW-Authenticate") or "").partition(" ")
    host = urlsplit(server.address).netloc
    known = _credentials(host)
    if kind.lower() == "basic" and known:
        return replace(server, authorization=known)
    asked = dict(_CHALLENGE.findall(rest))
    realm = asked.get("realm", "")
    if kind.lower() != "bearer" or not realm:
        raise refused
    _keep_secret(realm, server)
    query = {"service": asked.get("service", host), "scope": asked.get("scope", f"repository:{name}:pull")}
    parts = urlsplit(realm)
    issuer = Server.at(f"{parts.scheme}://{parts.netloc}", server.advice, known)
    token = issuer.parsed(f"{parts.path}?{urlencode(query)}", _Token)
    return replace(server, authorization=bearer(token.token or token.access_token or ""))


def _keep_secret(realm: str, server: Server) -> None:
    """Raises Unreachable for a place that passwords and tokens would reach in the clear."""
    parts = urlsplit(realm)
    if parts.scheme != "https" and not _LOOPBACK.fullmatch(parts.netloc):
        raise Unreachable(f"{server.address}: wants a token from {parts.scheme}://{parts.netloc}, which is not https")


def _credentials(host: str) -> str | None:
    """The Authorization that `docker login` keeps for a registry, where it keeps it in its file."""
    directory = os.environ.get("DOCKER_CONFIG")
    path = (Path(directory) if directory else Path.home() / ".docker") / "config.json"
    try:
        kept = json.loads(path.read_bytes())["auths"][host]["auth"]
        user, _, password = base64.b64decode(kept).decode().partition(":")
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no such file, or a helper keeps it: then we come as anybody
    return basic(user, password)
