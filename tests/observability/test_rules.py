"""The alert rules, by Prometheus' own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ALERTS = Path(__file__).resolve().parents[2] / "observability" / "alerts"


@pytest.mark.parametrize("command", [["check", "rules", "serving.rules.yaml"], ["test", "rules", "serving.test.yaml"]])
def test_the_rules_are_sound_and_fire_when_they_should(command):
    done = subprocess.run(["promtool", *command], cwd=ALERTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
