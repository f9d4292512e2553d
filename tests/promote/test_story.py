"""The main job, on real servers and real load: promoted, stopped, rolled back. Tests run in order and build on it."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest

from liftlock import paths
from liftlock.promote.proof import prove
from liftlock.repository import run_git
from tests.company import found_company, row

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    made = found_company(tmp_path_factory.mktemp("company"))
    yield made
    made.down()


def rows(company, *arguments: str):
    found = json.loads(company.run("status", "--json", *arguments))
    return {(each["environment"], each["revision"]): each for each in found}


def users_of(company, environment: str) -> dict[str, int]:
    return {revision: each["weight"] for (where, revision), each in rows(company).items() if where == environment}


def newest(company, environment: str) -> str:
    weights = users_of(company, environment)
    return max(weights, key=weights.__getitem__)


def ask(company, environment: int, body: dict, headers: dict | None = None) -> tuple[int, str]:
    """One user's request; status and the revision that answered."""
    url = f"http://127.0.0.1:{company.layout.environment_port(environment)}/v2/models/sums/infer"
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json", **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["x-liftlock-revision"]
    except urllib.error.HTTPError as error:
        return error.code, error.headers["x-liftlock-revision"]


class Users:
    """Real users of prod: a steady stream of requests, a few of them of a kind no request file has."""

    def __init__(self, company) -> None:
        self.company, self.answers = company, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        n = 0
        while not self._stop.is_set():
            n += 1
            self.answers.append(ask(self.company, 2, row(0.987 if n % 3 == 0 else 0.5, 0.5)))
            time.sleep(0.01)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def test_a_release_is_cut_dark_into_dev(company):
    assert "cut" in company.run("release", "sums")
    assert users_of(company, "dev") == {newest(company, "dev"): 0}
    assert "nothing has changed" in company.run("release", "sums")


def test_prod_wants_an_approval(company):
    said = company.run("promote", "sums", "--to", "prod", code=2)
    assert "--approve" in said
    assert users_of(company, "staging") == {newest(company, "staging"): 100}
    assert users_of(company, "prod") == {}


def test_it_is_promoted_to_prod_byte_for_byte(company):
    company.run("promote", "sums", "--to", "prod", "--approve", "Sam: first")
    head = company.repository.head()
    texts = {head.read(paths.StateFiles(name, "sums").release) for name in ("dev", "staging", "prod")}
    assert len(texts) == 1
    assert ask(company, 2, row(0.5, 0.5)) == (200, newest(company, "prod"))


def test_promoting_again_changes_nothing(company):
    before = company.repository.head().commit
    company.run("promote", "sums", "--to", "prod", "--approve", "Sam: again")
    assert company.repository.head().commit == before


def test_a_slower_release_is_stopped_in_dev_and_staging_never_hears_of_it(company):
    running = newest(company, "dev")
    company.release("sums", "slow", "__import__('time').sleep(0.03)")
    said = company.run("promote", "sums", "--to", "staging", code=1)
    assert "slower" in said
    assert users_of(company, "dev") == {running: 100}
    assert users_of(company, "staging") == {running: 100}
    assert company.run("promote", "sums", "--to", "staging", code=1).count("taken back") == 1


def test_a_release_that_never_becomes_ready_fails_with_its_own_words(company):
    running = newest(company, "dev")
    company.release("sums", "broken", "raise RuntimeError('no such table')")
    assert "no such table" in company.run("promote", "sums", "--to", "dev", code=1)
    assert users_of(company, "dev") == {running: 100}


def test_a_release_that_fails_some_real_inputs_is_stopped_at_its_first_weight(company):
    running = newest(company, "prod")
    company.release("sums", "brittle", "assert (inputs['a'] != 0.987).all()")
    with Users(company) as users:
        said = company.run("promote", "sums", "--to", "prod", "--approve", "Sam: looks fine", code=1)
    assert "failed" in said
    assert users_of(company, "prod") == {running: 100}
    errors = sum(status >= 500 for status, _ in users.answers)
    assert 0 < errors < 0.2 * len(users.answers) / 3 + 20
    assert ask(company, 2, row(0.987, 0.5)) == (200, running)


def test_a_good_release_reaches_all_users_by_weights_and_none_sees_an_error(company):
    running = newest(company, "prod")
    company.release("sums", "good")
    with Users(company) as users:
        company.run("promote", "sums", "--to", "prod", "--approve", "Sam: better")
    candidate = newest(company, "prod")
    assert {status for status, _ in users.answers} == {200}
    assert {revision for _, revision in users.answers} == {running, candidate}
    assert users_of(company, "prod") == {candidate: 100, running: 0}


def test_rollback_is_one_command_and_no_request_fails(company):
    good = newest(company, "prod")
    with Users(company) as users:
        company.run("rollback", "sums", "--in", "prod", "--why", "pager")
    back = newest(company, "prod")
    assert back != good
    assert users_of(company, "prod") == {back: 100}
    assert {status for status, _ in users.answers} == {200}
    assert "already rolled back" in company.run("rollback", "sums", "--in", "prod")


def test_going_further_back_starts_a_release_that_no_longer_runs(company):
    before = newest(company, "prod")
    gone = [row["revision"] for row in _ledger(company) if row["environment"] == "prod" and row["weight"] == 100][-1]
    assert gone != before
    company.run("rollback", "sums", "--in", "prod", "--to", gone, "--why", "forward again")
    assert users_of(company, "prod") == {gone: 100}


def _ledger(company):
    return json.loads(company.run("ledger", "show", "sums", "--json"))


def test_the_evidence_proves_itself_from_git_alone(company):
    head = company.repository.head()
    proof = prove(company.repository, head)
    assert proof.problems == ()
    assert proof.entries == len(_ledger(company)) > 15
    assert "proved" in company.run("ledger", "verify")


def test_every_decision_is_a_commit_with_its_reason(company):
    log = run_git(company.root, "log", "--format=%s%n%b", "origin/main").decode()
    for words in ("admit, dark", "gate: pass", "gate failed, taken back", "20 % of users", "rolled back to"):
        assert words in log


def test_editing_a_service_leaves_what_runs_alone(company):
    before = {
        name: company.repository.head().read(paths.StateFiles(name, "sums").release) for name in ("staging", "prod")
    }
    company.write(
        "sums", {"service.yaml": (company.root / "model_services/sums/service.yaml").read_text() + "# edited\n"}
    )
    company.run("promote", "sums", "--to", "staging")
    after = {
        name: company.repository.head().read(paths.StateFiles(name, "sums").release) for name in ("staging", "prod")
    }
    assert after["prod"] == before["prod"]


def test_the_site_goes_down_and_leaves_nothing(company):
    assert "nothing of it is left" in company.run("local", "down")
    listening = subprocess.run(["ss", "-ltn"], capture_output=True, text=True, check=True).stdout
    assert f":{company.layout.environment_port(0)} " not in listening
    assert not company.layout.directory.exists()
    assert not company.layout.sockets.exists()
