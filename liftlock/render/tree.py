"""The generated manifests of a checkout: what they should be, what they are, and the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from liftlock import paths
from liftlock.atomic import write_whole
from liftlock.environment import Environment, load_ladder
from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.release import Release, parse_release
from liftlock.render.manifests import Scene, render_manifests
from liftlock.render.stacks import unknown_stacks
from liftlock.render.text import MADE_BY
from liftlock.rollout import Route
from liftlock.spec.places import WHOLE

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Place:
    """One service in one environment, with the bytes of what says how it runs there."""

    environment: Environment
    service: str
    release: bytes
    previous: bytes | None
    route: bytes | None
    stacks: bytes | None

    @property
    def files(self) -> paths.StateFiles:
        return paths.StateFiles(self.environment.name, self.service)

    def scene(self) -> Scene:
        """The same, parsed. Raises InvalidInput."""
        if self.route is None:
            wanted = "a route beside the release; restore it from git"
            raise InvalidInput([Problem(str(self.files.route), 0, 0, WHOLE, wanted)])
        releases: list[Release] = []
        for text, file in ((self.previous, self.files.previous), (self.release, self.files.release)):
            if text is not None:
                releases.append(parse_release(text, str(file)))
        route = parse_route(self.route, str(self.files.route))
        return Scene(self.environment, self.service, tuple(releases), route, self.stacks)


@dataclass(frozen=True, order=True)
class Drift:
    """One generated file that is not what it should be."""

    path: PurePosixPath
    kind: Literal["stale", "missing", "surplus"]

    @property
    def problem(self) -> Problem:
        said = {
            "stale": "what release, route and environment say now",
            "missing": "this file",
            "surplus": "no such file: nothing is released there",
        }[self.kind]
        return Problem(str(self.path), 0, 0, WHOLE, f"{said}; run `{MADE_BY}` and commit")


def parse_route(text: bytes, file: str) -> Route:
    """Read a route.yaml. Raises InvalidInput unless it is one."""
    try:
        return Route.model_validate(yaml.load(text, Loader=_LOADER))
    except (ValidationError, yaml.YAMLError) as error:
        wanted = f"as Liftlock wrote it; restore it from git ({str(error).splitlines()[0]})"
        raise InvalidInput([Problem(file, 1, 1, WHOLE, wanted)]) from error


def places_in(root: Path) -> Iterator[Place]:
    """Every service with a release in some environment of the working tree. Raises InvalidInput."""
    ladder = load_ladder(root)
    stacks = _bytes(root / paths.STACKS)
    if stacks is not None:
        unknown_stacks(ladder, stacks)
    for environment in ladder:
        for path in sorted((root / paths.ENVIRONMENTS / environment.name).glob("*/release.yaml")):
            files = paths.StateFiles(environment.name, path.parent.name)
            previous, route = _bytes(root / files.previous), _bytes(root / files.route)
            yield Place(environment, path.parent.name, path.read_bytes(), previous, route, stacks)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def render_place(place: Place) -> dict[PurePosixPath, bytes]:
    """A place's manifests. Raises InvalidInput for files that are wrong and for releases that cannot run there."""
    try:
        return render_manifests(place.scene())
    except InvalidInput:
        raise
    except LiftlockError as error:
        file = str(place.files.release)
        raise InvalidInput([Problem(file, 0, 0, WHOLE, line) for line in str(error).splitlines()]) from error


def wanted_manifests(root: Path) -> dict[PurePosixPath, bytes]:
    """Every generated manifest the working tree should have. Raises InvalidInput with the problems of all places."""
    wanted: dict[PurePosixPath, bytes] = {}
    problems: list[Problem] = []
    for place in places_in(root):
        try:
            wanted |= render_place(place)
        except InvalidInput as refused:
            problems += refused.problems
    if problems:
        raise InvalidInput(problems)
    return wanted


def present_manifests(root: Path) -> dict[PurePosixPath, bytes]:
    """The generated manifests the working tree has."""
    found = (root / paths.ENVIRONMENTS).glob("*/manifests/*/*.yaml")
    return {PurePosixPath(path.relative_to(root).as_posix()): path.read_bytes() for path in found}


def drift(wanted: Mapping[PurePosixPath, bytes], present: Mapping[PurePosixPath, bytes]) -> tuple[Drift, ...]:
    """What has to be written or removed, by path."""
    found = [Drift(path, "surplus") for path in present.keys() - wanted.keys()]
    found += [Drift(path, "missing") for path in wanted.keys() - present.keys()]
    found += [Drift(path, "stale") for path in wanted.keys() & present.keys() if present[path] != wanted[path]]
    return tuple(sorted(found))


def write_manifests(root: Path, wanted: Mapping[PurePosixPath, bytes], drifted: tuple[Drift, ...]) -> None:
    """Make the working tree's manifests what they should be."""
    for one in drifted:
        path = root / one.path
        if one.kind == "surplus":
            path.unlink()
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, wanted[one.path])
