"""Proving the evidence from git alone: chains whole, history only appended to, everything in prod passed in staging."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from pydantic import ValidationError

from liftlock import ledger, paths
from liftlock.environment import Environment, read_ladder, services_in
from liftlock.errors import InvalidInput, Problem
from liftlock.ledger import Action, Entry
from liftlock.promote.state import Held, gate_text, read_held
from liftlock.repository import Repository, Snapshot, run_git

LEDGERS = paths.ENVIRONMENTS / "ledger"
# Starts a commit in git's log; no path and no hash has it.
COMMIT_MARK = "\x1e"


@dataclass(frozen=True)
class Proof:
    """What was examined, and what does not hold."""

    services: int
    entries: int
    releases: int  # running, over all environments
    commits: int  # that changed a ledger
    problems: tuple[Problem, ...]


def prove(repository: Repository, snapshot: Snapshot) -> Proof:
    """Examine every ledger and everything that runs at `snapshot`."""
    problems: list[Problem] = []
    ladder = read_ladder(snapshot)
    files = snapshot.read_many(snapshot.paths(LEDGERS))
    chains: dict[str, tuple[Entry, ...]] = {}
    for path, text in files.items():
        broken = tuple(ledger.chain_problems(str(path), text))
        problems += broken
        if not broken:
            chains[path.stem] = ledger.parse(text)
            problems += _order_problems(path, chains[path.stem], ladder)
    releases = 0
    for environment in ladder:
        for service in services_in(snapshot, environment.name):
            releases += 1
            problems += _running_problems(snapshot, environment, service, chains.get(service, ()))
    commits, rewritten = _history(repository, snapshot)
    problems += rewritten
    return Proof(len(files), sum(map(len, chains.values())), releases, commits, tuple(sorted(set(problems))))


def _order_problems(
    path: PurePosixPath, entries: tuple[Entry, ...], ladder: tuple[Environment, ...]
) -> Iterator[Problem]:
    """Nothing came to an environment without having finished in the one before it, or moved users without a pass."""
    before = {environment.name: environment.after for environment in ladder}
    for number, entry in enumerate(entries):
        sofar, line = entries[:number], number + 1
        if entry.environment not in before:
            yield Problem(str(path), line, 1, "environment", f"one of {', '.join(before)}, not {entry.environment}")
        elif entry.action is Action.ADMIT and not _had_the_right(sofar, entry, before[entry.environment]):
            wanted = f"a release that had passed in {before[entry.environment]}; {entry.revision} had not"
            yield Problem(str(path), line, 1, "release", wanted)
        elif entry.action is Action.SHIFT and entry.weight and not _had_passed(sofar, entry):
            yield Problem(
                str(path), line, 1, "weight", f"a pass of {entry.revision} before it got {entry.weight} % of users"
            )


def _had_the_right(sofar: tuple[Entry, ...], entry: Entry, after: str | None) -> bool:
    if after is None or ledger.finished(sofar, after, entry.release):
        return True
    # Started again to go back to: it had all users of this very environment before.
    return any(
        old.release == entry.release and old.environment == entry.environment and old.weight == ledger.FULL
        for old in sofar
    )


def _had_passed(sofar: tuple[Entry, ...], entry: Entry) -> bool:
    return any(
        old.action is Action.GATE
        and old.verdict == "pass"
        and (old.environment, old.release) == (entry.environment, entry.release)
        for old in sofar
    )


def _running_problems(
    snapshot: Snapshot, environment: Environment, service: str, entries: tuple[Entry, ...]
) -> Iterator[Problem]:
    """What runs is what the ledger says, byte for byte."""
    try:
        held = read_held(snapshot, environment, service)
    except (InvalidInput, ValidationError) as error:
        if isinstance(error, InvalidInput):
            yield from error.problems
        return
    files = paths.StateFiles(environment.name, service)
    yield from _release_problems(held, files, entries)
    gate = snapshot.read(files.gate)
    if gate != gate_text(environment.name, service, entries):
        yield Problem(
            str(files.gate), 1, 1, "file", "what the ledger says was judged; it was edited, restore it from git"
        )


def _release_problems(held: Held, files: paths.StateFiles, entries: tuple[Entry, ...]) -> Iterator[Problem]:
    for path, release in ((files.release, held.release), (files.previous, held.previous)):
        if release is None:
            continue
        if not any((one.environment, one.release) == (held.environment.name, release.digest) for one in entries):
            yield Problem(str(path), 2, 10, "release", f"a release the ledger knows here; it has no {release.revision}")
    if held.release and held.standing.weight != _told_weight(entries, held):
        wanted = f"{_told_weight(entries, held)} % for {held.release.revision}, as the ledger has it"
        yield Problem(str(files.route), 1, 1, "weights", f"{wanted}, not {held.standing.weight} %")


def _told_weight(entries: tuple[Entry, ...], held: Held) -> int | None:
    """The weight of the newest release here, from the ledger's last word on it."""
    assert held.release is not None  # the caller has looked
    for entry in reversed([one for one in entries if one.environment == held.environment.name]):
        if entry.action is Action.ROLLBACK and entry.baseline == held.release.digest:
            return ledger.FULL
        if entry.release == held.release.digest and entry.action is not Action.GATE:
            return entry.weight
    return None


def _history(repository: Repository, snapshot: Snapshot) -> tuple[int, list[Problem]]:
    """How many commits changed a ledger, and each that took a line away; one put in between breaks the chain itself."""
    shape = ("--first-parent", "--no-renames", "--numstat", f"--format={COMMIT_MARK}%H")
    log = run_git(repository.root, "log", *shape, snapshot.commit, "--", str(LEDGERS)).decode()
    commits, problems = 0, []
    for block in log.split(COMMIT_MARK)[1:]:
        commits += 1
        commit, *rows = block.split("\n")
        for row in filter(None, rows):
            _, removed, path = row.split("\t")
            if removed != "0":
                wanted = f"lines only added; commit {commit[:12]} changed or removed some"
                problems.append(Problem(path, 1, 1, "history", wanted))
    return commits, problems
