"""`python -m bench.promotion`: how much longer a promotion takes than what it cannot do without.

From dev to prod a release is started three times and judged three times; nothing else is needed. So the yardstick is
3 × the time until a model server is ready + the requests the gates send ÷ their rate, the first measured in the same
run, one start before each promotion.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.table import Row, print_table
from liftlock.cut import cut
from liftlock.demo.scratch import Scratch, make_scratch
from liftlock.environment import load_ladder
from liftlock.promote.gates import Trial
from liftlock.release import Release
from liftlock.store import fetch_tree

SERVICE = "churn"
ROUNDS = 3
TARGET = 1.25
CHECKOUT = Path(__file__).resolve().parents[2]


def measure() -> list[Row]:
    """Promotions of fresh copies of one service through all environments. About 2 minutes."""
    scratch = make_scratch(CHECKOUT)
    try:
        names = [_copy(scratch, number) for number in range(ROUNDS)]
        scratch.commit("three copies, so that each promotion is a first one")
        for name in names:
            _run(scratch, "train", name)
        scratch.commit("their models")
        _run(scratch, "local", "up")
        ratios = [_round(scratch, name) for name in names]
    finally:
        scratch.down()
    ratio = sum(ratios) / len(ratios)
    what = "promotion dev→prod wall ÷ (3 × server ready + required requests ÷ rate)"
    return [Row(what, ratio, min(ratios), max(ratios), f"≤ {TARGET}", ratio <= TARGET)]


def _copy(scratch: Scratch, number: int) -> str:
    """The service under another name."""
    name = f"{SERVICE}-{number}"
    source, target = (scratch.root / "model_services" / one for one in (SERVICE, name))
    target.mkdir()
    for path in source.iterdir():
        if path.is_file():
            text = path.read_text()
            (target / path.name).write_text(text.replace(f"name: {SERVICE}\n", f"name: {name}\n"))
    return name


def _run(scratch: Scratch, *arguments: str) -> None:
    said: list[str] = []
    if scratch.liftlock(*arguments, say=said.append):
        raise RuntimeError(f"liftlock {' '.join(arguments)}: {said}")


def _round(scratch: Scratch, name: str) -> float:
    release = cut(scratch.root, name, scratch.store)
    ready_s = _ready_s(scratch, release)
    _run(scratch, "release", name)
    began = time.perf_counter()
    _run(scratch, "promote", name, "--to", "prod", "--approve", "bench: measured")
    wall_s = time.perf_counter() - began
    return wall_s / (3 * ready_s + _needed_s(scratch.root, release))


def _needed_s(root: Path, release: Release) -> float:
    """How long the gates' requests take at the declared rate."""
    ladder = load_ladder(root)
    requests = sum(Trial(one.name, release, None, one.rollout).requests for one in ladder)
    return requests / release.spec.load.rate.per_second


def _ready_s(scratch: Scratch, release: Release) -> float:
    """From the start of a model server's process to its first ready answer, in seconds."""
    assert release.bundle is not None  # the service is one of ours
    with tempfile.TemporaryDirectory() as place:
        bundle = fetch_tree(scratch.store, release.bundle, Path(place) / "bundle")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [
            *(sys.executable, "-Pm", "serving", f"--model_dir={bundle}", f"--model_name={release.service}"),
            *(f"--revision={release.revision}", f"--http_port={port}"),
        ]
        began = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as server:
            while not _is_ready(port):
                time.sleep(0.005)
            ready = time.perf_counter() - began
            server.kill()
    return ready


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/health/ready", timeout=5) as answer:
            return bool(json.loads(answer.read()))
    except OSError:
        return False


if __name__ == "__main__":
    print_table(measure())
