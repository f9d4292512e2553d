"""What commands work with: the checkout they are run in, its store, its site, and who runs them."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from liftlock.promote.gates import Gatekeeper
from liftlock.promote.promoter import Promoter
from liftlock.promote.rollback import Rollback
from liftlock.promote.site import Site
from liftlock.repository import GitError, Repository, run_git
from liftlock.sites.local.layout import Layout
from liftlock.sites.local.site import LocalSite
from liftlock.store import BlobStore, open_store

from .terminal import Terminal


@dataclass(frozen=True)
class Workplace:
    """One checkout."""

    repository: Repository
    terminal: Terminal

    @classmethod
    def here(cls) -> Workplace:
        """The checkout around the current directory. Raises LiftlockError outside one."""
        return cls(Repository.open(Path.cwd()), Terminal())

    @property
    def root(self) -> Path:
        return self.repository.root

    @cached_property
    def store(self) -> BlobStore:
        return open_store(self.root)

    @cached_property
    def site(self) -> Site:
        return LocalSite(self.layout)

    @cached_property
    def layout(self) -> Layout:
        return Layout.of(self.root)

    @cached_property
    def by(self) -> str:
        """Who runs this: git's user, else the machine's; in CI the run's own address too."""
        run = os.environ.get("GITHUB_RUN_ID")
        try:
            name = run_git(self.root, "config", "user.name").decode().strip()
        except GitError:
            name = getpass.getuser()
        return f"{name} (run {run})" if run else name

    @cached_property
    def gatekeeper(self) -> Gatekeeper:
        return Gatekeeper(self.root, self.site, self.store, self.terminal.say, self.terminal.progress)

    @cached_property
    def promoter(self) -> Promoter:
        return Promoter(self.repository, self.site, self.gatekeeper, self.by, self.terminal.say)

    @cached_property
    def rollback(self) -> Rollback:
        return Rollback(self.repository, self.site, self.by, self.terminal.say)
