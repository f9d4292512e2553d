"""What check remembers between runs: which services were found clean, by content, and by `stat` where that is proof.

A service whose directory looks to `stat` as it did needs no reading; one whose bytes are as they were needs no parsing.
Only clean services are remembered, and everything is forgotten when Liftlock's own code changes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from liftlock.atomic import write_whole
from liftlock.check.tree import Directory, ServiceFacts
from liftlock.paths import LOCAL_STATE, SERVICES

_FILE = "memory.json"
# A file that changed this shortly before it was looked at may change again within one tick of the file system's clock,
# unseen by `stat`: its bytes are compared instead.
_TICK_NS = 2_000_000_000
# Beyond this a file's content is taken from its stat: models, data.
_LARGEST_READ = 4 << 20


@dataclass(frozen=True)
class Remembered:
    """A clean service: what its directory looked like, what was in it, when that was seen, and its facts."""

    stamp: str
    content: str
    seen_ns: int
    facts: ServiceFacts


class Memory:
    """Clean services by name."""

    def __init__(self, root: Path, entries: dict[str, Remembered], passes: dict[str, list[Any]]) -> None:
        self.root = root
        self.entries = entries
        self.passes = passes
        self.changed = False
        self.started_ns = time.time_ns()  # before anything is looked at

    @classmethod
    def load(cls, root: Path) -> Memory:
        """The memory of a checkout; empty where there is none, or none that this code wrote, or it is damaged."""
        try:
            kept = orjson.loads(_place(root).read_bytes())
            if kept["code"] != code_digest() or kept["seal"] != _seal(kept["services"], kept["passes"]):
                return cls(root, {}, {})
            entries = {name: _entry(values) for name, values in kept["services"].items()}
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            return cls(root, {}, {})
        return cls(root, entries, kept["passes"])

    @staticmethod
    def delete(root: Path) -> None:
        """Forget everything about a checkout."""
        _place(root).unlink(missing_ok=True)

    def recall(self, directory: Directory) -> ServiceFacts | None:
        """The facts of a service that is as it was when it was clean, else None."""
        known = self.entries.get(directory.service)
        if known is None:
            return None
        if known.stamp == directory.stamp and directory.newest_ns + _TICK_NS < known.seen_ns:
            return known.facts
        if known.content != content_digest(self.root, directory, {}, known.facts.handler is not None):
            return None
        self.keep(directory, known.facts, known.content)
        return known.facts

    def keep(self, directory: Directory, facts: ServiceFacts, content: str) -> None:
        """Remember a clean service."""
        self.entries[directory.service] = Remembered(directory.stamp, content, self.started_ns, facts)
        self.changed = True

    def passed(self, name: str, stamp: str) -> int | None:
        """How many things a whole-tree pass looked at when what it reads had this stamp and was in order."""
        known = self.passes.get(name)
        return int(known[1]) if known is not None and known[0] == stamp else None

    def keep_pass(self, name: str, stamp: str, count: int) -> None:
        """Remember that a whole-tree pass found nothing wrong."""
        self.passes[name] = [stamp, count]
        self.changed = True

    def forget(self, services: set[str]) -> None:
        """Drop services that are gone or no longer clean."""
        for service in services & self.entries.keys():
            del self.entries[service]
            self.changed = True

    def save(self) -> None:
        """Write it whole, or not at all; a checkout that cannot be written to is checked without a memory."""
        if not self.changed:
            return
        services = {name: _values(entry) for name, entry in self.entries.items()}
        seal = _seal(services, self.passes)
        data = orjson.dumps({"code": code_digest(), "services": services, "passes": self.passes, "seal": seal})
        with contextlib.suppress(OSError):
            _place(self.root).parent.mkdir(parents=True, exist_ok=True)
            write_whole(_place(self.root), data)


def _place(root: Path) -> Path:
    return root / LOCAL_STATE / "check" / _FILE


def _seal(*parts: object) -> str:
    return hashlib.blake2b(orjson.dumps(parts), digest_size=16).hexdigest()


def _values(entry: Remembered) -> tuple[Any, ...]:
    """An entry as `_entry` reads it; `astuple` would copy every leaf of a thousand of them."""
    return (entry.stamp, entry.content, entry.seen_ns, tuple(vars(entry.facts).values()))


def _entry(values: Any) -> Remembered:
    stamp, content, seen_ns, (name, kind, members, handler, rollout) = values
    return Remembered(stamp, content, seen_ns, ServiceFacts(name, kind, tuple(members), handler, rollout))


def content_digest(root: Path, directory: Directory, read_already: Mapping[str, bytes], handler: bool) -> str:
    """A digest of every file's name and bytes, as far as check looks at them; a large file counts by its stat."""
    digest = hashlib.blake2b(digest_size=16)
    base = f"{root}/{SERVICES}/{directory.service}/"
    for file in directory.files:
        content = read_already.get(file.name)
        if content is None:
            if file.name.endswith(".md") or (file.name.endswith(".py") and not handler):
                content = b"text" if file.size else b""  # only whether there is any is looked at
            elif file.link or file.size > _LARGEST_READ:
                content = file.stamp.encode()
            else:
                content = _bytes(base + file.name)
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _bytes(path: str) -> bytes:
    """A file's bytes; what vanished meanwhile has none."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 (thousands of these a run)
            return file.read()
    except OSError:
        return b""


def code_digest() -> str:
    """Changes with the code that checks, with the interpreter, and with what is installed beside it."""
    digest = hashlib.blake2b(f"{sys.version}\0{sys.executable}".encode(), digest_size=16)
    package = Path(__file__).parent.parent
    for directory in (package, package / "spec", package / "check", package / "render", package.parent / "serving"):
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            stamps = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(".py")]
            for name, stat in sorted(stamps, key=lambda pair: pair[0]):
                digest.update(f"{name} {stat.st_size} {stat.st_mtime_ns}\0".encode())
    with contextlib.suppress(OSError):
        digest.update(str(Path(sysconfig.get_paths()["purelib"]).stat().st_mtime_ns).encode())
    return digest.hexdigest()
