"""Whole runs against real servers on loopback: whatever they do, the recording says so."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.loadtests.conftest import Result, plan, write_plan
from tests.loadtests.server import STALL_EVERY_S, STALL_S

Serve = Callable[[str], str]
Drive = Callable[..., Result]


def test_a_good_server_is_recorded_request_by_request(serve: Serve, drive: Drive):
    result = drive(serve("good"))
    assert (result.code, result.stderr) == (0, "")
    assert len(result.rows) == 100
    assert {("candidate", "1", "", "m-11111111")} == {
        (r["arm"], r["ok"], r["kind"], r["revision"]) for r in result.rows
    }
    starts = [float(row["intended_start_s"]) for row in result.rows]
    assert sorted(starts) == starts
    assert all(0 < float(row["latency_s"]) < 0.5 for row in result.rows)
    arm = result.facts["arms"]["candidate"]
    assert arm == {"scheduled": 100, "sent": 100, "answered": 100, "errors": {}, "wrong_revision": 0}
    assert 0 <= result.facts["lag"]["p50_s"] <= result.facts["lag"]["p99_s"] <= result.facts["lag"]["max_s"]


def test_locust_counts_the_same_requests_at_full_resolution(serve: Serve, drive: Drive):
    result = drive(serve("good"))
    header, row, total = (line.split(",") for line in (result.out / "locust_stats.csv").read_text().splitlines())
    assert (row[:3], total[1]) == (["POST", "candidate /v2/models/m/infer", "100"], "Aggregated")
    worst = max(float(sample["latency_s"]) for sample in result.rows) * 1000
    assert worst == pytest.approx(float(row[header.index("100%")]), rel=0.002)


@pytest.mark.parametrize("behaviour", ["chunked", "in pieces", "closes after"])
def test_any_framing_of_a_good_answer_is_good(behaviour: str, serve: Serve, drive: Drive):
    assert drive(serve(behaviour)).facts["arms"]["candidate"]["answered"] == 100


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("silent", "timed out"),
        ("half an answer", "timed out"),
        ("wrong revision", "wrong revision"),
        ("error inside", "error inside"),
        ("error deep inside", "error inside"),
        ("not json", "not JSON"),
        ("other protocol", "not the protocol's answer"),
        ("overloaded", "status 503"),
        ("not http", "malformed answer"),
    ],
)
def test_a_lying_server_fails_every_request_and_none_is_dropped(behaviour: str, kind: str, serve: Serve, drive: Drive):
    result = drive(serve(behaviour))
    assert result.code == 0
    arm = result.facts["arms"]["candidate"]
    assert (100, 0, {kind: 100}) == (arm["sent"], arm["answered"], arm["errors"])
    assert {("0", kind)} == {(row["ok"], row["kind"]) for row in result.rows}
    assert (100 if kind == "wrong revision" else 0) == arm["wrong_revision"]


def test_a_server_that_never_answers_is_waited_for_until_the_timeout(serve: Serve, drive: Drive):
    latencies = [float(row["latency_s"]) for row in drive(serve("silent")).rows]
    assert min(latencies) >= 0.5
    assert max(latencies) < 0.6


def test_nobody_listening_is_refused(drive: Drive):
    assert drive("http://127.0.0.1:1").facts["arms"]["candidate"]["errors"] == {"refused": 100}


def test_connections_cut_by_the_server_cost_the_requests_they_carried(serve: Serve, drive: Drive):
    arm = drive(serve("closes every fifth")).facts["arms"]["candidate"]
    assert arm["errors"] == {"connection closed": 20}
    assert arm["answered"] == 80


def test_a_stall_is_felt_by_every_request_that_was_due_in_it(serve: Serve, drive: Drive):
    """A closed loop would send next to nothing into the stall and report a p90 of a millisecond."""
    result = drive(serve("stalls"), requests=1600, rate=400, timeout_s=2)
    latencies = sorted(float(row["latency_s"]) for row in result.rows)
    # Of the time, x in STALL_EVERY is spent at most x before a stall's end: the true distribution is uniform.
    for share in (0.85, 0.9, 0.95, 0.99):
        true = STALL_S - (1 - share) * STALL_EVERY_S
        assert true == pytest.approx(latencies[int(share * len(latencies))], abs=0.04)


def test_both_arms_run_side_by_side_on_one_schedule(serve: Serve, drive: Drive):
    arms = [
        {"name": name, "url": serve(behaviour), "revision": None}
        for name, behaviour in (("baseline", "good"), ("candidate", "overloaded"))
    ]
    result = drive("", arms=arms)
    facts = result.facts["arms"]
    assert (facts["baseline"]["answered"], facts["baseline"]["errors"]) == (100, {})
    assert facts["candidate"]["errors"] == {"status 503": 100}
    starts = {name: [float(r["intended_start_s"]) for r in result.rows if r["arm"] == name] for name in facts}
    gaps = [abs(a - b) for a, b in zip(*starts.values(), strict=True)]
    assert sum(gaps) / len(gaps) < 2 / 200


def test_no_requests_leave_an_empty_recording(serve: Serve, drive: Drive):
    result = drive(serve("good"), requests=0, warmup=0)
    assert (result.code, result.rows) == (0, [])
    assert result.facts["lag"] == {"p50_s": None, "p99_s": None, "max_s": None}


def test_a_run_ends_with_its_last_answer(serve: Serve, drive: Drive):
    result = drive(serve("good"), timeout_s=20)
    assert result.facts["seconds"] < 110 / 200 + 0.5


def test_progress_is_told_every_second(serve: Serve, drive: Drive):
    result = drive(serve("good"), requests=500)
    assert len(result.progress) >= 3
    assert [line["sent"] for line in result.progress] == sorted(line["sent"] for line in result.progress)
    assert result.progress[-1]["of"] == 510


def test_a_terminated_run_says_so_and_leaves_what_it_had(serve: Serve, tmp_path: Path):
    process = _start(tmp_path, serve("good"), requests=2000)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    facts = orjson.loads((tmp_path / "out" / "facts.json").read_bytes())
    assert (process.returncode, facts["stopped"]) == (4, "terminated")
    arm = facts["arms"]["candidate"]
    assert 0 < arm["sent"] < arm["scheduled"] == 2000


def test_a_run_dies_with_its_parent(serve: Serve, tmp_path: Path):
    path = write_plan(tmp_path, plan(serve("good"), tmp_path, requests=4000))
    script = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'loadtests', {str(path)!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.readline(); print(child.pid, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert _gone(child, within_s=3)
    assert not (tmp_path / "out").exists()


def test_the_web_page_shows_the_run_live(serve: Serve, tmp_path: Path):
    import urllib.request

    port = _free_port()
    process = _start(tmp_path, serve("good"), requests=1000, web_port=port)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/stats/requests", timeout=10) as page:
        told = orjson.loads(page.read())
    process.communicate(timeout=30)
    assert told["state"] == "running"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"profile": "wild"}, "steady, ramp"),
        ({"protocol": "v3"}, "protocol"),
        ({"max_seconds": 0.1}, "the schedule alone takes 0.6 s"),
        ({"colour": "red"}, "colour"),
        ({"path": "no-slash"}, "path"),
        ({"arms": []}, "arms"),
        ({"arms": [{"name": "candidate", "url": "https://x"}]}, "wanted http://"),
        ({"arms": [{"name": "candidate", "url": "http://x"}] * 2}, "at most once"),
        ({"arms": [{"name": "candidate", "url": "http://x", "headers": {"a": "b\r\nc: d"}}]}, "printable"),
        ({"requests_file": "absent.jsonl"}, "absent.jsonl"),
    ],
)
def test_a_bad_plan_is_refused_in_words(change: dict[str, object], words: str, drive: Drive):
    result = drive("http://127.0.0.1:1", **change)
    assert result.code == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.out.exists()


def test_request_bodies_that_are_not_json_are_named_by_line(drive: Drive, tmp_path: Path):
    bodies = tmp_path / "bad.jsonl"
    bodies.write_text('{"a":1}\n{"a":\n')
    result = drive("http://127.0.0.1:1", requests_file=str(bodies))
    assert (result.code, f"{bodies}:2:" in result.stderr) == (2, True)


def _start(directory: Path, url: str, **changes: object) -> subprocess.Popen[bytes]:
    """A run in progress: two progress lines have been read."""
    path = write_plan(directory, plan(url, directory, **changes))
    process = subprocess.Popen([sys.executable, "-m", "loadtests", str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.readline()
    return process


def _gone(pid: int, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.02)
    return False


def _free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def test_a_generator_without_sockets_blames_itself(serve: Serve, tmp_path: Path):
    path = write_plan(tmp_path, plan(serve("silent"), tmp_path))
    limited = f"ulimit -n 40; exec {sys.executable} -m loadtests {path}"
    subprocess.run(["bash", "-c", limited], check=True, stdout=subprocess.DEVNULL, timeout=60)
    errors = orjson.loads((tmp_path / "out" / "facts.json").read_bytes())["arms"]["candidate"]["errors"]
    assert {"generator: out of sockets", "timed out"} == errors.keys()
