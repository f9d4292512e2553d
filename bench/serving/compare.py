"""Starts servers in turn and together, drives them with wrk, and reads from the kernel what they used."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.table import Row

FEATURES = 10
CPU_ROUNDS = 5
START_ROUNDS = 5
WRK_SECONDS = 2
TICKS = os.sysconf("SC_CLK_TCK")
HERE = Path(__file__).parent

Command = Sequence[str]


@dataclass(frozen=True)
class Start:
    """One start of a server: seconds until it was ready, and private bytes after a few predictions."""

    seconds: float
    private: int


def make_bundle(folder: Path) -> None:
    """A churn-sized model: 100 trees of depth 4 on 10 features."""
    import numpy as np
    import xgboost

    random = np.random.default_rng(1)
    rows = random.normal(size=(4000, FEATURES))
    labels = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    parameters = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    xgboost.train(parameters, xgboost.DMatrix(rows, label=labels), 100).save_model(folder / "model.ubj")
    features = [{"name": f"a{index}", "type": "float", "min": -6, "max": 6} for index in range(FEATURES)]
    settings = {"version": 1, "service": "churn", "format": "xgboost", "model_file": "model.ubj", "features": features}
    (folder / "serving.json").write_text(json.dumps(settings))


def request_body() -> bytes:
    """One row as one tensor: the form both servers take."""
    data = [round(0.3 * index - 1.5, 2) for index in range(FEATURES)]
    return json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, FEATURES], "data": data}]}).encode()


def commands(bundle: Path) -> Mapping[str, tuple[Command, int]]:
    """Each server's command and port."""
    ports = free_ports(4)
    python = sys.executable
    stock = [python, str(HERE / "stock_server.py"), "--model_path", str(bundle / "model.ubj"), "--enable_grpc", "false"]
    quiet = ["--enable_latency_logging", "false", "--log_config_file", str(HERE / "quiet.yaml")]
    ours = [
        python,
        "-m",
        "serving",
        "--model_dir",
        str(bundle),
        "--model_name",
        "churn",
        "--revision",
        "churn-00000000",
    ]
    return {
        "ours": ([*ours, "--http_port", str(ports[0]), "--drain_seconds", "0"], ports[0]),
        "stock": ([*stock, "--http_port", str(ports[1])], ports[1]),
        "quiet": ([*stock, *quiet, "--http_port", str(ports[2])], ports[2]),
        "bare": ([python, str(HERE / "bare_server.py"), str(ports[3])], ports[3]),
    }


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def running(command: Command, port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """A ready server, and the seconds it took. Raises RuntimeError where it is not ready in a minute."""
    began = time.perf_counter()
    # Without bytecode most of a start would be compiling, which no image does; the first round writes it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        while ask(port, "GET", "/v2/health/ready") != 200:
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError(f"{command[1]} does not become ready")
            time.sleep(0.005)
        yield process, time.perf_counter() - began
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """The status of one request; 0 where nobody listens yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def start_once(command: Command, port: int) -> Start:
    with running(command, port) as (process, seconds):
        for _ in range(20):
            if (status := ask(port, "POST", "/v2/models/churn/infer", request_body())) != 200:
                raise RuntimeError(f"{command[1]} answers {status}")
        return Start(seconds, private_bytes(process.pid))


def private_bytes(pid: int) -> int:
    """Private_Clean + Private_Dirty: what the machine gets back when this process ends."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    fields = (line.split() for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))
    return sum(int(field[1]) for field in fields) * 1024


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, to 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_per_request(pid: int, port: int, script: Path) -> float:
    """Seconds of CPU for one request under eight connections. Raises RuntimeError for any answer but 2xx."""
    before = cpu_seconds(pid)
    url = f"http://127.0.0.1:{port}/v2/models/churn/infer"
    command = ["wrk", "-t1", "-c8", f"-d{WRK_SECONDS}s", "-s", str(script), url]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in", report)
    if found is None or "Non-2xx" in report or "Socket errors" in report:
        raise RuntimeError(f"wrk: {report}")
    return (cpu_seconds(pid) - before) / int(found[1])


def write_script(folder: Path) -> Path:
    """wrk's script: the body and its type."""
    script = folder / "request.lua"
    lines = [f"wrk.body = [[{request_body().decode()}]]", 'wrk.method = "POST"']
    script.write_text("\n".join([*lines, 'wrk.headers["content-type"] = "application/json"', ""]))
    return script


def measure_cpu(servers: Mapping[str, tuple[Command, int]], script: Path) -> dict[str, list[float]]:
    """CPU per request, A B C A B C, all servers up throughout."""
    costs: dict[str, list[float]] = {name: [] for name in servers}
    with ExitStack() as stack:
        up = {name: (stack.enter_context(running(command, port))[0], port) for name, (command, port) in servers.items()}
        for number in range(CPU_ROUNDS + 1):
            for name, (process, port) in up.items():
                cost = cpu_per_request(process.pid, port, script)
                if number:  # the first round warms up
                    costs[name].append(cost)
    return costs


def row(what: str, ours: Sequence[float], theirs: Sequence[float], limit: float, note: str = "") -> Row:
    """The ratio of medians, with the range of the rounds' own ratios."""
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(ours) / statistics.median(theirs)
    return Row(what, ratio, min(ratios), max(ratios), f"<= {limit:g}{note}", ratio <= limit)


def measure() -> list[Row]:
    """All rows of the model server. Prints the medians they are made of to stderr."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_bundle(folder)
        servers = commands(folder)
        starts: dict[str, list[Start]] = {kind: [] for kind in ("ours", "stock", "bare")}
        for number in range(START_ROUNDS + 1):
            for kind, found in starts.items():
                start = start_once(*servers[kind])
                if number:  # the first round fills the page cache
                    found.append(start)
        costs = measure_cpu(servers, write_script(folder))
    ready = {kind: [start.seconds for start in found] for kind, found in starts.items()}
    private = {kind: [float(start.private) for start in found] for kind, found in starts.items()}
    _say("CPU us/request", costs, 1e6)
    _say("ready ms", ready, 1e3)
    _say("private MB", private, 1 / (1 << 20))
    return [
        row("model server CPU per V2 request / stock KServe", costs["ours"], costs["stock"], 0.75, " (0.5)"),
        row("model server CPU per V2 request / stock KServe, quiet", costs["ours"], costs["quiet"], 0.75, " (0.5)"),
        row("model server ready time / stock KServe", ready["ours"], ready["stock"], 0.6),
        row("model server private memory / stock KServe", private["ours"], private["stock"], 0.7),
        row("stretch: ready time / bare ASGI + numpy", ready["ours"], ready["bare"], 2.5),
        row("stretch: private memory / bare ASGI + numpy", private["ours"], private["bare"], 2.0),
    ]


def _say(what: str, values: Mapping[str, Sequence[float]], scale: float) -> None:
    medians = ", ".join(f"{name} {statistics.median(found) * scale:.0f}" for name, found in values.items())
    print(f"{what}: {medians}", file=sys.stderr)
