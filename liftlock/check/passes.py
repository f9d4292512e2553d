"""The passes of a check over a surveyed tree. Each is pure and says how many things it looked at.

Whatever needs pydantic is imported where it is used: a check that finds everything as it was never pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from liftlock.check import rendered
from liftlock.check.schema import SCHEMAS, generate, schema_file
from liftlock.check.tree import MODELINE, Examined, Tree
from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.paths import ENVIRONMENTS, SERVICES, environment_file, service_file
from liftlock.spec.places import WHOLE


@dataclass(frozen=True)
class Pass:
    """One thing that must hold of a tree; `of` names what it counts."""

    name: str
    of: str
    run: Callable[[Tree], Examined]
    stamp: Callable[[Path], str] | None = None
    """Changes when anything the pass reads does; with one, a pass found clean is remembered."""


def services_present(tree: Tree) -> Examined:
    """There is at least one service: a check of nothing proves nothing."""
    problem = Problem(str(SERVICES), 0, 0, WHOLE, "at least one service: nothing was examined (see `liftlock new`)")
    return Examined(len(tree.directories), () if tree.directories else (problem,))


def ensembles(tree: Tree) -> Examined:
    """Every member of an ensemble exists, and no ensemble contains itself by way of others."""
    found = {name: facts for name, facts in tree.services.items() if facts.members}
    problems = [problem for name in found for problem in _missing_members(tree, name)]
    try:
        TopologicalSorter({name: facts.members for name, facts in found.items()}).prepare()
    except CycleError as error:
        circle = list(reversed(error.args[1]))
        problems.append(_at_members(tree, circle[0], f"no circle of ensembles: {' > '.join(circle)}"))
    return Examined(len(tree.directories), tuple(problems))


def _missing_members(tree: Tree, name: str) -> Iterator[Problem]:
    for index, member in enumerate(tree.services[name].members):
        if member not in tree.directories:
            yield _at_members(tree, name, f"a service of this checkout; `{member}` is none", index)


def _at_members(tree: Tree, name: str, wanted: str, index: int | None = None) -> Problem:
    from liftlock.spec.source import problem_at

    field = "model.services" if index is None else f"model.services[{index}]"
    file = service_file(name)
    return problem_at((tree.root / file).read_bytes(), str(file), field, wanted)


def environments(tree: Tree) -> Examined:
    """Every environment.yaml is valid, and together they are one ladder."""
    names = sorted(path.parent.name for path in (tree.root / ENVIRONMENTS).glob("*/environment.yaml"))
    if not names:
        wanted = "at least one <name>/environment.yaml: nothing to release into"
        return Examined(0, (Problem(str(ENVIRONMENTS), 0, 0, WHOLE, wanted),))
    problems: list[Problem] = []
    for name in names:
        problems += _environment_problems(tree, name)
    if not problems:
        problems += _ladder_problems(tree)
    return Examined(len(names), tuple(problems))


def _environment_problems(tree: Tree, name: str) -> Iterator[Problem]:
    from liftlock.environment import load_environment
    from liftlock.spec.source import read

    file = environment_file(name)
    try:
        head = read(tree.root / file, root=tree.root).removeprefix(b"\xef\xbb\xbf")
        load_environment(tree.root, name)
    except InvalidInput as refused:
        yield from refused.problems
        return
    line = MODELINE.format("environment")
    if not head.startswith(line.encode()):
        yield Problem(str(file), 1, 1, WHOLE, f"this first line, for editors: {line}")


def _ladder_problems(tree: Tree) -> tuple[Problem, ...]:
    from liftlock.environment import load_ladder

    try:
        load_ladder(tree.root)
    except InvalidInput as refused:
        return refused.problems
    except LiftlockError as error:
        return (Problem(str(ENVIRONMENTS), 0, 0, WHOLE, str(error)),)
    return ()


def overrides(tree: Tree) -> Examined:
    """No service asks for a rollout looser than an environment's: it would not get it, and nobody would say so."""
    asking = {name: facts.rollout for name, facts in tree.services.items() if facts.rollout is not None}
    problems = [problem for name, rollout in asking.items() for problem in _looser(tree, name, rollout)]
    return Examined(len(tree.directories), tuple(problems))


def _looser(tree: Tree, name: str, rollout: str) -> Iterator[Problem]:
    from liftlock.environment import load_ladder, looser
    from liftlock.spec.model import RolloutOverrides
    from liftlock.spec.source import problem_at

    asked, file = RolloutOverrides.model_validate_json(rollout), service_file(name)
    try:
        ladder = load_ladder(tree.root)
    except LiftlockError:  # which is for the pass that looks at environments to say
        return
    for environment in ladder:
        for field, wanted in looser(environment.rollout, asked):
            wanted = f"{wanted}, as {environment.name} has: a service may only be stricter"
            yield problem_at((tree.root / file).read_bytes(), str(file), f"rollout.{field}", wanted)


def schemas(tree: Tree) -> Examined:
    """The schemas that editors read are the ones this code means."""
    problems = []
    for name in SCHEMAS:
        file = schema_file(name)
        path = tree.root / file
        if not path.is_file() or path.read_bytes() != generate(name):
            wanted = f"the current schema; write it by `liftlock schema {name} --write`"
            problems.append(Problem(str(file), 0, 0, WHOLE, wanted))
    return Examined(len(SCHEMAS), tuple(problems))


def _stamp(*paths: Path) -> str:
    stamps = []
    for path in paths:
        stat = path.stat() if path.is_file() else None
        seen = f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}" if stat else "absent"
        stamps.append(f"{path.parent.name}/{path.name} {seen}")
    return "\n".join(stamps)


def _environments_stamp(root: Path) -> str:
    return _stamp(*sorted((root / ENVIRONMENTS).glob("*/environment.yaml")))


def _schemas_stamp(root: Path) -> str:
    return _stamp(*(root / schema_file(name) for name in SCHEMAS))


# What a whole check runs, in this order, after the services' own examination. Later steps add theirs here.
PASSES: tuple[Pass, ...] = (
    Pass("services", "services", services_present),
    Pass("ensembles", "services", ensembles),
    Pass("environments", "environments", environments, _environments_stamp),
    Pass("overrides", "services", overrides),
    Pass("schemas", "schemas", schemas, _schemas_stamp),
    Pass("manifests", "environments", rendered.manifests, rendered.stamp),
)
