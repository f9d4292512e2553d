"""A scratch clone with a bare remote, so that a person's own checkout stays as it is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from liftlock import paths
from liftlock.repository import Repository, run_git
from liftlock.sites.local import control
from liftlock.sites.local.layout import PORT_VARIABLE, Layout
from liftlock.sites.local.replicas import free_port_base
from liftlock.store import BlobStore, DirectoryStore
from liftlock.store.location import STORE_VARIABLE

BRANCH = "main"


@dataclass(frozen=True)
class Scratch:
    """The clone, and how commands are run in it."""

    root: Path
    env: dict[str, str]

    @property
    def repository(self) -> Repository:
        return Repository.open(self.root, BRANCH)

    @property
    def layout(self) -> Layout:
        return Layout(self.root.resolve(), int(self.env[PORT_VARIABLE]))

    @property
    def store(self) -> BlobStore:
        """The clone's own model store."""
        return DirectoryStore(paths.store_directory(self.root))

    def liftlock(self, *arguments: str, say: Callable[[str], None]) -> int:
        """`liftlock …` as a person would type it, its words passed on line by line; its exit code."""
        command = [sys.executable, "-uP", "-c", "from liftlock.cli import main; main()", *arguments]
        with subprocess.Popen(
            command, cwd=self.root, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as running:
            assert running.stdout is not None  # a pipe was asked for
            for line in running.stdout:
                say(line.rstrip())
        return running.returncode

    def commit(self, message: str) -> None:
        """Commit everything in the clone and push it, as a merged pull request would."""
        run_git(self.root, "add", "-A")
        run_git(self.root, "commit", "-q", "-m", message)
        run_git(self.root, "pull", "-q", "--rebase", "origin", BRANCH)
        run_git(self.root, "push", "-q", "origin", f"HEAD:{BRANCH}")

    def down(self) -> None:
        """Stop the clone's local site."""
        control.down(self.layout)


def make_scratch(checkout: Path) -> Scratch:
    """Clone the checkout's last commit below its `.liftlock/`. An earlier demo there is taken down and replaced."""
    place = checkout / paths.LOCAL_STATE / "demo"
    root = place / "clone"
    _remove(place, root)
    place.mkdir(parents=True)
    remote = place / "remote.git"
    run_git(place, "init", "-q", "--bare", "-b", BRANCH, str(remote))
    run_git(remote, "config", "receive.shallowUpdate", "true")  # CI's clones are shallow
    run_git(checkout, "push", "-q", str(remote), f"HEAD:refs/heads/{BRANCH}")
    run_git(place, "clone", "-q", "-b", BRANCH, str(remote), str(root))
    for key, value in {"user.name": "Demo", "user.email": "demo@localhost"}.items():
        run_git(root, "config", key, value)
    return Scratch(root, _environment())


def _remove(place: Path, root: Path) -> None:
    if not place.exists():
        return
    if (root / ".git").exists():
        control.down(Layout.of(root))
    shutil.rmtree(place)


def _environment() -> dict[str, str]:
    """This process's environment with a port base of its own, and the clone's own store."""
    env = {key: value for key, value in os.environ.items() if key != STORE_VARIABLE}
    if PORT_VARIABLE not in env:
        env[PORT_VARIABLE] = str(free_port_base())
    return env
