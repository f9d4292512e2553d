"""What there is to check: the services of a checkout, each with the files in its directory as `stat` sees them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from liftlock.errors import LiftlockError, Problem
from liftlock.paths import SERVICES

# What tools leave behind; never part of a service.
LITTER = frozenset(
    {"__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".DS_Store", ".venv"}
)
_DEEPEST = 6
MOST_FILES = 2_000
# The first line of every file that has a schema, so that editors know it.
MODELINE = "# yaml-language-server: $schema=../../docs/schema/{}.json"


class File(NamedTuple):
    """One entry below a service's directory, by its path in it."""

    name: str
    size: int
    stamp: str
    """Changes when the file does: inode, size, times of content and of entry."""
    newest_ns: int
    link: bool


@dataclass(frozen=True)
class Directory:
    """A service's directory and what is in it, in order of name."""

    service: str
    files: tuple[File, ...]

    @property
    def stamp(self) -> str:
        """Changes when anything in the directory does."""
        return "\n".join([f"{file.name}\t{file.stamp}" for file in self.files])

    def has(self, name: str) -> bool:
        """Whether there is an entry of this name."""
        return any(file.name == name for file in self.files)

    @property
    def newest_ns(self) -> int:
        """The latest time anything in it changed, nanoseconds."""
        return max((file.newest_ns for file in self.files), default=0)


@dataclass(frozen=True)
class ServiceFacts:
    """What other services' checks need to know of one."""

    name: str
    format: str
    members: tuple[str, ...] = ()
    handler: str | None = None
    rollout: str | None = None
    """Its rollout overrides as JSON; None where it has none."""


@dataclass(frozen=True)
class Tree:
    """A checkout, surveyed: what each pass looks at."""

    root: Path
    services: dict[str, ServiceFacts] = field(default_factory=dict)
    """The services whose own files are in order."""
    directories: tuple[str, ...] = ()
    """Every directory under model_services, in order or not."""


@dataclass(frozen=True)
class Examined:
    """What one pass found, and in how many things: none examined is no proof."""

    count: int
    problems: tuple[Problem, ...] = ()


def find_root(start: Path) -> Path:
    """The checkout `start` lies in: the nearest directory above with model services. Raises LiftlockError."""
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / SERVICES).is_dir():
            return directory
    raise LiftlockError(f"{start}: no {SERVICES}/ here or above; run this in a Liftlock checkout")


def service_names(root: Path) -> list[str]:
    """The directories under model_services, sorted. Links are listed too: the check refuses them."""
    with os.scandir(root / SERVICES) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.name not in LITTER and (entry.is_dir() or entry.is_symlink())
        )


def read_directory(root: Path, service: str) -> Directory:
    """The files of a service by `stat` alone. Sub-directories are entered, links are not."""
    files: list[File] = []
    _scan(os.path.join(root, SERVICES, service), "", files, _DEEPEST)  # noqa: PTH118 (a thousand of these a run)
    return Directory(service, tuple(sorted(files)))


def _scan(directory: str, prefix: str, files: list[File], depth: int) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name in LITTER or entry.name.endswith(".pyc"):
                continue
            if entry.is_dir(follow_symlinks=False) and depth:
                _scan(entry.path, f"{prefix}{entry.name}/", files, depth - 1)
                continue
            info = entry.stat(follow_symlinks=False)
            newest = max(info.st_mtime_ns, info.st_ctime_ns)
            stamp = f"{info.st_ino} {info.st_size} {info.st_mtime_ns} {info.st_ctime_ns}"
            files.append(File(prefix + entry.name, info.st_size, stamp, newest, entry.is_symlink()))
            if len(files) > MOST_FILES:
                return
