"""One check of a checkout, from its services to a report of everything that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftlock.check.memory import Memory
from liftlock.check.passes import PASSES, Pass
from liftlock.check.survey import Survey, survey
from liftlock.check.tree import Examined, Tree
from liftlock.errors import LiftlockError, Problem
from liftlock.paths import SERVICES


@dataclass(frozen=True)
class Report:
    """What a check found, and how much it looked at: counts by pass, and what had to be read for them."""

    problems: tuple[Problem, ...]
    services: int
    examined: tuple[str, ...]
    files_parsed: int
    passes: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        problems = [vars(problem) for problem in self.problems]
        counts = {"services": self.services, "services_parsed": list(self.examined), "files_parsed": self.files_parsed}
        return {"ok": not self.problems, "problems": problems, **counts, "passes": self.passes}

    def summary(self) -> str:
        """The report in one line."""
        counts = ", ".join(f"{name} {count}" for name, count in self.passes.items())
        read = f"{len(self.examined)} read, {self.files_parsed} files parsed"
        return f"checked {self.services} services ({read}); {counts}"


def check(root: Path, paths: tuple[Path, ...] = ()) -> Report:
    """Check a whole checkout, or only the services that `paths` lie in. Raises LiftlockError for a path in none."""
    memory = Memory.load(root)
    only = _chosen(root, paths) if paths else None
    surveyed = survey(root, memory, only)
    examined = {} if only is not None else {one.name: _run(one, surveyed.tree, memory) for one in PASSES}
    memory.save()
    return _report(surveyed, examined, len(only) if only is not None else len(surveyed.tree.directories))


def _report(surveyed: Survey, examined: dict[str, Examined], services: int) -> Report:
    found = [*surveyed.problems, *(problem for one in examined.values() for problem in one.problems)]
    passes = {name: one.count for name, one in examined.items()}
    return Report(tuple(sorted(set(found))), services, surveyed.examined, surveyed.files_parsed, passes)


def _run(one: Pass, tree: Tree, memory: Memory) -> Examined:
    """A pass's result, from memory where nothing it reads has changed."""
    stamp = one.stamp(tree.root) if one.stamp else None
    if stamp is not None and (count := memory.passed(one.name, stamp)) is not None:
        return Examined(count)
    examined = one.run(tree)
    if examined.count == 0 and not examined.problems:
        nothing = Problem(".", 0, 0, one.name, f"some {one.of}: this pass examined nothing")
        examined = Examined(0, (nothing,))
    if stamp is not None and not examined.problems:
        memory.keep_pass(one.name, stamp, examined.count)
    return examined


def _chosen(root: Path, paths: tuple[Path, ...]) -> frozenset[str]:
    """The services that paths lie in."""
    names = set()
    for path in paths:
        absolute = Path.cwd() / path
        parts = absolute.relative_to(root).parts if absolute.is_relative_to(root) else ()
        if parts[:1] != (str(SERVICES),) or not (root / SERVICES / "/".join(parts[1:2])).exists():
            raise LiftlockError(f"{path}: a service's directory or a file in one, under {SERVICES}/, is wanted")
        names |= set(parts[1:2]) or {entry.name for entry in (root / SERVICES).iterdir() if entry.is_dir()}
    return frozenset(names)
