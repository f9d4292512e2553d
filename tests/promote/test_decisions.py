"""What a promotion decides and writes, and what the proof notices when somebody helped."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import orjson
import pytest

from liftlock import paths
from liftlock.errors import GateFailed, Inconclusive, InvalidInput, LiftlockError
from liftlock.gate.verdict import Verdict
from liftlock.ledger import Action, Fact, append, parse
from liftlock.promote.promoter import utc_now
from liftlock.promote.proof import prove
from liftlock.promote.rollback import Rollback
from liftlock.promote.site import Convergence
from liftlock.release import parse_release
from liftlock.repository import Change
from liftlock.status import read_status

from .doubles import Gate, InstantSite, a_release, cut_into_dev, promoter

APPROVED = {"approval": "Sam: go"}


def files(environment: str) -> paths.StateFiles:
    return paths.StateFiles(environment, "sums")


def users(repository, environment: str) -> dict[str, int]:
    rows = read_status(repository.head())
    return {row.revision: row.weight for row in rows if row.environment == environment}


def ledger(repository):
    return parse(repository.head().read(paths.ledger("sums")))


def promoted(repository, mark: str = "1", to: str = "prod"):
    release = a_release("sums", mark)
    cut_into_dev(repository, release)
    promoter(repository).promote("sums", to, **APPROVED)
    return release


def rollback(repository) -> Rollback:
    return Rollback(repository, InstantSite(), "Sam", lambda _: None)


def test_a_release_file_is_its_content_and_comes_back_the_same():
    release = a_release("sums")
    assert parse_release(release.text, "release.yaml") == release
    assert release.revision == f"sums-{release.digest[7:15]}"


@pytest.mark.parametrize(
    "edit", [(b"tier: 2", b"tier: 1"), (b"sha256:", b"sha256:0"), (b"\n", b"\n\n"), (b"form: 1", b"form: x")]
)
def test_an_edited_release_file_is_refused(edit):
    with pytest.raises(InvalidInput, match=r"release\.yaml"):
        parse_release(a_release("sums").text.replace(*edit), "release.yaml")


def test_two_environments_hold_the_same_bytes(repository):
    release = promoted(repository)
    head = repository.head()
    assert {head.read(files(name).release) for name in ("dev", "staging", "prod")} == {release.text}


def test_a_failed_gate_leaves_the_environment_as_it_was_and_the_next_one_alone(repository):
    first = promoted(repository)
    before = repository.head().read(files("prod").release)
    cut_into_dev(repository, a_release("sums", "2"))
    with pytest.raises(GateFailed, match="as the test wants it"):
        promoter(repository, Gate(Verdict.FAIL)).promote("sums", "prod", **APPROVED)
    assert users(repository, "dev") == {first.revision: 100}
    assert repository.head().read(files("prod").release) == before


def test_a_failed_first_release_leaves_nothing_running(repository):
    cut_into_dev(repository, a_release("sums"))
    with pytest.raises(GateFailed):
        promoter(repository, Gate(Verdict.FAIL)).promote("sums", "dev")
    assert users(repository, "dev") == {}
    assert repository.head().read(files("dev").gate) is not None


def test_a_failed_release_is_not_judged_again_until_it_is_cut_again(repository):
    promoted(repository)
    second = a_release("sums", "2")
    cut_into_dev(repository, second)
    gate = Gate(Verdict.FAIL)
    for _ in range(2):
        with pytest.raises(GateFailed):
            promoter(repository, gate).promote("sums", "dev")
    assert gate.judged == 1
    cut_into_dev(repository, second)
    promoter(repository).promote("sums", "dev")
    assert users(repository, "dev")[second.revision] == 100


def test_retry_tries_a_release_again_that_was_taken_back(repository):
    promoted(repository)
    second = a_release("sums", "2")
    cut_into_dev(repository, second)
    promoter(repository).promote("sums", "dev")
    with pytest.raises(GateFailed):
        promoter(repository, Gate(Verdict.FAIL)).promote("sums", "staging")
    with pytest.raises(GateFailed, match="--retry"):
        promoter(repository).promote("sums", "staging")
    promoter(repository).promote("sums", "staging", retry=True)
    assert users(repository, "staging")[second.revision] == 100


def test_an_inconclusive_gate_promotes_nothing_and_is_judged_again(repository):
    cut_into_dev(repository, a_release("sums"))
    with pytest.raises(Inconclusive):
        promoter(repository, Gate(Verdict.INCONCLUSIVE)).promote("sums", "dev")
    assert set(users(repository, "dev").values()) == {0}
    promoter(repository).promote("sums", "dev")
    assert set(users(repository, "dev").values()) == {100}


def test_what_is_not_decided_on_live_traffic_takes_users_back(repository):
    first = promoted(repository)
    second = a_release("sums", "2")
    cut_into_dev(repository, second)
    with pytest.raises(Inconclusive):
        promoter(repository, _LiveGate()).promote("sums", "prod", **APPROVED)
    assert users(repository, "prod") == {first.revision: 100, second.revision: 0}


class _LiveGate(Gate):
    """Passes load tests, never decides on users."""

    def judge_live(self, held, rollout):
        return replace(super().judge_live(held, rollout), verdict=Verdict.INCONCLUSIVE)


def test_a_reference_that_may_change_stays_in_dev(repository):
    cut_into_dev(repository, a_release("sums", source="mlflow:sums@champion"))
    with pytest.raises(LiftlockError, match="mlflow:name@<version number>"):
        promoter(repository).promote("sums", "staging")
    assert users(repository, "staging") == {}


def test_an_unknown_environment_is_named_with_those_there_are(repository):
    cut_into_dev(repository, a_release("sums"))
    with pytest.raises(LiftlockError, match="dev, staging, prod"):
        promoter(repository).promote("sums", "production")


def test_a_service_never_released_says_what_to_do(repository):
    with pytest.raises(LiftlockError, match="liftlock release sums"):
        promoter(repository).promote("sums", "dev")


def test_the_previous_revision_is_retired_when_its_time_is_over(repository):
    promoted(repository)
    second = promoted(repository, "2")
    assert len(users(repository, "prod")) == 2
    later = replace(promoter(repository), clock=lambda: utc_now() + timedelta(hours=2))
    later.promote("sums", "prod", **APPROVED)
    assert users(repository, "prod") == {second.revision: 100}
    assert repository.head().read(files("prod").previous) is None


def test_rollback_gives_users_back_and_is_a_no_op_the_second_time(repository):
    first, second = promoted(repository), promoted(repository, "2")
    assert rollback(repository).roll_back("sums", "prod") == first.revision
    after = repository.head()
    assert rollback(repository).roll_back("sums", "prod") == first.revision
    assert repository.head() == after
    assert users(repository, "prod") == {first.revision: 100}
    assert second.revision in after.read(paths.ledger("sums")).decode()


def test_rollback_reaches_a_release_that_was_retired(repository):
    first = promoted(repository)
    promoted(repository, "2")
    third = promoted(repository, "3")
    rollback(repository).roll_back("sums", "prod", to=first.revision)
    assert users(repository, "prod") == {first.revision: 100}
    assert third.revision not in users(repository, "prod")
    assert prove(repository, repository.head()).problems == ()


def test_rollback_further_back_in_mid_rollout_never_gives_users_to_the_candidate(repository):
    first = promoted(repository)
    second = promoted(repository, "2")
    cut_into_dev(repository, a_release("sums", "3"))
    with pytest.raises(Inconclusive):
        promoter(repository, _LiveGate()).promote("sums", "prod", **APPROVED)
    seen = []
    site = InstantSite()
    site.converge = lambda *asked: seen.append(users(repository, "prod")) or Convergence({})
    Rollback(repository, site, "Sam", lambda _: None).roll_back("sums", "prod", to=first.revision)
    assert seen == [{second.revision: 100}, {second.revision: 100, first.revision: 0}, {first.revision: 100}]
    assert prove(repository, repository.head()).problems == ()


def test_rollback_of_the_only_release_is_refused(repository):
    promoted(repository)
    with pytest.raises(LiftlockError, match="nothing in prod before"):
        rollback(repository).roll_back("sums", "prod")


def test_a_rolled_back_release_does_not_count_as_passed(repository):
    promoted(repository, to="staging")
    promoted(repository, "2", to="staging")
    rollback(repository).roll_back("sums", "staging")
    with pytest.raises(GateFailed, match="taken back"):
        promoter(repository).promote("sums", "prod", **APPROVED)


def test_the_whole_story_is_proved_from_git(repository):
    promoted(repository)
    promoted(repository, "2")
    rollback(repository).roll_back("sums", "prod")
    proof = prove(repository, repository.head())
    assert proof.problems == ()
    assert proof.entries == len(ledger(repository))


def rewrite(repository, path, change) -> None:
    """Commit a file as somebody with git and no scruples would."""
    repository.transact(lambda base: Change("tidy up", {path: change(base.read(path))}))


def problems(repository) -> str:
    return "\n".join(map(str, prove(repository, repository.head()).problems))


def test_a_changed_verdict_is_found(repository):
    promoted(repository)
    rewrite(repository, paths.ledger("sums"), lambda text: text.replace(b'"verdict":"pass"', b'"verdict":"fail"', 1))
    assert "environments/ledger/sums.jsonl:2:1: hash" in problems(repository)


def test_a_removed_line_is_found(repository):
    promoted(repository)
    rewrite(repository, paths.ledger("sums"), lambda text: b"\n".join(text.splitlines()[:-1]) + b"\n")
    assert "lines only added" in problems(repository)


def test_a_chain_written_anew_is_found_by_history(repository):
    promoted(repository)

    def anew(text: bytes) -> bytes:
        kept = [{key: orjson.loads(line)[key] for key in Fact.model_fields} for line in text.splitlines()]
        return append(None, "sums", [Fact.model_validate({**each, "by": "nobody"}) for each in kept])

    rewrite(repository, paths.ledger("sums"), anew)
    assert "lines only added" in problems(repository)


def test_a_release_put_into_prod_by_hand_is_found(repository):
    promoted(repository, to="dev")
    text = repository.head().read(files("dev").release)
    rewrite(repository, files("prod").release, lambda _: text)
    rewrite(repository, files("prod").route, lambda _: repository.head().read(files("dev").route))
    assert "environments/prod/sums/release.yaml:2:10: release" in problems(repository)


def test_a_route_moved_by_hand_is_found(repository):
    promoted(repository)
    rewrite(repository, files("prod").route, lambda text: text.replace(b": 100", b": 50"))
    assert "environments/prod/sums/route.yaml" in problems(repository)


def test_an_embellished_gate_file_is_found(repository):
    promoted(repository)
    rewrite(repository, files("prod").gate, lambda text: text.replace(b"as the test wants it", b"splendid"))
    assert "environments/prod/sums/gate.yaml" in problems(repository)


def test_an_admission_without_a_pass_is_found(repository):
    cut_into_dev(repository, a_release("sums"))
    fact = ledger(repository)[0].model_dump(include=set(Fact.model_fields))
    forged = Fact.model_validate({**fact, "environment": "prod", "action": Action.ADMIT})
    rewrite(repository, paths.ledger("sums"), lambda text: append(text, "sums", [forged]))
    assert "had passed in staging" in problems(repository)


def test_every_verdict_in_the_ledger_is_in_the_gate_file_of_its_environment(repository):
    promoted(repository)
    for name in ("dev", "staging", "prod"):
        text = repository.head().read(files(name).gate).decode()
        mine = [entry for entry in ledger(repository) if entry.environment == name and entry.action is Action.GATE]
        assert all(entry.hash in text for entry in mine)
        assert json.dumps(mine[-1].release)[1:-1] in text
