"""What commands work with: the checkout they are run in, its store, its site, and who runs them.

Whatever reads no more than git starts in a fraction of a second: the rest is imported where it is used.
"""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from liftlock.cli.names import environments, known, released_services
from liftlock.cli.terminal import Terminal
from liftlock.errors import LiftlockError
from liftlock.paths import SERVICES
from liftlock.repository import GitError, Repository, run_git

if TYPE_CHECKING:
    from liftlock.promote.gates import Gatekeeper
    from liftlock.promote.promoter import Promoter
    from liftlock.promote.rollback import Rollback
    from liftlock.promote.site import Site
    from liftlock.sites.local.layout import Layout
    from liftlock.store import BlobStore


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

    def written(self, service: str) -> str:
        """`service` where the working tree has its directory. Raises LiftlockError naming the nearest that is there."""
        return known("NAME", "a service", service, self._directories())

    def released(self, service: str) -> str:
        """`service` where the working tree or the newest commit knows it: what runs may have lost its directory."""
        directories = self._directories()
        if service in directories:
            return service
        return known("NAME", "a service", service, directories | released_services(self.repository.head()))

    def environment(self, option: str, name: str) -> str:
        """`name` where the newest commit has such an environment. Raises LiftlockError naming those there are."""
        return known(option, "an environment", name, environments(self.repository.head()))

    def _directories(self) -> set[str]:
        from liftlock.check.tree import service_names

        if not (self.root / SERVICES).is_dir():
            raise LiftlockError(f"{self.root}: no {SERVICES}/ in it; run this in a Liftlock checkout")
        return set(service_names(self.root))

    @cached_property
    def store(self) -> BlobStore:
        from liftlock.store import open_store

        return open_store(self.root)

    @cached_property
    def site(self) -> Site:
        from liftlock.sites.local.site import LocalSite

        return LocalSite(self.layout)

    @cached_property
    def layout(self) -> Layout:
        from liftlock.sites.local.layout import Layout

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
        from liftlock.promote.gates import Gatekeeper

        return Gatekeeper(self.root, self.site, self.store, self.terminal.say, self.terminal.progress)

    @cached_property
    def promoter(self) -> Promoter:
        from liftlock.promote.promoter import Promoter

        return Promoter(self.repository, self.site, self.gatekeeper, self.by, self.terminal.say)

    @cached_property
    def rollback(self) -> Rollback:
        from liftlock.promote.rollback import Rollback

        return Rollback(self.repository, self.site, self.by, self.terminal.say)
