"""Servers on loopback that speak as the places models are kept do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from liftlock.sources import download

SECRETS = (
    "HF_TOKEN HF_ENDPOINT MLFLOW_TRACKING_URI MLFLOW_TRACKING_TOKEN MLFLOW_TRACKING_USERNAME MLFLOW_TRACKING_PASSWORD"
)


@dataclass(frozen=True)
class Reply:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Place:
    """A server: replies by path (query included), the requests it got, and what it wants as Authorization."""

    port: int = 0
    replies: dict[str, Reply | list[Reply]] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    wanted: str | None = None
    challenge: str = ""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"http://{self.host}"

    def reply(self, path: str, authorization: str | None) -> Reply:
        self.asked.append((path, authorization))
        if self.wanted is not None and authorization != self.wanted:
            return Reply(b"{}", 401, {"WWW-Authenticate": self.challenge})
        found = self.replies.get(path, Reply(b"{}", 404))
        if isinstance(found, list):  # one after the other, the last for ever
            return found.pop(0) if len(found) > 1 else found[0]
        return found


def serve(place: Place) -> Iterator[Place]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = place.reply(self.path, self.headers.get("Authorization"))
            self.send_response(reply.status)
            for name, value in ({"Content-Length": str(len(reply.body))} | reply.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    place.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield place
    server.shutdown()
    server.server_close()


@pytest.fixture
def place():
    yield from serve(Place())


@pytest.fixture
def elsewhere():
    """Another server, which no secret of the first is for."""
    yield from serve(Place())


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests, and no waiting between attempts."""
    for name in SECRETS.split():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "WAITS_S", (0.0, 0.0))
