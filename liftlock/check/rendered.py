"""The pass that proves the generated manifests current: what `liftlock render` would write is what is there.

A place found current is remembered by the bytes of everything it depends on, so that a thousand services cost reading
them, and only what changed is rendered again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import orjson

from liftlock.atomic import write_whole
from liftlock.check.memory import code_digest
from liftlock.check.tree import Examined, Tree
from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.paths import ENVIRONMENTS, LOCAL_STATE

if TYPE_CHECKING:
    from liftlock.render.tree import Place

Files = Mapping[PurePosixPath, bytes]
_FILE = "manifests.json"


def manifests(tree: Tree) -> Examined:
    """Every generated manifest is current. Counts environments and the files in them."""
    from liftlock.render.tree import Drift, places_in, present_manifests

    present = present_manifests(tree.root)
    left: dict[tuple[str, str], dict[PurePosixPath, bytes]] = defaultdict(dict)
    for path, text in present.items():
        left[path.parts[1], path.stem][path] = text
    known, proved, problems = _recall(tree.root), dict[str, str](), list[Problem]()
    try:
        for place in places_in(tree.root):
            there = left.pop((place.environment.name, place.service), {})
            name, mark = f"{place.environment.name}/{place.service}", _mark(place, there)
            found = [] if known.get(name) == mark else _examine(place, there)
            problems += found
            if not found:
                proved[name] = mark
    except InvalidInput as refused:  # the ladder or the stacks; nothing can be said of any file
        return Examined(1, refused.problems)
    except LiftlockError:  # no environment at all, which is for the pass that looks at them to say
        return Examined(1)
    problems += [Drift(path, "surplus").problem for files in left.values() for path in files]
    if proved != known:
        _keep(tree.root, proved)
    count = len(present) + sum(1 for _ in (tree.root / ENVIRONMENTS).glob("*/environment.yaml"))
    return Examined(count, tuple(problems))


def _examine(place: Place, there: Files) -> list[Problem]:
    from liftlock.render.tree import drift, render_place

    try:
        return [one.problem for one in drift(render_place(place), there)]
    except InvalidInput as refused:
        return list(refused.problems)


def _mark(place: Place, there: Files) -> str:
    """Changes with anything the place's manifests depend on, and with the manifests."""
    digest = hashlib.blake2b(repr(place.environment).encode(), digest_size=16)
    texts = (place.release, place.previous, place.route, place.stacks)
    for part in (*texts, *(part for path in sorted(there) for part in (str(path).encode(), there[path]))):
        digest.update(b"-" if part is None else f"{len(part)}:".encode() + part)
    return digest.hexdigest()


def _place(root: Path) -> Path:
    return root / LOCAL_STATE / "check" / _FILE


def _recall(root: Path) -> dict[str, str]:
    """What was current when this code looked last; nothing where that is not to be had."""
    try:
        kept = orjson.loads(_place(root).read_bytes())
        return dict(kept["places"]) if kept["code"] == code_digest() else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _keep(root: Path, places: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # a checkout that cannot be written to is checked without a memory
        _place(root).parent.mkdir(parents=True, exist_ok=True)
        write_whole(_place(root), orjson.dumps({"code": code_digest(), "places": places}))


def stamp(root: Path) -> str:
    """Changes when any file under environments/ does."""
    lines: list[str] = []
    if (root / ENVIRONMENTS).is_dir():
        _look(f"{root}/{ENVIRONMENTS}", "", lines)
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def _look(directory: str, prefix: str, lines: list[str]) -> None:
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _look(entry.path, f"{prefix}{entry.name}/", lines)
            elif entry.name.endswith(".yaml"):
                stat = entry.stat(follow_symlinks=False)
                seen = f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
                lines.append(f"{prefix}{entry.name} {seen}")
