"""Git as the only state: read a commit whole, change it by compare-and-swap, leave a person's own changes alone.

Commits are made by plumbing (a temporary index, `commit-tree`) and take effect by one atomic act: a push that git
refuses unless it is a fast-forward, or, without a remote, `update-ref` with the expected old value. Whoever loses
the race decides again on the new state.
"""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

from liftlock.errors import LiftlockError, Unreachable

# A loser of the race waits this long (seconds, doubled up to the second value, randomised) before it decides again.
BACKOFF_S = (0.02, 0.5)
# Attempts before a transaction gives up: 24 writers at once need about 24; a hundred means something else is wrong.
ATTEMPTS = 200
NO_COMMIT = "0" * 40


class GitError(LiftlockError):
    """Git refused: the message is git's own."""


@dataclass(frozen=True)
class Change:
    """What a transaction writes: whole files by path, `None` to delete, and why."""

    message: str
    files: Mapping[PurePosixPath, bytes | None]


def run_git(root: Path, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None) -> bytes:
    """Run git in `root` and return what it printed. Raises GitError with git's own words."""
    command = ["git", "-C", str(root), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, env={**os.environ, **(env or {})}, check=False)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        raise GitError(f"git {arguments[0]}: {said}")
    return done.stdout


@dataclass(frozen=True)
class Snapshot:
    """One commit, read lazily. Equal commits are equal snapshots."""

    root: Path = field(compare=False)
    commit: str

    @cached_property
    def _blobs(self) -> dict[PurePosixPath, str]:
        return _list_blobs(self.root, self.commit, "environments")

    def read(self, path: PurePosixPath) -> bytes | None:
        """The file's bytes, or None where the commit has no such file."""
        if path.parts[0] == "environments":
            blob = self._blobs.get(path)
            return None if blob is None else run_git(self.root, "cat-file", "blob", blob)
        try:
            return run_git(self.root, "cat-file", "blob", f"{self.commit}:{path}")
        except GitError:
            return None

    def paths(self, under: PurePosixPath) -> tuple[PurePosixPath, ...]:
        """Every file of `environments/` below `under`, sorted."""
        return tuple(sorted(path for path in self._blobs if path.is_relative_to(under)))

    def read_many(self, paths: tuple[PurePosixPath, ...]) -> dict[PurePosixPath, bytes]:
        """Many files in one git process; absent ones are left out."""
        wanted = [(path, self._blobs[path]) for path in paths if path in self._blobs]
        if not wanted:
            return {}
        names = "".join(f"{blob}\n" for _, blob in wanted).encode()
        out = run_git(self.root, "cat-file", "--batch", stdin=names)
        return dict(zip((path for path, _ in wanted), _split_batch(out), strict=True))


def _list_blobs(root: Path, commit: str, folder: str) -> dict[PurePosixPath, str]:
    listing = run_git(root, "ls-tree", "-r", "-z", "--full-tree", commit, "--", folder).decode()
    found = {}
    for row in filter(None, listing.split("\0")):
        meta, path = row.split("\t", 1)
        found[PurePosixPath(path)] = meta.split()[2]
    return found


def _split_batch(out: bytes) -> Iterator[bytes]:
    """The contents in `git cat-file --batch` output: `<oid> blob <size>\\n<bytes>\\n` repeated."""
    at = 0
    while at < len(out):
        end = out.index(b"\n", at)
        size = int(out[at:end].split()[2])
        yield out[end + 1 : end + 1 + size]
        at = end + 1 + size + 1


