"""Under Locust's own command: our locustfile, and people's own tasks on the open-loop schedule."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.loadtests.conftest import plan, write_plan
from tests.loadtests.server import STALL_EVERY_S, STALL_S

Serve = Callable[[str], str]
ROOT = Path(__file__).parents[2]
TASKS = """
from locust import FastHttpUser, HttpUser, task
from loadtests.users import OpenLoop

class Visitor(OpenLoop, {base}):
    @task
    def predict(self):
        self.client.post("/v2/models/m/infer", json={{"inputs": []}}, name="predict")
"""


def _locust(locustfile: Path, plan_file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "locust", "-f", str(locustfile), "--headless", "-u", "1", *options]
    environment = {**os.environ, "LIFTLOCK_PLAN": str(plan_file), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_our_locustfile_leaves_what_the_module_leaves(serve: Serve, tmp_path: Path):
    path = write_plan(tmp_path, plan(serve("good"), tmp_path))
    done = _locust(ROOT / "loadtests" / "locustfile.py", path)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "samples.csv").read_text().splitlines()) == 101


@pytest.mark.parametrize("base", ["FastHttpUser", "HttpUser"])
def test_peoples_own_tasks_keep_the_schedule_through_a_stall(base: str, serve: Serve, tmp_path: Path):
    url = serve("stalls")
    path = write_plan(tmp_path, plan(url, tmp_path, rate=100, requests=400, warmup=0))
    tasks = tmp_path / "tasks.py"
    tasks.write_text(TASKS.format(base=base))
    done = _locust(tasks, path, "--host", url, "--json")
    (entry,) = orjson.loads(done.stdout)
    assert (entry["num_requests"], entry["num_failures"]) == (400, 0), done.stderr
    times_ms = sorted(float(ms) for ms, count in entry["response_times"].items() for _ in range(count))
    true_ms = 1000 * (STALL_S - 0.05 * STALL_EVERY_S)
    assert times_ms[380] == pytest.approx(true_ms, abs=70)
