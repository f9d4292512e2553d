"""All services of a checkout, examined: those that changed by reading them, the others from memory."""

from __future__ import annotations

import gc
import os
import pickle
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from liftlock.check.handlers import HandlerFile, HandlerImports
from liftlock.check.memory import Memory
from liftlock.check.tree import Directory, Tree, read_directory, service_names
from liftlock.errors import Problem
from liftlock.paths import SERVICES, service_directory

if TYPE_CHECKING:
    from liftlock.check.service import Outcome

# Below this many services for each process a second one costs more than it saves.
_WORTH_A_PROCESS = 40


@dataclass(frozen=True)
class Survey:
    """A surveyed tree, its services' own problems, and how much had to be read for it."""

    tree: Tree
    problems: tuple[Problem, ...]
    examined: tuple[str, ...]
    """The services whose files were parsed this time."""
    files_parsed: int


def survey(root: Path, memory: Memory, only: frozenset[str] | None = None) -> Survey:
    """Examine every service of the checkout, or `only` those; the clean ones are kept in `memory`."""
    collecting = gc.isenabled()
    gc.disable()  # thousands of small frozen values and no cycle among them
    try:
        return _survey(root, memory, only)
    finally:
        if collecting:
            gc.enable()


def _survey(root: Path, memory: Memory, only: frozenset[str] | None) -> Survey:
    names = service_names(root)
    chosen = [name for name in names if only is None or name in only]
    memory.forget(set(memory.entries) - set(names))
    facts, changed = {}, []
    for name in chosen:
        directory = read_directory(root, name)
        known = memory.recall(directory)
        if known is None:
            changed.append(directory)
        else:
            facts[name] = known
    outcomes, problems = _examine_all(root, changed)
    facts.update({outcome.service: outcome.facts for outcome in outcomes if outcome.facts})
    _remember(memory, changed, outcomes, problems)
    tree = Tree(root, facts, tuple(names))
    parsed = sum(outcome.parsed for outcome in outcomes)
    return Survey(tree, problems, tuple(directory.service for directory in changed), parsed)


def _examine_all(root: Path, changed: Sequence[Directory]) -> tuple[list[Outcome], tuple[Problem, ...]]:
    """Examine directories in as many processes as pay; files called handler.py are imported meanwhile."""
    likely = [HandlerFile(f"{service_directory(one.service)}/handler.py") for one in changed if one.has("handler.py")]
    imports = HandlerImports(root, likely)
    outcomes = _in_processes(root, changed)
    named = _handlers(outcomes)
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    problems += [problem for handler, problem in imports.problems() if handler in named]
    late = HandlerImports(root, sorted(named - set(likely)))
    problems += [problem for _, problem in late.problems()]
    return outcomes, tuple(problems)


def _handlers(outcomes: Iterable[Outcome]) -> set[HandlerFile]:
    """The handlers that specs name."""
    facts = [outcome.facts for outcome in outcomes if outcome.facts is not None]
    return {HandlerFile(f"{service_directory(one.name)}/{one.handler}") for one in facts if one.handler}


def _in_processes(root: Path, changed: Sequence[Directory]) -> list[Outcome]:
    """Examine directories here, and in a forked process for every further core where there is work for it."""
    if not changed:
        return []
    import liftlock.check.service  # noqa: F401 (once, before the processes part)

    count = min(len(os.sched_getaffinity(0)), len(changed) // _WORTH_A_PROCESS) or 1
    shares = [changed[index::count] for index in range(count)]
    helpers = [_Helper(root, share) for share in shares[1:]]
    outcomes = _examine_here(root, shares[0])
    for helper in helpers:
        outcomes += helper.outcomes()
    return outcomes


def _examine_here(root: Path, directories: Sequence[Directory]) -> list[Outcome]:
    # Here, so that handlers import on another core while this does, and a check that finds nothing changed never pays.
    from liftlock.check.service import examine

    return [examine(root, directory) for directory in directories]


class _Helper:
    """A forked process that examines its share and sends back what it found."""

    def __init__(self, root: Path, share: Sequence[Directory]) -> None:
        self.root, self.share = root, share
        reading, writing = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            self._work(writing)
        os.close(writing)
        self.reading = os.fdopen(reading, "rb")

    def _work(self, writing: int) -> NoReturn:
        """In the child: never returns, and never runs the parent's clean-up."""
        try:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(_examine_here(self.root, self.share), pipe)
        finally:
            os._exit(0)

    def outcomes(self) -> list[Outcome]:
        """What the child found; its share examined here, so that the fault shows, should it have ended early."""
        with self.reading as pipe:
            data = pipe.read()
        os.waitpid(self.pid, 0)
        try:
            outcomes: list[Outcome] = pickle.loads(data)
        except (EOFError, pickle.UnpicklingError):
            return _examine_here(self.root, self.share)
        return outcomes


def _remember(
    memory: Memory, changed: Sequence[Directory], outcomes: Iterable[Outcome], problems: Sequence[Problem]
) -> None:
    """Keep the clean services, drop the others."""
    faulty = {PurePosixPath(problem.file).parts[1] for problem in problems if problem.file.startswith(f"{SERVICES}/")}
    directories = {directory.service: directory for directory in changed}
    memory.forget(set(directories))
    for outcome in outcomes:
        if outcome.facts is not None and outcome.service not in faulty:
            memory.keep(directories[outcome.service], outcome.facts, outcome.content)
