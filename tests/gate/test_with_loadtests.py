"""The generator's files and the gate, together: a run by one is believed, or not, by the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from liftlock.gate.facts import read_facts
from liftlock.gate.judge import judge
from liftlock.gate.samples import read_samples
from liftlock.gate.verdict import Judgement, Verdict
from liftlock.slo import LatencyObjective, Objectives
from tests.loadtests.conftest import plan, serve, write_plan

__all__ = ["serve"]
Serve = Callable[[str], str]
PROMISE = Objectives(98.0, (LatencyObjective(0.95, 0.5),))


def _start(directory: Path, baseline: str, candidate: str) -> subprocess.Popen[bytes]:
    arms = [
        {"name": name, "url": url, "revision": "m-11111111"}
        for name, url in (("baseline", baseline), ("candidate", candidate))
    ]
    content = plan("", directory, arms=arms, requests=600, rate=300, timeout_s=1)
    command = [sys.executable, "-m", "loadtests", str(write_plan(directory, content))]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def _judge(out: Path) -> Judgement:
    return judge(read_samples(out / "samples.csv"), PROMISE, 1.0, facts=read_facts(out / "facts.json"))


@pytest.mark.parametrize(
    ("verdict", "candidate"),
    [
        (Verdict.PASS, "good"),
        (Verdict.FAIL, "silent"),
        (Verdict.FAIL, "error inside"),
        (Verdict.FAIL, "closes every fifth"),
        (Verdict.INCONCLUSIVE, "wrong revision"),
    ],
)
def test_a_candidate_is_judged_by_what_it_did(verdict: Verdict, candidate: str, serve: Serve, tmp_path: Path):
    _start(tmp_path, serve("good"), serve(candidate)).communicate(timeout=60)
    judgement = _judge(tmp_path / "out")
    assert verdict == judgement.verdict, judgement


def test_a_candidate_seen_to_stall_once_does_not_pass(serve: Serve, tmp_path: Path):
    """One stall is one observation: too little to convict, far too much to promote."""
    _start(tmp_path, serve("good"), serve("stalls")).communicate(timeout=60)
    assert _judge(tmp_path / "out").verdict is not Verdict.PASS


def test_a_generator_that_was_held_up_is_not_believed(serve: Serve, tmp_path: Path):
    process = _start(tmp_path, serve("good"), serve("good"))
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)
    judgement = _judge(tmp_path / "out")
    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert any("generator lagged" in doubt for doubt in judgement.doubts), judgement.doubts
