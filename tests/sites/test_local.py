"""The local site on real servers: it survives kill -9 of everything, moves users without an error, leaves nothing."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from liftlock.promote.state import read_held, with_weight
from liftlock.repository import Change
from liftlock.rollout import Route
from liftlock.sites.local.processes import find_processes
from tests.company import found_company, row

pytestmark = [pytest.mark.alone, pytest.mark.timeout(200)]
BODY = json.dumps(row(0.4, 0.4)).encode()
INFER = "/v2/models/sums/infer"


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    """A company with two revisions in dev: the first with all users, the second dark."""
    made = found_company(tmp_path_factory.mktemp("company"))
    made.run("release", "sums")
    made.run("promote", "sums", "--to", "dev")
    made.release("sums", "second")
    made.run("local", "up")
    yield made
    made.down()


def status(company):
    return json.loads(company.run("local", "status", "--json"))


def revisions(company) -> tuple[str, str]:
    """The revision with users, and the dark one."""
    found = sorted(status(company)["revisions"], key=lambda each: -each["weight"])
    return found[0]["revision"], found[1]["revision"]


def ask(company, path: str = INFER, body: bytes | None = BODY, headers: dict | None = None):
    """Status, headers and body of one request to dev's gateway."""
    url = f"http://127.0.0.1:{company.layout.environment_port(0)}{path}"
    request = urllib.request.Request(url, body, {"content-type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def commit_route(company, change) -> None:
    """Commit another route for dev, as a promotion would, and wait for the site."""
    from liftlock import paths
    from liftlock.environment import read_ladder
    from liftlock.promote.state import _route_text

    def decide(base):
        held = change(read_held(base, read_ladder(base)[0], "sums"))
        return Change("a route", {paths.StateFiles("dev", "sums").route: _route_text(held.route)})

    company.repository.transact(decide)
    company.run("local", "up")


def by_revision(company, count: int) -> Counter:
    return Counter(ask(company)[1]["x-liftlock-revision"] for _ in range(count))


def test_users_reach_the_revision_with_the_weight_and_a_header_reaches_the_dark_one(company):
    users, dark = revisions(company)
    assert by_revision(company, 20) == {users: 20}
    assert ask(company, headers={"x-liftlock-revision": dark})[1]["x-liftlock-revision"] == dark


def test_weights_are_exact_and_change_without_a_failed_request(company):
    users, dark = revisions(company)
    failures, stop = [], threading.Event()

    def keep_asking():
        while not stop.is_set():
            code = ask(company)[0]
            if code != 200:
                failures.append(code)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    for weight in (25, 50, 10, 0, 20):
        commit_route(company, lambda held, weight=weight: with_weight(held, weight))
    stop.set()
    thread.join()
    assert failures == []
    assert by_revision(company, 100) == {users: 80, dark: 20}
    commit_route(company, lambda held: with_weight(held, 0))


def test_a_mirrored_revision_sees_every_request_and_users_never_its_answers(company):
    from dataclasses import replace

    users, dark = revisions(company)
    weights = {users: 100, dark: 0}
    route = Route(service="sums", environment="dev", weights=weights, mirror=dark)
    commit_route(company, lambda held: replace(held, route=route))
    before = mirrored(company, dark)
    assert by_revision(company, 50) == {users: 50}
    deadline = time.monotonic() + 10
    while mirrored(company, dark) - before < 50 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert mirrored(company, dark) - before == 50
    commit_route(company, lambda held: replace(held, route=route.model_copy(update={"mirror": None})))


def mirrored(company, revision: str) -> float:
    """How many mirrored requests a revision answered well, by its own counters."""
    replica = next(each for each in status(company)["revisions"] if each["revision"] == revision)["replicas"][0]
    with urllib.request.urlopen(f"http://127.0.0.1:{replica['port']}/metrics", timeout=5) as answer:
        rows = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in rows
        if line.startswith("liftlock_requests_total") and 'route="mirror"' in line and 'code="200"' in line
    )


@pytest.mark.parametrize(
    ("expected", "path"),
    [
        (404, "/metrics"),
        (404, "/v2/repository/models/sums/unload"),
        (404, "/v2/health/ready"),
        (404, "/v2/models/unknown/infer"),
        (404, "/"),
    ],
)
def test_the_gateway_closes_what_is_not_for_users(company, expected, path):
    assert ask(company, path)[0] == expected


def test_a_body_over_the_limit_is_refused_before_it_is_read(company):
    connection = http.client.HTTPConnection("127.0.0.1", company.layout.environment_port(0), timeout=5)
    connection.putrequest("POST", INFER)
    connection.putheader("content-length", str(200 * 1024 * 1024))
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_prometheus_scrapes_gateway_and_model_servers(company):
    url = f"http://127.0.0.1:{company.layout.prometheus_port}/api/v1/query?query=up"
    deadline = time.monotonic() + 30
    jobs: Counter = Counter()
    while jobs != {"gateway": 1, "model-servers": 2} and time.monotonic() < deadline:
        time.sleep(0.2)
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found = json.loads(answer.read())["data"]["result"]
        except OSError:
            continue
        jobs = Counter(each["metric"]["job"] for each in found if each["value"][1] == "1")
    assert jobs == {"gateway": 1, "model-servers": 2}


def wait_whole(company) -> None:
    """Until every process the site should have is there and ready, without anybody asking for it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            said = status(company)
        except AssertionError:
            said = None
        if said and len(said["servers"]) == 3 and said["revisions"]:
            replicas = [replica for each in said["revisions"] for replica in each["replicas"]]
            if all(replica["ready"] and Path(f"/proc/{replica['pid']}").exists() for replica in replicas):
                return
        time.sleep(0.1)
    raise AssertionError(f"not whole again: {said}")


@pytest.mark.parametrize("name", ["dev.{users}.0", "gateway", "prometheus", "alertmanager"])
def test_a_killed_child_is_started_again(company, name):
    users, _ = revisions(company)
    victim = name.format(users=users)
    before = {found.pid for found in find_processes(company.layout.directory) if found.name == victim}
    assert before
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = {found.pid for found in find_processes(company.layout.directory) if found.name == victim}
        if now and not now & before:
            break
        time.sleep(0.05)
    wait_whole(company)
    answer_again(company)


def answer_again(company) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if ask(company)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("users get no answer")


def test_a_killed_supervisor_leaves_users_served_and_up_adopts_what_runs(company):
    before = {found.name: found.pid for found in find_processes(company.layout.directory)}
    os.kill(before["supervisor"], signal.SIGKILL)
    assert ask(company)[0] == 200
    company.run("local", "up")
    after = {found.name: found.pid for found in find_processes(company.layout.directory)}
    assert after.pop("supervisor") != before.pop("supervisor")
    assert after == before


def test_everything_killed_at_once_comes_back_by_up(company):
    for found in find_processes(company.layout.directory):
        os.kill(found.pid, signal.SIGKILL)
    company.run("local", "up")
    wait_whole(company)
    answer_again(company)


def test_up_twice_at_once_makes_one_site(company):
    both = [company.start("local", "up") for _ in range(2)]
    assert [each.wait(60) for each in both] == [0, 0]
    names = Counter(found.name for found in find_processes(company.layout.directory))
    assert names["supervisor"] == 1
    assert names["prometheus"] == 1


def test_a_commit_by_somebody_else_is_followed_without_being_asked(company):
    users, dark = revisions(company)
    from liftlock import paths
    from liftlock.environment import read_ladder
    from liftlock.promote.state import _route_text

    def decide(base):
        held = with_weight(read_held(base, read_ladder(base)[0], "sums"), 100)
        return Change("a route", {paths.StateFiles("dev", "sums").route: _route_text(held.route)})

    company.repository.transact(decide)
    deadline = time.monotonic() + 10
    while by_revision(company, 5) != {dark: 5} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert by_revision(company, 20) == {dark: 20}
    commit_route(company, lambda held: with_weight(held, 0))
    assert by_revision(company, 5) == {users: 5}


def test_a_busy_port_is_named_with_the_way_out(tmp_path_factory):
    other = found_company(tmp_path_factory.mktemp("other"))
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", other.layout.environment_port(0)))
        busy.listen()
        said = other.run("local", "up", code=4)
    other.down()
    port = other.layout.environment_port(0)
    assert str(port) in said
    assert "LIFTLOCK_PORT_BASE" in said


def test_down_leaves_no_process_no_port_and_no_file(company):
    os.kill(
        next(one.pid for one in find_processes(company.layout.directory) if one.name == "supervisor"), signal.SIGKILL
    )
    company.run("local", "down")
    assert find_processes(company.layout.directory) == ()
    assert not company.layout.directory.exists()
    assert not company.layout.sockets.exists()
    for port in (company.layout.environment_port(0), company.layout.prometheus_port, company.layout.alertmanager_port):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
