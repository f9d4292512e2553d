"""A repository with three environments, and a remote beside it."""

from __future__ import annotations

import pytest

from liftlock.repository import Repository, run_git
from tests.company import ENVIRONMENTS


@pytest.fixture
def repository(tmp_path):
    """A fresh clone of a fresh remote."""
    remote, root = tmp_path / "remote.git", tmp_path / "clone"
    run_git(tmp_path, "init", "-q", "--bare", "-b", "main", str(remote))
    run_git(tmp_path, "clone", "-q", str(remote), str(root))
    run_git(root, "checkout", "-q", "-B", "main")
    for key, value in {"user.name": "Sam", "user.email": "sam@localhost"}.items():
        run_git(root, "config", key, value)
    for name, text in ENVIRONMENTS.items():
        (root / "environments" / name).mkdir(parents=True)
        (root / "environments" / name / "environment.yaml").write_text(text)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "environments")
    run_git(root, "push", "-q", "origin", "main")
    return Repository.open(root)
