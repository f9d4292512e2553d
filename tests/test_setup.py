"""What set-up leaves on a machine, and what it says where it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import testinfra

ROOT = Path(__file__).resolve().parents[1]
SETUP = ROOT / "requirements" / "setup.sh"
host = testinfra.get_host("local://")


@pytest.mark.parametrize("program", ["haproxy", "prometheus", "prometheus-alertmanager", "git"])
def test_the_servers_are_on_the_path(program):
    assert host.exists(program)


def test_every_locked_package_has_a_hash_and_no_file_names_a_registry():
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        pins = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
        assert pins
        assert all(line.rstrip().endswith("\\") for line in pins), lock.name
        assert "https://" not in text


def run(path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": path}
    return subprocess.run(["/bin/sh", str(SETUP), *arguments], env=env, capture_output=True, text=True, check=False)


def test_again_it_does_nothing():
    done = run(os.environ["PATH"])
    assert done.returncode == 0, done.stderr
    assert done.stdout == "setup: ready\n"


def test_without_apt_it_names_what_to_install_and_stops(tmp_path):
    for program in ("sh", "dirname", "id", "cat", "sha256sum", "cut", "python3", "git"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    done = run(str(tmp_path))
    assert done.returncode == 4
    assert "apt-get is not here; install haproxy prometheus prometheus-alertmanager" in done.stderr
