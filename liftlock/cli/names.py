"""Names typed at the command line: held against what exists before one of them becomes part of a path."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from liftlock import paths
from liftlock.errors import LiftlockError

if TYPE_CHECKING:
    from liftlock.repository import Snapshot

_MOST_LISTED = 8


def known(option: str, kind: str, typed: str, names: Collection[str]) -> str:
    """`typed` where it is one of `names`. Raises LiftlockError with the nearest of them, or what there is."""
    if typed in names:
        return typed
    shown = ascii(typed if len(typed) <= 60 else typed[:57] + "...")
    close = get_close_matches(typed, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there {_listed(sorted(names))}"
    raise LiftlockError(f"{option}: {kind} of this checkout is wanted, not {shown}; {hint}")


def _listed(names: list[str]) -> str:
    if not names:
        return "is none"
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{'are' if len(names) > 1 else 'is'} {', '.join(names[:_MOST_LISTED])}{more}"


def released_services(snapshot: Snapshot) -> set[str]:
    """The services that a commit has a release or a decision of, whether or not their directory still exists."""
    return set(_services(snapshot.paths(paths.ENVIRONMENTS)))


def _services(files: Iterable[PurePosixPath]) -> Iterable[str]:
    for file in files:
        if file.name == "release.yaml" and len(file.parts) == 4:
            yield file.parts[2]
        elif file.suffix == ".jsonl" and file == paths.ledger(file.stem):
            yield file.stem


def environments(snapshot: Snapshot) -> tuple[str, ...]:
    """The names of a commit's environments."""
    files = snapshot.paths(paths.ENVIRONMENTS)
    return tuple(file.parts[1] for file in files if file == paths.environment_file(file.parts[1]))