@dataclass(frozen=True)
class Repository:
    """A checkout and the branch that says what runs. `remote` is None where the checkout itself is the only copy."""

    root: Path
    remote: str | None
    branch: str = "main"

    @classmethod
    def open(cls, root: Path, branch: str = "main") -> Repository:
        """The repository around `root`; its remote is `origin` where that exists."""
        try:
            top = Path(run_git(root, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
            remotes = run_git(top, "remote").decode().split()
        except (GitError, FileNotFoundError, NotADirectoryError) as error:
            raise LiftlockError(
                f"{root}: not a git checkout; run this inside a clone of your Liftlock repository"
            ) from error
        return cls(top, "origin" if "origin" in remotes else None, branch)

    @cached_property
    def git_directory(self) -> Path:
        return Path(run_git(self.root, "rev-parse", "--absolute-git-dir").decode().rstrip("\n"))

    @property
    def watched(self) -> Path | None:
        """The git directory whose branch says what runs, if it is on this machine."""
        if self.remote is None:
            return self.git_directory
        url = run_git(self.root, "remote", "get-url", self.remote).decode().strip().removeprefix("file://")
        path = (self.root / url).resolve()
        if (path / "HEAD").is_file():
            return path
        return path / ".git" if (path / ".git" / "HEAD").is_file() else None

    def head(self) -> Snapshot:
        """The newest commit of the branch. Raises Unreachable where the remote does not answer."""
        if self.remote is None:
            return Snapshot(self.root, self._resolve(f"refs/heads/{self.branch}"))
        ref = f"refs/remotes/{self.remote}/{self.branch}"
        try:
            run_git(self.root, "fetch", "--quiet", "--no-tags", self.remote, f"+refs/heads/{self.branch}:{ref}")
        except GitError as error:
            # Two fetches at once may fight over the ref's lock; the loser reads what the winner wrote.
            if "cannot lock ref" not in str(error):
                raise Unreachable(f"{self.remote}: {error}") from error
        return Snapshot(self.root, self._resolve(ref))

    def at(self, commit: str) -> Snapshot:
        return Snapshot(self.root, commit)

    def _resolve(self, ref: str) -> str:
        try:
            return run_git(self.root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").decode().strip()
        except GitError as error:
            raise LiftlockError(self._no_commit()) from error

    def _no_commit(self) -> str:
        """Why there is nothing to read, and the way out."""
        said = f"branch {self.branch!r}, which says what runs, has no commit yet"
        on = run_git(self.root, "branch", "--show-current").decode().strip()
        if self.remote is not None:
            return f"{said} at {self.remote}: git push {self.remote} HEAD:{self.branch}"
        if on not in ("", self.branch):
            return f"{said}; you are on {on!r}: git branch -m {self.branch}"
        return f"{said}: commit something first"

    def transact(self, decide: Callable[[Snapshot], Change | None]) -> Snapshot:
        """Apply what `decide` wants on the newest commit, atomically; None means there is nothing to do.

        `decide` is called again on the new state whenever somebody else was faster: a function of its argument.
        Returns the commit that holds after it. Raises Unreachable after too many lost races.
        """
        wait = BACKOFF_S[0]
        with self._one_writer():
            for _ in range(ATTEMPTS):
                base = self.head()
                change = decide(base)
                if change is None:
                    return base
                commit = self._commit(base, change)
                if commit == base.commit:
                    return base
                if self._publish(base.commit, commit):
                    self._follow(base.commit, commit)
                    return self.at(commit)
                time.sleep(random.uniform(0, wait))
                wait = min(2 * wait, BACKOFF_S[1])
        raise Unreachable(f"gave up after {ATTEMPTS} attempts: others change {self.branch} without pause")

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Writers of one clone queue up here instead of racing; the lock goes with the process that holds it."""
        with (self.git_directory / "liftlock.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _commit(self, base: Snapshot, change: Change) -> str:
        with tempfile.TemporaryDirectory(prefix="liftlock-index-") as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            run_git(self.root, "read-tree", base.commit, env=env)
            rows = [self._index_row(path, data) for path, data in change.files.items()]
            run_git(self.root, "update-index", "-z", "--index-info", stdin=b"".join(rows), env=env)
            tree = run_git(self.root, "write-tree", env=env).decode().strip()
        if tree == run_git(self.root, "rev-parse", f"{base.commit}^{{tree}}").decode().strip():
            return base.commit
        made = run_git(
            self.root, "commit-tree", tree, "-p", base.commit, stdin=change.message.encode(), env=self._identity
        )
        return made.decode().strip()

    def _index_row(self, path: PurePosixPath, data: bytes | None) -> bytes:
        if data is None:
            return f"0 {NO_COMMIT}\t{path}\0".encode()
        blob = run_git(self.root, "hash-object", "-w", "--stdin", stdin=data).decode().strip()
        return f"100644 {blob}\t{path}\0".encode()

    @cached_property
    def _identity(self) -> dict[str, str]:
        """Who commits: the person git knows, else Liftlock itself."""
        try:
            run_git(self.root, "var", "GIT_COMMITTER_IDENT")
            run_git(self.root, "config", "user.email")
        except GitError:
            names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")
            emails = ("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL")
            return dict.fromkeys(names, "Liftlock") | dict.fromkeys(emails, "liftlock@localhost")
        return {}

    def _publish(self, old: str, new: str) -> bool:
        """The compare-and-swap: True if `new` is now the branch's newest commit, False if somebody was faster."""
        try:
            if self.remote is None:
                run_git(self.root, "update-ref", f"refs/heads/{self.branch}", new, old)
            else:
                run_git(self.root, "push", "--quiet", self.remote, f"{new}:refs/heads/{self.branch}")
        except GitError as error:
            if _lost_the_race(str(error)):
                return False
            raise Unreachable(f"cannot publish to {self.branch}: {error}") from error
        return True

    def _follow(self, old: str, new: str) -> None:
        """Bring the working tree along where it stood at `old` with nothing in the way; otherwise leave it."""
        if run_git(self.root, "rev-parse", "--is-bare-repository").strip() == b"true":
            return
        head = run_git(self.root, "rev-parse", "--symbolic-full-name", "HEAD").decode().strip()
        if head != f"refs/heads/{self.branch}":
            return
        try:
            if self.remote is None:
                run_git(self.root, "read-tree", "-m", "-u", old, new)
            elif run_git(self.root, "rev-parse", "HEAD").decode().strip() == old:
                run_git(self.root, "merge", "--quiet", "--ff-only", new)
        except GitError:
            return

    def dirty(self, under: PurePosixPath) -> tuple[str, ...]:
        """Files below `under` whose content is not committed (changed or untracked)."""
        rows = run_git(self.root, "status", "--porcelain", "-z", "--untracked-files=all", "--", str(under)).decode()
        return tuple(row[3:] for row in rows.split("\0") if len(row) > 3)

    def current_commit(self) -> str:
        """The commit checked out here."""
        return self._resolve("HEAD")


def _lost_the_race(said: str) -> bool:
    signs = ("fetch first", "non-fast-forward", "cannot lock ref", "failed to update ref", "but expected", "stale info")
    return any(sign in said for sign in signs)
