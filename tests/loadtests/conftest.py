from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

SERVER = Path(__file__).with_name("server.py")


@pytest.fixture
def serve() -> Iterator[Callable[[str], str]]:
    """Starts servers that behave as told, and returns their addresses; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(behaviour: str) -> str:
        process = subprocess.Popen([sys.executable, str(SERVER), behaviour], stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout is not None
        return f"http://127.0.0.1:{int(process.stdout.readline())}"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class Result:
    """What one run left behind."""

    code: int
    stderr: str
    progress: list[dict[str, Any]]
    out: Path

    @property
    def facts(self) -> dict[str, Any]:
        return dict(orjson.loads((self.out / "facts.json").read_bytes()))

    @property
    def rows(self) -> list[dict[str, str]]:
        header, *lines = (self.out / "samples.csv").read_text().splitlines()
        return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


def plan(url: str, directory: Path, **changes: Any) -> dict[str, Any]:
    """A valid plan of one second: candidate only, 100 judged requests."""
    requests = directory / "requests.jsonl"
    requests.write_text('{"inputs":[]}\n')
    arm = {"name": "candidate", "url": url, "headers": {}, "revision": "m-11111111"}
    return {
        "service": "m", "protocol": "v2", "path": "/v2/models/m/infer", "arms": [arm],
        "requests_file": str(requests), "rate": 200, "requests": 100, "warmup": 10, "timeout_s": 0.5,
        "profile": "steady", "seed": 7, "out": str(directory / "out"), "web_port": None, "max_seconds": 30,
    } | changes  # fmt: skip


def write_plan(directory: Path, content: dict[str, Any]) -> Path:
    path = directory / "plan.json"
    path.write_bytes(orjson.dumps(content))
    return path


@pytest.fixture
def drive(tmp_path: Path) -> Callable[..., Result]:
    """Runs a plan in a process of its own, as users do."""

    def run(url: str, **changes: Any) -> Result:
        path = write_plan(tmp_path, plan(url, tmp_path, **changes))
        command = [sys.executable, "-m", "loadtests", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        lines = [orjson.loads(line) for line in done.stdout.splitlines()]
        return Result(done.returncode, done.stderr, lines, tmp_path / "out")

    return run
