"""Models in an MLflow registry, by its REST API (https://mlflow.org/docs/latest/api_reference/rest-api.html)."""

from __future__ import annotations

import os
from urllib.parse import quote, urlencode, urlsplit

from pydantic import BaseModel

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import s3
from liftlock.sources.download import MOST_BYTES, Server, basic, bearer
from liftlock.spec.sources import Source, is_immutable

ADVICE = (
    "set MLFLOW_TRACKING_URI to the tracking server, and MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
    "MLFLOW_TRACKING_PASSWORD, where it asks for them"
)
_API = "/api/2.0/mlflow"


class _Version(BaseModel):
    version: str
    status: str = "READY"


class _Found(BaseModel):
    model_version: _Version


class _Download(BaseModel):
    artifact_uri: str


def fetch(source: Source, file: str) -> tuple[str, dict[str, bytes]]:
    """`file` of the version that the reference stands for now. Raises Unreachable, LiftlockError."""
    server = _server(source)
    version = _version(server, source)
    query = urlencode({"name": source.location, "version": version})
    root = server.parsed(f"{_API}/model-versions/get-download-uri?{query}", _Download).artifact_uri
    return f"mlflow:{source.location}@{version}", {file: _artifact(server, root, file, source)}


def _server(source: Source) -> Server:
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        raise Unreachable(f"{source}: no MLflow server is known; {ADVICE}")
    token, user = os.environ.get("MLFLOW_TRACKING_TOKEN"), os.environ.get("MLFLOW_TRACKING_USERNAME")
    if user:
        return Server.at(address, ADVICE, basic(user, os.environ.get("MLFLOW_TRACKING_PASSWORD", "")))
    return Server.at(address, ADVICE, bearer(token) if token else None)


def _version(server: Server, source: Source) -> str:
    """The version's number. Raises LiftlockError for one whose files are not all there yet."""
    if is_immutable(source):
        query = urlencode({"name": source.location, "version": source.reference})
        found = server.parsed(f"{_API}/model-versions/get?{query}", _Found).model_version
    else:
        query = urlencode({"name": source.location, "alias": source.reference})
        found = server.parsed(f"{_API}/registered-models/alias?{query}", _Found).model_version
    if found.status != "READY":
        raise LiftlockError(f"{source}: version {found.version} is {found.status}, not READY")
    return found.version


def _artifact(server: Server, root: str, file: str, source: Source) -> bytes:
    """A file below a version's artifact root: proxied by the tracking server, or in S3."""
    parts = urlsplit(root)
    path = f"{parts.path.strip('/')}/{file}"
    if parts.scheme == "mlflow-artifacts" and parts.netloc in ("", urlsplit(server.address).netloc):
        return server.get(f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", most=MOST_BYTES)
    if parts.scheme == "s3":
        _, files = s3.fetch(Source(f"s3://{parts.netloc}/{path}", "s3", f"{parts.netloc}/{path}"), file)
        return files[file]
    raise LiftlockError(
        f"{source}: its files are at {parts.scheme}:{parts.path}, which cannot be reached from here; wanted s3://, or "
        "mlflow-artifacts:/ from a server started with --serve-artifacts"
    )
