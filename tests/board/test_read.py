"""What the board reads out of git and the store."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from liftlock.board.board import Trouble
from liftlock.board.evidence import read_judgement
from liftlock.errors import GateFailed, Inconclusive, Unreachable
from liftlock.gate.verdict import ArmNumbers, Finding, Judgement, Quantile, Verdict
from liftlock.ledger import Action
from liftlock.promote.rollback import Rollback
from liftlock.repository import run_git
from tests.promote.doubles import InstantSite

from .builders import Killed


def troubles(board) -> list[tuple[Trouble, str, bool]]:
    return [(one.trouble, one.decision.entry.environment, one.settled) for one in board.attention]


def test_nothing_released_is_a_board_without_services(firm):
    board = firm.board()
    assert (board.services, board.gates, board.attention) == ((), (), ())
    assert [one.name for one in board.environments] == ["dev", "staging", "prod"]


def test_a_release_cut_into_dev_is_in_one_place_and_nowhere_else(firm):
    firm.cut("1")
    board = firm.board()
    assert [bool(board.places[name, "sums"].rows) for name in ("dev", "staging", "prod")] == [True, False, False]
    assert not board.places["dev", "sums"].served
    assert troubles(board) == []


def test_every_decision_has_the_commit_that_made_it(eventful, firm):
    firm.cut("1")
    firm.promote("dev")
    [timeline] = firm.board().timelines.values()
    subjects = [run_git(firm.repository.root, "log", "-1", "--format=%s", one.commit).decode() for one in timeline]
    assert [one.entry.action for one in timeline] == [Action.SHIFT, Action.GATE, Action.CUT]
    assert ["100 % of users" in subjects[0], "gate: pass" in subjects[1], "cut" in subjects[2]] == [True] * 3


def test_a_verdict_and_the_rollback_after_it_are_one_commit(eventful):
    [timeline] = eventful.timelines.values()
    assert [one.entry.action for one in timeline[:2]] == [Action.ROLLBACK, Action.GATE]
    assert timeline[0].commit == timeline[1].commit != timeline[2].commit


def test_what_users_traffic_stopped_is_open_and_what_a_later_release_replaced_is_settled(eventful):
    assert troubles(eventful) == [(Trouble.TAKEN_BACK, "prod", False), (Trouble.STOPPED, "staging", True)]
    [entry] = {one.gate for one in eventful.open}
    assert entry == eventful.gates[0].decision.entry.hash


def test_a_persons_rollback_names_no_gate(firm):
    for mark in "12":
        firm.cut(mark)
        firm.promote("dev")
    Rollback(firm.repository, InstantSite(), "Kim", lambda _: None).roll_back("sums", "dev", why="pager")
    [one] = firm.board().attention
    assert (one.trouble, one.gate, one.decision.entry.by) == (Trouble.ROLLED_BACK, None, "Kim")


def test_a_release_tried_again_is_no_longer_open(firm):
    firm.cut("1")
    with pytest.raises(GateFailed):
        firm.promote("dev", failing=0.5)
    assert troubles(firm.board()) == [(Trouble.STOPPED, "dev", False)]
    firm.cut("1")
    assert troubles(firm.board()) == [(Trouble.STOPPED, "dev", True)]


def test_a_killed_rollout_is_open_with_its_users_divided(firm):
    firm.cut("1")
    firm.promote("prod")
    firm.cut("2")
    with pytest.raises(Killed):
        firm.promote("prod", live_errors=None)
    board = firm.board()
    assert [row.weight for row in board.places["prod", "sums"].rows] == [20, 80]
    assert troubles(board) == [(Trouble.ROLLING_OUT, "prod", False)]


@pytest.mark.parametrize(("to", "gate"), [("dev", {"requests": 60}), ("prod", {"live_errors": 5})])
def test_a_gate_that_could_not_decide_is_open(firm, to, gate):
    firm.cut("1")
    if to == "prod":
        firm.promote("prod")
        firm.cut("2")
        firm.promote("staging")
    with pytest.raises(Inconclusive):
        firm.promote(to, **gate)
    assert troubles(firm.board()) == [(Trouble.UNDECIDED, to, False)]


def test_curves_rise_from_the_fastest_request_to_the_slowest(eventful):
    for gate in eventful.gates:
        assert len(gate.curves) == len(gate.judgement.arms) if gate.samples else not gate.curves
        for curve in gate.curves:
            latencies, shares = zip(*curve.points, strict=True)
            assert list(latencies) == sorted(latencies)
            assert (shares[0], shares[-1]) == (0, pytest.approx(1 - 1 / curve.requests))


def test_a_curve_agrees_with_the_quantiles_of_the_ledger(eventful):
    slow = next(gate for gate in eventful.gates if gate.decision.entry.verdict == "fail" and gate.curves)
    for curve in slow.curves:
        for quantile in slow.judgement.arms[curve.arm].quantiles:
            below = [latency for latency, share in curve.points if share <= quantile.quantile]
            above = [latency for latency, share in curve.points if share >= quantile.quantile]
            assert below[-1] <= quantile.value_s <= above[0]


def test_a_curve_ends_where_requests_failed(firm):
    firm.cut("1")
    with pytest.raises(GateFailed):
        firm.promote("dev", failing=0.3)
    [gate] = firm.board().gates
    assert 0.6 < gate.curves[0].points[-1][1] < 0.75


def test_missing_samples_are_said_and_the_numbers_stay(firm):
    firm.cut("1")
    firm.promote("dev")
    for path in firm.store.root.rglob("*"):
        if path.is_file():
            path.unlink()
    [gate] = firm.board().gates
    assert gate.curves == ()
    assert "not in the store" in gate.missing
    assert gate.judgement.arms["candidate"].count == 900


@pytest.mark.parametrize(("bytes_", "said"), [(b"other", "other bytes"), (b"", "other bytes")])
def test_changed_samples_are_said(firm, bytes_, said):
    firm.cut("1")
    firm.promote("dev")
    for path in (firm.store.root / "sha256").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(bytes_)
    [gate] = firm.board().gates
    assert said in gate.missing


def test_a_store_that_does_not_answer_is_asked_once(firm):
    class Silent:
        asked = 0

        def get(self, digest):
            self.asked += 1
            raise Unreachable("s3://models: no route")

    firm.cut("1")
    firm.promote("prod")
    silent = Silent()
    board = replace(firm, store=silent).board()
    assert len(board.gates) == 3
    assert {gate.missing for gate in board.gates} == {"the store does not answer: s3://models: no route"}
    assert silent.asked == 1


def test_a_broken_chain_is_in_the_proof(firm):
    firm.cut("1")
    firm.promote("dev")
    file = firm.repository.root / "environments" / "ledger" / "sums.jsonl"
    file.write_text(file.read_text().replace('"why":"passed', '"why":"never mind, passed'))
    run_git(firm.repository.root, "commit", "-qam", "helped a little")
    assert any("changed after it was written" in one.wanted for one in firm.board().proof.problems)


def test_a_judgement_comes_back_from_json_as_it_was():
    quantile = Quantile(0.99, math.inf, 0.1, math.inf)
    finding = Finding("availability", Verdict.INCONCLUSIVE, 0.5, 0.0, math.inf, 0.1, "not known", 12)
    arms = {"candidate": ArmNumbers(3, 1, (quantile,))}
    judgement = Judgement(Verdict.INCONCLUSIVE, (), ("too few",), arms, (finding,), 15, {"minimum": 3})
    assert read_judgement(judgement.to_json()) == judgement


@pytest.mark.parametrize("value", [None, {}, [], "pass", {"verdict": "pass"}])
def test_what_is_no_judgement_is_none(value):
    assert read_judgement(value) is None
