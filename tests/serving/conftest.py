"""Real model files, bundles made of them, and real server processes on loopback."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

REVISION = "churn-1a2b3c4d"
FEATURES = [
    {"name": "tenure", "type": "integer", "min": 0, "max": 120},
    {"name": "spend", "type": "float", "min": 0, "max": 1000, "missing": True},
    {"name": "contract", "type": "boolean"},
]
NAMES = [feature["name"] for feature in FEATURES]


@dataclass(frozen=True)
class Models:
    """Paths of one small model per format, trained on the same rows, and those rows."""

    xgboost: Path
    lightgbm: Path
    sklearn: Path
    onnx: Path
    rows: np.ndarray
    expected: dict[str, np.ndarray] = field(default_factory=dict)


def training_rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    rows = np.column_stack([random.integers(0, 60, 400), random.uniform(0, 100, 400), random.integers(0, 2, 400)])
    return rows, (rows[:, 0] + rows[:, 1] / 3 + 20 * rows[:, 2] > 55).astype(int)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Models:
    import lightgbm
    import skl2onnx
    import skops.io
    import xgboost
    from sklearn.linear_model import LogisticRegression

    folder = tmp_path_factory.mktemp("models")
    rows, labels = training_rows()
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 3, "nthread": 1},
        xgboost.DMatrix(rows, label=labels, feature_names=NAMES),
        8,
    )
    booster.save_model(folder / "model.ubj")
    parameters = {"objective": "binary", "num_threads": 1, "verbosity": -1}
    forest = lightgbm.train(parameters, lightgbm.Dataset(rows, labels, feature_name=NAMES), 8)
    forest.save_model(folder / "model.txt")
    linear = LogisticRegression(max_iter=500).fit(rows, labels)
    skops.io.dump(linear, folder / "model.skops")
    graph = skl2onnx.to_onnx(linear, rows[:1].astype(np.float32), options={"zipmap": False})
    (folder / "model.onnx").write_bytes(graph.SerializeToString())
    some = rows[:20]
    expected = {
        "xgboost": booster.predict(xgboost.DMatrix(some, feature_names=NAMES)),
        "lightgbm": forest.predict(some),
        "sklearn": linear.predict(some),
        "onnx": linear.predict(some),
    }
    paths = (folder / "model.ubj", folder / "model.txt", folder / "model.skops", folder / "model.onnx")
    return Models(*paths, some, expected)


@pytest.fixture(scope="session")
def bundle(models, tmp_path_factory) -> Callable[..., Path]:
    """Builds a bundle: a valid one of the format, with single settings overridden."""

    def build(kind="xgboost", handler=None, files=None, **override) -> Path:
        folder = tmp_path_factory.mktemp("bundle")
        model = getattr(models, kind, None)
        settings = {
            "version": 1,
            "service": "churn",
            "format": kind,
            "model_file": model and model.name,
            "handler": "handler.py" if handler else None,
            "features": FEATURES,
        } | override
        if model:
            (folder / model.name).write_bytes(model.read_bytes())
        if handler:
            (folder / "handler.py").write_text(handler)
        for name, content in (files or {}).items():
            (folder / name).write_text(content)
        (folder / "serving.json").write_text(json.dumps(settings))
        return folder

    return build


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def values(self) -> list:
        return self.json["outputs"][0]["data"]


@dataclass
class Running:
    """A server process."""

    process: subprocess.Popen
    log: Path
    port: int = 0
    grpc_port: int = 0

    def events(self) -> list[dict]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def event(self, name: str, seconds: float = 20) -> dict:
        """The first event of that name, waited for."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for event in self.events():
                if event["event"] == name:
                    return event
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        pytest.fail(f"no {name} in the log: {self.log.read_text()[-2000:]}")

    def ask(self, method: str, path: str, body=None, headers=None, timeout=20) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            content = json.dumps(body) if isinstance(body, dict | list) else body
            kind = {"content-type": "application/json"} if body is not None else {}
            connection.request(method, path, content, kind | (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.ask("GET", path)

    def infer(self, body, headers=None, timeout=20) -> Answer:
        return self.ask("POST", "/v2/models/churn/infer", body, headers, timeout)

    def connect(self, timeout: float = 5) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def raw(self, content: bytes, timeout: float = 5) -> bytes:
        """Everything the server says to these bytes until it closes or stays silent for `timeout`."""
        with self.connect(timeout) as connection:
            connection.sendall(content)
            return drain(connection)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels."""
        total = 0.0
        for line in self.get("/metrics").body.decode().splitlines():
            if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
                total += float(line.rsplit(" ", 1)[1])
        return total

    def stop(self, seconds: float = 10) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def drain(connection: socket.socket) -> bytes:
    received = b""
    try:
        while data := connection.recv(65536):
            received += data
    except TimeoutError:
        pass
    except ConnectionResetError:
        received += b"<reset>"
    return received


@pytest.fixture(scope="module")
def serve(tmp_path_factory) -> Iterator[Callable[..., Running]]:
    """Starts a server on a bundle, ready unless told otherwise; stopped when the module's tests are done."""
    started: list[Running] = []

    def start(bundle: Path, *arguments: str, ready=True, environment=None) -> Running:
        log = tmp_path_factory.mktemp("log") / "stderr"
        command = [sys.executable, "-m", "serving", "--model_dir", str(bundle), "--model_name", "churn"]
        command += ["--revision", REVISION, "--http_port", "0", "--drain_seconds", "0", *arguments]
        with log.open("w") as stderr:
            process = subprocess.Popen(command, stderr=stderr, env=os.environ | (environment or {}))
        running = Running(process, log)
        started.append(running)
        running.port = running.event("listening")["port"]
        if ready:
            running.event("ready")
            if "--grpc_port" in arguments:
                running.grpc_port = running.event("grpc")["port"]
        return running

    yield start
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait(10)


def v2(rows, names=NAMES, datatype="FP64", **extra) -> dict:
    """A V2 request: one tensor per feature."""
    columns = zip(*[list(row) for row in rows], strict=True)
    inputs = [
        {"name": name, "datatype": datatype, "shape": [len(rows)], "data": list(column)}
        for name, column in zip(names, columns, strict=True)
    ]
    return {"inputs": inputs, **extra}


@pytest.fixture(scope="session", name="v2")
def v2_builder():
    return v2
