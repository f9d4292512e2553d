"""Git as state: compare-and-swap, nothing lost, a person's own changes left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from liftlock.errors import LiftlockError, Unreachable
from liftlock.repository import Change, Repository, run_git

NOTE = PurePosixPath("environments/dev/churn/release.yaml")


def commit_files(root: Path, files: dict[str, str], message: str = "seed") -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    run_git(root, "add", "-A")
    run_git(root, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", message)


@pytest.fixture
def alone(tmp_path):
    """A checkout without a remote."""
    root = tmp_path / "alone"
    run_git(tmp_path, "init", "-q", "-b", "main", str(root))
    commit_files(root, {"README.md": "hello\n"})
    return Repository.open(root)


@pytest.fixture
def remote(tmp_path, alone):
    """A bare remote with one commit."""
    bare = tmp_path / "remote.git"
    run_git(tmp_path, "clone", "-q", "--bare", str(alone.root), str(bare))
    return bare


def clone(remote: Path, into: Path) -> Repository:
    run_git(remote, "clone", "-q", str(remote), str(into))
    return Repository.open(into)


@pytest.fixture(params=["alone", "cloned"])
def repository(request, tmp_path):
    if request.param == "alone":
        return request.getfixturevalue("alone")
    return clone(request.getfixturevalue("remote"), tmp_path / "clone")


def write(text: bytes | None):
    return lambda _: Change("a reason", {NOTE: text})


def test_a_change_is_one_commit_with_its_reason(repository):
    before = repository.head().commit
    after = repository.transact(write(b"one"))
    assert after.read(NOTE) == b"one"
    assert run_git(repository.root, "rev-parse", f"{after.commit}^").decode().strip() == before
    assert run_git(repository.root, "log", "-1", "--format=%s", after.commit).decode().strip() == "a reason"
    assert repository.head() == after


def test_the_working_tree_follows_where_nothing_is_in_the_way(repository):
    repository.transact(write(b"one"))
    assert (repository.root / NOTE).read_bytes() == b"one"
    assert run_git(repository.root, "status", "--porcelain") == b""


def test_a_persons_own_edit_survives(repository):
    repository.transact(write(b"one"))
    (repository.root / NOTE).write_text("mine")
    assert repository.transact(write(b"two")).read(NOTE) == b"two"
    assert (repository.root / NOTE).read_text() == "mine"


def test_nothing_to_do_makes_no_commit(repository):
    before = repository.transact(write(b"one"))
    assert repository.transact(lambda _: None) == before
    assert repository.transact(write(b"one")) == before


def test_a_file_is_deleted_by_none(repository):
    repository.transact(write(b"one"))
    assert repository.transact(write(None)).read(NOTE) is None


def test_many_files_are_read_in_one_go(repository):
    paths = tuple(PurePosixPath(f"environments/dev/s{n}/release.yaml") for n in range(5))
    head = repository.transact(lambda _: Change("many", {path: f"{path}\n\n".encode() for path in paths}))
    absent = PurePosixPath("environments/dev/none/release.yaml")
    assert head.read_many((*paths, absent)) == {path: f"{path}\n\n".encode() for path in paths}
    assert head.paths(PurePosixPath("environments/dev")) == paths


def test_the_loser_of_a_race_decides_again_on_the_new_state(remote, tmp_path):
    mine, theirs = clone(remote, tmp_path / "mine"), clone(remote, tmp_path / "theirs")
    seen = []

    def decide(base):
        if not seen:
            theirs.transact(write(b"theirs"))
        seen.append(base.read(NOTE))
        return Change("append", {NOTE: (base.read(NOTE) or b"") + b" mine"})

    assert mine.transact(decide).read(NOTE) == b"theirs mine"
    assert seen == [None, b"theirs"]


WRITER = """
import sys
from pathlib import Path, PurePosixPath
from liftlock.repository import Change, Repository
path = PurePosixPath("environments/ledger/shared.jsonl")
def decide(base):
    return Change(f"writer {sys.argv[2]}", {path: (base.read(path) or b"") + f"{sys.argv[2]}\\n".encode()})
Repository.open(Path(sys.argv[1])).transact(decide)
"""


def test_24_writers_at_once_lose_nothing(remote, tmp_path):
    roots = [clone(remote, tmp_path / f"clone-{n}").root for n in range(8)]
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(roots[n % 8]), str(n)], stderr=subprocess.PIPE)
        for n in range(24)
    ]
    failures = [writer.communicate(timeout=100)[1] for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 24, failures
    head = clone(remote, tmp_path / "after").head()
    lines = head.read(PurePosixPath("environments/ledger/shared.jsonl")).split()
    assert sorted(lines, key=int) == [str(n).encode() for n in range(24)]


def test_outside_a_checkout_the_error_says_what_to_do(tmp_path):
    with pytest.raises(LiftlockError, match="inside a clone"):
        Repository.open(tmp_path)


def test_a_branch_without_a_commit_is_named(tmp_path):
    run_git(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(LiftlockError, match="'main', which says what runs, has no commit yet"):
        Repository.open(tmp_path).head()


def test_another_branch_is_named_with_the_way_to_the_right_one(tmp_path):
    run_git(tmp_path, "init", "-q", "-b", "master")
    commit_files(tmp_path, {"README.md": "hello\n"})
    with pytest.raises(LiftlockError, match="you are on 'master': git branch -m main"):
        Repository.open(tmp_path).head()


def test_a_remote_that_is_gone_is_unreachable(remote, tmp_path):
    repository = clone(remote, tmp_path / "clone")
    remote.rename(tmp_path / "moved")
    with pytest.raises(Unreachable, match="origin"):
        repository.head()


def test_the_watched_git_directory_is_the_one_that_says_what_runs(repository, remote):
    assert repository.watched == (repository.git_directory if repository.remote is None else remote)


def test_uncommitted_files_are_listed(repository):
    assert repository.dirty(PurePosixPath(".")) == ()
    (repository.root / "new.txt").write_text("x")
    assert repository.dirty(PurePosixPath(".")) == ("new.txt",)
