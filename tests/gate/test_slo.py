"""How many requests an objective takes."""

from __future__ import annotations

import pytest

from liftlock.bounds import upper_share
from liftlock.slo import LatencyObjective, Objectives, requests_to_pass, required_requests, why_untestable


@pytest.mark.parametrize(
    ("needed", "objectives"),
    [
        (299, Objectives(99.0)),
        (2995, Objectives(99.9)),
        (29956, Objectives(99.99)),
        (2995, Objectives(99.9, (LatencyObjective(0.99, 0.25),))),
        (2995, Objectives(99.0, (LatencyObjective(0.5, 0.1), LatencyObjective(0.999, 1.0)))),
    ],
)
def test_the_strictest_objective_says_how_many_requests(needed: int, objectives: Objectives):
    assert needed == required_requests(objectives)
    allowed = objectives.strictest
    assert upper_share(0, needed, 0.05) <= allowed + 1e-9 < upper_share(0, needed - 1, 0.05)


@pytest.mark.parametrize("bad", [0, 1, 4])
def test_each_bad_request_takes_more_good_ones(bad: int):
    needed = requests_to_pass(Objectives(99.0), bad)
    assert upper_share(bad, needed, 0.05) <= 0.01 < upper_share(bad, needed - 1, 0.05)


def test_more_confidence_takes_more_requests():
    assert required_requests(Objectives(99.0), 0.99) > required_requests(Objectives(99.0), 0.95)


def test_perfection_cannot_be_shown():
    with pytest.raises(ValueError, match="100 %"):
        required_requests(Objectives(100.0))
    assert "100 %" in why_untestable(Objectives(100.0), 1000, 1000)


def test_an_objective_beyond_the_load_says_what_rate_would_do():
    assert why_untestable(Objectives(99.9), 200, 60) == ""
    words = why_untestable(Objectives(99.99), 10, 60)
    assert "29,956 requests" in words
    assert "500/s" in words
