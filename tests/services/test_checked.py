"""The samples as a pull request would bring them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from liftlock.check.service import objectives
from liftlock.slo import required_requests
from liftlock.spec.read import load_spec

from .conftest import SERVICES, requests_of

NAMES = sorted(path.parent.name for path in SERVICES.glob("*/service.yaml"))
# The longest a gate's least number of requests may take, in seconds; a language model answers in seconds, not in ms.
LONGEST_S = {"support-llm": 90.0}


def test_every_sample_passes_check():
    start = "from liftlock.cli import main; main()"
    command = [sys.executable, "-c", start, "check", *(f"model_services/{name}" for name in NAMES)]
    checked = subprocess.run(command, cwd=SERVICES.parent, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("name", NAMES)
def test_its_slo_is_established_within_seconds(name):
    spec = load_spec(SERVICES.parent, name)
    needed = required_requests(objectives(spec))
    assert 100 <= needed <= 700
    assert needed / spec.load.rate.per_second <= LONGEST_S.get(name, 10.0)


def test_support_llm_is_asked_in_many_ways_and_always_streams():
    requests = requests_of("support-llm")
    assert all(body["stream"] is True and body["model"] == "support-llm" for body in requests)
    assert {len(body["messages"]) for body in requests} >= {1, 2, 4}
    lengths = [sum(len(message["content"]) for message in body["messages"]) for body in requests]
    assert max(lengths) > 5 * min(lengths)
    assert len({body["max_tokens"] for body in requests}) > 3
