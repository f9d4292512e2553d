"""The README, as a newcomer would type it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from liftlock.repository import run_git
from liftlock.sites.local.replicas import free_port_base

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
MAKE = [block.split()[1] for block in BLOCKS if block.startswith("make ")]


def test_it_is_short():
    assert len(README.splitlines()) <= 150


def test_its_make_targets_are_there_and_are_what_ci_runs():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert MAKE == ["demo", "test"]
    assert set(MAKE) <= set(targets)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.alone
@pytest.mark.timeout(300)
def test_its_commands_work_line_by_line_in_a_fresh_clone(tmp_path):
    (script,) = [block for block in BLOCKS if not block.startswith("make ")]
    clone = tmp_path / "clone"
    run_git(tmp_path, "clone", "-q", str(ROOT), str(clone))
    run_git(clone, "checkout", "-q", "-B", "main")
    run_git(clone, "remote", "remove", "origin")
    for key, value in {"user.name": "Newcomer", "user.email": "newcomer@localhost"}.items():
        run_git(clone, "config", key, value)
    (clone / ".venv").symlink_to(ROOT / ".venv")
    base = free_port_base()  # a developer's own site may be up at the ports the README names
    env = {key: value for key, value in os.environ.items() if not key.startswith("LIFTLOCK_")}
    env["LIFTLOCK_PORT_BASE"] = str(base)
    script = script.replace("localhost:8481", f"localhost:{base + 1}")
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", script], cwd=clone, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode:
        subprocess.run([ROOT / ".venv/bin/liftlock", "local", "down"], cwd=clone, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"outputs"' in done.stdout
    assert "proved" in done.stdout
