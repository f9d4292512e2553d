"""Reading the board: one commit of git, and the store for what git only names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath

import orjson

from liftlock import ledger, paths
from liftlock.board.attention import needs_somebody
from liftlock.board.board import Board, Decision, Gate, Place
from liftlock.board.evidence import Evidence
from liftlock.environment import Environment, read_ladder
from liftlock.ledger import Action, Entry
from liftlock.promote.proof import LEDGERS, prove
from liftlock.repository import Repository, Snapshot, run_git
from liftlock.status import Row, read_status
from liftlock.store import BlobStore

# Gates told in full: more would make the page heavy, and their numbers are in the ledger anyway.
MOST_GATES = 60


def utc_now() -> datetime:
    """Now, as the page is dated."""
    return datetime.now(UTC)


def read_board(
    repository: Repository, snapshot: Snapshot, store: BlobStore, clock: Callable[[], datetime] = utc_now
) -> Board:
    """The board at a commit. Raises InvalidInput where a generated file is not what Liftlock writes."""
    whole = _WholeSnapshot.of(snapshot)
    timelines = _timelines(repository, whole)
    attention = needs_somebody(timelines)
    ladder = read_ladder(whole)
    return Board(
        at=clock(),
        commit=snapshot.commit,
        environments=ladder,
        places=_places(ladder, read_status(whole), timelines),
        timelines=timelines,
        gates=_gates(timelines, {one.gate for one in attention}, Evidence(store)),
        attention=attention,
        proof=prove(repository, whole),
    )


@dataclass(frozen=True)
class _WholeSnapshot(Snapshot):
    """A commit whose environments are in memory: two git processes for however many services."""

    files: Mapping[PurePosixPath, bytes] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, snapshot: Snapshot) -> _WholeSnapshot:
        wanted = tuple(path for path in snapshot.paths(paths.ENVIRONMENTS) if "manifests" not in path.parts)
        return cls(snapshot.root, snapshot.commit, snapshot.read_many(wanted))

    def read(self, path: PurePosixPath) -> bytes | None:
        return self.files.get(path)

    def read_many(self, paths: tuple[PurePosixPath, ...]) -> dict[PurePosixPath, bytes]:
        return {path: self.files[path] for path in paths if path in self.files}

    def paths(self, under: PurePosixPath) -> tuple[PurePosixPath, ...]:
        return tuple(path for path in self.files if path.is_relative_to(under))


def _timelines(repository: Repository, snapshot: Snapshot) -> dict[str, tuple[Decision, ...]]:
    """Every service's decisions, newest first."""
    commits = _commits_by_hash(repository, snapshot)
    texts = snapshot.read_many(snapshot.paths(LEDGERS))
    chains = {path.stem: ledger.parse(text) for path, text in texts.items()}
    return {
        service: tuple(Decision(entry, commits.get(entry.hash, "")) for entry in reversed(entries))
        for service, entries in chains.items()
    }


def _commits_by_hash(repository: Repository, snapshot: Snapshot) -> dict[str, str]:
    """The commit that brought each ledger line, by the line's hash: ledgers are only appended to."""
    command = ("log", "--first-parent", "--diff-merges=first-parent", "--format=commit %H", "-p", "--unified=0")
    log = run_git(repository.root, *command, snapshot.commit, "--", str(LEDGERS))
    found, commit = {}, ""
    for line in log.splitlines():
        if line.startswith(b"commit "):
            commit = line[7:].decode()
        elif line.startswith(b"+{"):
            found[_hash_of(line[1:])] = commit
    return found


def _hash_of(line: bytes) -> str:
    try:
        return str(orjson.loads(line)["hash"])
    except (orjson.JSONDecodeError, KeyError):
        return ""  # the proof says what is wrong with such a line


def _places(
    ladder: Iterable[Environment], rows: Iterable[Row], services: Iterable[str]
) -> dict[tuple[str, str], Place]:
    by_place: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        by_place.setdefault((row.environment, row.service), []).append(row)
    every = dict.fromkeys((*services, *(service for _, service in by_place)))
    keys = [(environment.name, service) for environment in ladder for service in every]
    return {key: Place(*key, tuple(by_place.get(key, ()))) for key in keys}


def _gates(
    timelines: Mapping[str, tuple[Decision, ...]], wanted: set[str | None], evidence: Evidence
) -> tuple[Gate, ...]:
    """Those that somebody may have to look at, then those that let through what runs, then the newest."""
    judged = [one for timeline in timelines.values() for one in timeline if one.entry.action is Action.GATE]
    newest = {(one.entry.environment, one.entry.service): one.entry.hash for one in reversed(judged)}
    latest = set(newest.values())

    def importance(one: Decision) -> tuple[bool, bool, str]:
        entry: Entry = one.entry
        return entry.hash in wanted, entry.hash in latest, entry.at

    chosen = sorted(judged, key=importance, reverse=True)[:MOST_GATES]
    return tuple(evidence.gate(one) for one in sorted(chosen, key=lambda one: one.entry.at, reverse=True))
