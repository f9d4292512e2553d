"""The next step of a rollout, from the ledger and the route alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from liftlock.conventions import revision_name
from liftlock.ledger import Action, Fact, append, parse
from liftlock.rollout import Admit, Done, Judge, Retire, Route, Shift, Standing, Stopped, next_step

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
WEIGHTS = (5, 25, 50, 100)
START = datetime(2026, 1, 1, tzinfo=UTC)


def fact(action: Action, release: str = NEW, **over) -> Fact:
    return Fact(
        at=START.isoformat(),
        environment="prod",
        action=action,
        release=release,
        revision=revision_name("churn", release),
        by="me",
        why="because",
        **over,
    )


def gate(weight: int, verdict: str = "pass") -> Fact:
    return fact(Action.GATE, weight=weight, verdict=verdict)


def shift(weight: int) -> Fact:
    return fact(Action.SHIFT, weight=weight)


def standing(*facts: Fact, release: str | None = NEW, previous: str | None = OLD, weight: int = 0) -> Standing:
    entries = parse(append(None, "churn", facts))
    route = None
    if release:
        route = Route(service="churn", environment="prod", weights={revision_name("churn", release): weight})
    return Standing("prod", "churn", release, previous, route, entries)


def step(where: Standing, *, after: timedelta = timedelta(0), retry: bool = False):
    return next_step(where, NEW, WEIGHTS, keep_warm=timedelta(hours=1), now=START + after, retry=retry)


ADMITTED = fact(Action.ADMIT)


@pytest.mark.parametrize(
    ("expected", "where"),
    [
        (Admit(NEW), standing(release=None, previous=None)),
        (Admit(NEW), standing(release=OLD, previous=None, weight=100)),
        (Judge(NEW, OLD, 0), standing(ADMITTED)),
        (Judge(NEW, OLD, 0), standing(ADMITTED, gate(0, "inconclusive"))),
        (Shift(NEW, 5), standing(ADMITTED, gate(0))),
        (Judge(NEW, OLD, 5), standing(ADMITTED, gate(0), shift(5), weight=5)),
        (Shift(NEW, 25), standing(ADMITTED, gate(0), shift(5), gate(5), weight=5)),
        (Judge(NEW, OLD, 50), standing(ADMITTED, gate(0), shift(50), weight=50)),
        (Shift(NEW, 100), standing(ADMITTED, gate(0), shift(50), gate(50), weight=50)),
        (Done(NEW), standing(ADMITTED, gate(0), shift(100), weight=100)),
        (Judge(NEW, None, 0), standing(ADMITTED, previous=None)),
        (Shift(NEW, 100), standing(ADMITTED, gate(0), previous=None)),
    ],
)
def test_the_next_step_follows_from_what_was_decided(expected, where):
    assert step(where) == expected


def test_a_pass_from_before_the_release_came_again_does_not_count():
    assert step(standing(ADMITTED, gate(0), fact(Action.ROLLBACK), ADMITTED)) == Judge(NEW, OLD, 0)


def test_a_pass_at_a_weight_does_not_count_after_users_moved():
    moved = standing(ADMITTED, gate(0), shift(5), gate(5), shift(0), shift(5), weight=5)
    assert step(moved) == Judge(NEW, OLD, 5)


def test_another_releases_pass_does_not_count():
    other = fact(Action.GATE, release=OLD, weight=0, verdict="pass")
    assert step(standing(ADMITTED, other)) == Judge(NEW, OLD, 0)


def test_a_release_taken_back_stays_out_until_told_to_retry():
    back = standing(ADMITTED, gate(0, "fail"), fact(Action.ROLLBACK), release=OLD, previous=None, weight=100)
    assert isinstance(step(back), Stopped)
    assert step(back, retry=True) == Admit(NEW)


def test_the_previous_revision_is_kept_warm_for_its_time_and_then_retired():
    done = standing(ADMITTED, gate(0), shift(100), weight=100)
    assert step(done, after=timedelta(minutes=59)) == Done(NEW)
    assert step(done, after=timedelta(minutes=61)) == Retire(NEW, OLD)


def test_every_chain_of_passes_ends_with_all_users():
    facts, weight = [ADMITTED], 0
    for _ in range(20):
        match step(standing(*facts, weight=weight)):
            case Judge(weight=judged):
                facts.append(gate(judged))
            case Shift(weight=given):
                assert given > weight
                weight = given
                facts.append(shift(given))
            case Done():
                break
    assert weight == 100
    assert [entry.weight for entry in facts if entry.action is Action.GATE] == [0, 5, 25, 50]
