"""kill -9 in each phase of a promotion, then the same command again: the same end as an undisturbed run."""

from __future__ import annotations

import json
import os
import signal

import pytest

from liftlock import paths
from liftlock.promote.proof import prove
from tests.company import found_company

pytestmark = [pytest.mark.alone, pytest.mark.timeout(400)]

COMMAND = ("promote", "sums", "--to", "staging")
# What a promotion says as it enters each phase: killed right after it said so.
PHASES = (
    "dev: {revision}: load test",
    "dev: {revision}: pass",
    "dev: {revision}: 100 % of users",
    "staging: {revision}: admitted, dark",
    "staging: {revision}: load test",
    "staging: {revision}: pass",
    "staging: {revision}: 100 % of users",
)


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    made = found_company(tmp_path_factory.mktemp("company"))
    made.run("release", "sums")
    made.run(*COMMAND)
    yield made
    made.down()


def kill_after(company, words: str) -> bool:
    """Run the promotion and kill it, and whatever it started, the moment it says `words`; whether it came so far."""
    running = company.start(*COMMAND)
    assert running.stdout is not None
    said = []
    for line in running.stdout:
        said.append(line)
        if words in line:
            os.kill(running.pid, signal.SIGKILL)
            running.wait()
            return True
    raise AssertionError(f"never said {words!r}: {said}")


def end_state(company, revision: str) -> dict[str, object]:
    """Everything git says in the end but times, numbers and how often something was tried."""
    head = company.repository.head()
    ledger = [json.loads(line) for line in head.read(paths.ledger("sums")).splitlines()]
    mine = [entry for entry in ledger if entry["revision"] == revision]
    decisions = [(entry["environment"], entry["action"], entry["weight"], entry["verdict"]) for entry in mine]
    routes = {
        name: head.read(paths.StateFiles(name, "sums").route)
        .decode()
        .replace(revision, "REVISION")
        .partition("weights:")[2]
        .count("REVISION: 100")
        for name in ("dev", "staging")
    }
    released = {head.read(paths.StateFiles(name, "sums").release) for name in ("dev", "staging")}
    return {"decisions": decisions, "routes": routes, "one release": len(released) == 1}


def newest_revision(company) -> str:
    return next(row["revision"] for row in json.loads(company.run("status", "--json")) if row["environment"] == "dev")


def test_a_promotion_killed_in_any_phase_is_finished_by_the_same_command(company):
    company.release("sums", "undisturbed")
    company.run(*COMMAND)
    expected = end_state(company, newest_revision(company))
    for number, phase in enumerate(PHASES):
        company.release("sums", f"killed {number}")
        revision = newest_revision(company)
        kill_after(company, phase.format(revision=revision))
        company.run(*COMMAND)
        assert end_state(company, revision) == expected, phase
    assert prove(company.repository, company.repository.head()).problems == ()


def test_the_site_killed_in_the_middle_is_repaired_by_the_same_command(company):
    company.release("sums", "site killed")
    revision = newest_revision(company)
    running = company.start(*COMMAND)
    assert running.stdout is not None
    from liftlock.sites.local.processes import find_processes

    for line in running.stdout:
        if f"dev: {revision}: load test" in line:
            for process in find_processes(company.layout.directory):
                os.kill(process.pid, signal.SIGKILL)
            break
    running.communicate(timeout=100)
    company.run(*COMMAND)
    assert end_state(company, revision)["one release"]
