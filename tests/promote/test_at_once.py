"""Many promotions at once into one repository: none is lost, and the evidence of each is whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from liftlock.promote.proof import prove
from liftlock.repository import Repository, run_git
from liftlock.status import read_status
from tests.company import ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(300)
def test_24_promotions_at_once_into_one_repository_lose_nothing(tmp_path):
    remote, seed = tmp_path / "remote.git", tmp_path / "seed"
    run_git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    run_git(tmp_path, "init", "-q", "-b", "main", str(seed))
    for name, text in ENVIRONMENTS.items():
        (seed / "environments" / name).mkdir(parents=True)
        (seed / "environments" / name / "environment.yaml").write_text(text)
    run_git(seed, "add", "-A")
    run_git(seed, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "seed")
    run_git(seed, "push", "-q", str(remote), "main")
    clones = [tmp_path / f"clone-{n}" for n in range(6)]
    for clone in clones:
        run_git(tmp_path, "clone", "-q", str(remote), str(clone))
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.promote.doubles", str(clones[n % 6]), f"service-{n}"],
            cwd=ROOT,
            stderr=subprocess.PIPE,
        )
        for n in range(24)
    ]
    said = [each.communicate(timeout=280)[1].decode() for each in running]
    assert [each.returncode for each in running] == [0] * 24, [words for words in said if words]
    repository = Repository.open(clones[0])
    head = repository.head()
    proof = prove(repository, head)
    assert proof.problems == ()
    assert (proof.services, proof.releases, proof.entries) == (24, 48, 24 * 6)
    assert {row.weight for row in read_status(head)} == {100}
