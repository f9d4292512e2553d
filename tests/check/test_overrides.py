"""A service may ask for a stricter rollout than an environment's, never a looser one."""

from __future__ import annotations

import pytest

from liftlock.check.report import check
from liftlock.environment import Rollout, for_service, looser
from liftlock.spec.model import RolloutOverrides

STRICT = "rollout: {gate: {margin: 0.1}, weights: [5, 25, 50, 100], keep_warm: 2h}\n"


@pytest.fixture
def guarded(tree):
    """A checkout whose one environment has a rollout of its own."""
    environment = tree / "environments" / "dev" / "environment.yaml"
    environment.write_text(environment.read_text() + STRICT)
    return tree


def ask(tree, rollout):
    file = tree / "model_services" / "onnx" / "service.yaml"
    file.write_text(file.read_text() + f"rollout: {rollout}\n")
    return file.read_text().count("\n")


@pytest.mark.parametrize(
    ("rollout", "column", "expected"),
    [
        ("{gate: {margin: 0.2}}", 26, "rollout.gate.margin: at most 0.1, as dev has: a service may only be stricter"),
        ("{weights: [5, 100]}", 20, "rollout.weights: at least 4 weights, the first at most 5, as dev has"),
        ("{weights: [10, 20, 30, 100]}", 20, "rollout.weights: at least 4 weights, the first at most 5, as dev has"),
        ("{keep_warm: 30m}", 22, "rollout.keep_warm: at least 2h, as dev has"),
    ],
)
def test_a_looser_rollout_is_refused_with_its_place_every_time(guarded, rollout, column, expected):
    line = ask(guarded, rollout)
    for _ in range(2):  # the second time from memory
        [problem] = check(guarded).problems
        assert str(problem).startswith(f"model_services/onnx/service.yaml:{line}:{column}: {expected}")


@pytest.mark.parametrize("rollout", ["{}", "{gate: {margin: 0.05}, weights: [1, 5, 20, 50, 100], keep_warm: 1d}"])
def test_a_stricter_rollout_passes(guarded, rollout):
    ask(guarded, rollout)
    assert check(guarded).problems == ()


def test_what_is_looser_is_what_a_service_does_not_get():
    rollout, asked = Rollout(), RolloutOverrides.model_validate({"gate": {"margin": 0.5}}, strict=True)
    assert for_service(rollout, asked) == rollout
    assert [field for field, _ in looser(rollout, asked)] == ["gate.margin"]


def test_environments_that_cannot_be_read_are_told_once(guarded):
    ask(guarded, "{gate: {margin: 0.2}}")
    (guarded / "environments" / "dev" / "environment.yaml").write_text("name: NO\n")
    assert {problem.file for problem in check(guarded).problems} == {"environments/dev/environment.yaml"}
