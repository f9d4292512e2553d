"""`python -m bench.load`: is the p99 we report the true one, on a server that stalls?"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import exp, log
from pathlib import Path

import orjson

from bench.load.stalling_server import EVERY_S
from bench.table import Row, print_table

HERE = Path(__file__).parent
# So many that the sampling error of a round is 1.8 % (both sides), of three 1 %.
RATE, ROUNDS = 400, 3
# Whole cycles of the server, so that it does not matter where in one a round begins.
REQUESTS = int(RATE * EVERY_S * 2)
TARGET = (0.95, 1.05)


def measure() -> list[Row]:
    """Our reported p99 over that of an open-loop client in C, both driving one server at the same time. 70 s."""
    with tempfile.TemporaryDirectory() as name, _server() as port:
        directory = Path(name)
        reference = _compile(directory)
        ratios = [_round(directory, reference, port, seed) for seed in range(1, ROUNDS + 1)]
    ratio = exp(sum(map(log, ratios)) / len(ratios))
    met = TARGET[0] <= ratio <= TARGET[1]
    what = "p99 reported on a server stalling 1 s in 10 s ÷ open-loop reference in C"
    return [Row(what, ratio, min(ratios), max(ratios), f"{TARGET[0]:.2f} to {TARGET[1]:.2f}", met)]


def _round(directory: Path, reference: Path, port: int, seed: int) -> float:
    """Both at once, so that both meet the same stalls; each with its own Poisson arrivals."""
    plan = _plan(directory, port, seed)
    theirs = subprocess.Popen(
        [reference, str(port), str(RATE), str(REQUESTS), str(seed)], stdout=subprocess.PIPE, text=True
    )
    subprocess.run([sys.executable, "-m", "loadtests", plan], check=True, stdout=subprocess.DEVNULL)
    printed, _ = theirs.communicate(timeout=60)
    if theirs.returncode:
        raise RuntimeError(f"the reference ended with {theirs.returncode}")
    samples = (directory / "out" / "samples.csv").read_text().splitlines()[1:]
    ours = [float(row.split(",")[2]) for row in samples if row.split(",")[3] == "1"]
    if len(ours) != REQUESTS:
        raise RuntimeError(f"{REQUESTS - len(ours)} of our requests failed")
    return _p99(ours) / _p99([float(line) for line in printed.split()])


def _p99(latencies: list[float]) -> float:
    return sorted(latencies)[-(-99 * len(latencies) // 100) - 1]


def _plan(directory: Path, port: int, seed: int) -> Path:
    bodies = directory / "requests.jsonl"
    bodies.write_text('{"inputs":[]}\n')
    arm = {"name": "candidate", "url": f"http://127.0.0.1:{port}"}
    plan = {
        "service": "m", "protocol": "v2", "path": "/v2/models/m/infer", "arms": [arm], "requests_file": str(bodies),
        "rate": RATE, "requests": REQUESTS, "timeout_s": 5, "seed": seed, "out": str(directory / "out"),
        "max_seconds": 60,
    }  # fmt: skip
    path = directory / "plan.json"
    path.write_bytes(orjson.dumps(plan))
    return path


def _compile(directory: Path) -> Path:
    binary = directory / "reference"
    subprocess.run(["cc", "-O2", "-o", binary, HERE / "reference.c", "-lm"], check=True)
    return binary


@contextmanager
def _server() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, HERE / "stalling_server.py"], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    rows = measure()
    print_table(rows)
    sys.exit(0 if all(row.met for row in rows) else 1)
