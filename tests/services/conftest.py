"""The sample services as a user has them: trained, cut, and served by real processes.

Each is trained once a session, whichever of pytest-xdist's workers asks first; each worker has servers of its own.
"""

from __future__ import annotations

import fcntl
import http.client
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from liftlock.cut import cut
from liftlock.release import Release
from liftlock.store import DirectoryStore, fetch_tree
from liftlock.training import Registration, read_registration, train

SERVICES = Path(__file__).parents[2] / "model_services"


def module_of(service: str, file: str) -> ModuleType:
    """A service's own Python file, imported as `python train.py` in its directory would import it."""
    directory = SERVICES / service
    spec = importlib.util.spec_from_file_location(f"{service}_{file[:-3]}", directory / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(directory))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(directory))
        sys.modules.pop("handler", None)
    return module


def requests_of(service: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SERVICES / service / "requests.jsonl").read_text().splitlines()]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    json: Any

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        return {output["name"]: output for output in self.json["outputs"]}


def post(port: int, path: str, body: Any) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, headers, json.loads(response.read()))
    finally:
        connection.close()


@dataclass
class Served:
    """A model server of one service, on loopback."""

    service: str
    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0

    def infer(self, body: Any) -> Answer:
        return post(self.port, f"/v2/models/{self.service}/infer", body)

    def await_event(self, name: str, seconds: float = 30) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            events = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
            if found := [event for event in events if event["event"] == name]:
                return found[0]
            time.sleep(0.02)
        pytest.fail(f"{self.service}: no {name}: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(10)


@dataclass
class Gateway:
    """What an ensemble calls: passes each service's requests on to the port it has here; 503 where it has none."""

    ports: dict[str, int] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def start(self) -> ThreadingHTTPServer:
        gateway = self

        class Pass(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                service = self.path.split("/")[3]
                gateway.asked.append((service, body))
                port = gateway.ports.get(service)
                answer = post(port, self.path, body) if port else Answer(503, {}, {"error": "no replica is up"})
                content = json.dumps(answer.json).encode()
                self.send_response(answer.status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Pass)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass
class Workshop:
    """A checkout with a store, which other workers use too, and the servers of this one."""

    root: Path
    gateway: Gateway
    gateway_port: int
    releases: dict[str, Release] = field(default_factory=dict)
    servers: dict[str, Served] = field(default_factory=dict)

    @property
    def store(self) -> DirectoryStore:
        return DirectoryStore(self.root / "store")

    def trained(self, service: str) -> Registration:
        with alone(self.root / f"{service}.lock"):
            return read_registration(self.root, service) or train(self.root, service, self.store, lambda _: None)

    def release(self, service: str) -> Release:
        if service not in self.releases:
            if (SERVICES / service / "train.py").is_file():
                self.trained(service)
            self.releases[service] = cut(self.root, service, self.store)
        return self.releases[service]

    def served(self, service: str) -> Served:
        """A server that is ready. An ensemble's members are up at the gateway first."""
        if service not in self.servers:
            release = self.release(service)
            for member in release.spec.model.services:
                self.gateway.ports[member] = self.served(member).port
            self.servers[service] = self.serve(release)
        return self.servers[service]

    def serve(self, release: Release) -> Served:
        assert release.bundle is not None
        bundle = fetch_tree(self.store, release.bundle, self.root / "bundles" / release.revision)
        log = self.root / f"{release.revision}-{os.getpid()}.log"
        command = [sys.executable, "-m", "serving", "--model_dir", str(bundle), "--model_name", release.service]
        command += ["--revision", release.revision, "--http_port", "0", "--drain_seconds", "0"]
        environment = {**os.environ, "LIFTLOCK_GATEWAY": f"http://127.0.0.1:{self.gateway_port}"}
        with log.open("wb") as stderr:
            process = subprocess.Popen(command, stderr=stderr, env=environment)
        served = Served(release.service, process, log)
        served.port = served.await_event("listening")["port"]
        served.await_event("ready")
        return served


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """While inside, no other process is inside with the same lock."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workshop"
    with alone(root / "checkout.lock"):
        if not (root / "model_services").is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "model.yaml")
            shutil.copytree(SERVICES, root / "model_services", ignore=ignored)
    gateway = Gateway()
    server = gateway.start()
    made = Workshop(root, gateway, server.server_port)
    yield made
    for served in made.servers.values():
        served.stop()
    server.shutdown()
    server.server_close()
