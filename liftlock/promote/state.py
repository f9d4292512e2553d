"""A service's files in one environment: read from a commit, and written back as one change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from pydantic import ValidationError

from liftlock import ledger, paths
from liftlock.canonical import generated_yaml
from liftlock.environment import Environment
from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.ledger import FULL, Fact
from liftlock.release import Release, parse_release
from liftlock.render import Scene, render_manifests
from liftlock.render.tree import parse_route
from liftlock.repository import Change, Snapshot
from liftlock.rollout import DARK, Route, Standing

MADE_BY = "liftlock promote"


@dataclass(frozen=True)
class Held:
    """What one environment holds of a service, with the releases themselves."""

    environment: Environment
    service: str
    release: Release | None
    previous: Release | None
    route: Route | None
    entries: tuple[ledger.Entry, ...]  # the service's whole ledger
    stacks: bytes | None = None  # environments/stacks.yaml, which manifests depend on

    @property
    def standing(self) -> Standing:
        """The same, as the rollout sees it."""
        return Standing(
            self.environment.name,
            self.service,
            self.release.digest if self.release else None,
            self.previous.digest if self.previous else None,
            self.route,
            tuple(entry for entry in self.entries if entry.environment == self.environment.name),
        )

    @property
    def verified(self) -> Release | None:
        """The release users have, if one was ever let through: what a candidate is compared with."""
        if self.release and self.standing.weight == FULL:
            return self.release
        return self.previous


def read_held(snapshot: Snapshot, environment: Environment, service: str) -> Held:
    """What `snapshot` says. Raises InvalidInput where a generated file is not what Liftlock writes."""
    files = paths.StateFiles(environment.name, service)
    wanted = (files.release, files.previous, files.route, paths.ledger(service), paths.STACKS)
    found = snapshot.read_many(wanted)
    return Held(
        environment,
        service,
        _release(found, files.release),
        _release(found, files.previous),
        _route(found, files.route),
        _entries(found, paths.ledger(service)),
        found.get(paths.STACKS),
    )


def _release(found: Mapping[PurePosixPath, bytes], path: PurePosixPath) -> Release | None:
    return parse_release(found[path], str(path)) if path in found else None


def _route(found: Mapping[PurePosixPath, bytes], path: PurePosixPath) -> Route | None:
    return parse_route(found[path], str(path)) if path in found else None


def _entries(found: Mapping[PurePosixPath, bytes], path: PurePosixPath) -> tuple[ledger.Entry, ...]:
    try:
        return ledger.parse(found.get(path))
    except ValidationError as error:
        raise _broken(path, error) from error


def _broken(path: PurePosixPath, error: Exception) -> InvalidInput:
    wanted = f"as Liftlock wrote it; restore it from git ({str(error).splitlines()[0]})"
    return InvalidInput([Problem(str(path), 1, 1, "file", wanted)])


def with_release(held: Held, release: Release) -> Held:
    """`release` brought in beside the verified one, without users."""
    verified = held.verified
    previous = None if verified is None or verified.digest == release.digest else verified
    weights = {release.revision: DARK} if previous is None else {previous.revision: FULL, release.revision: DARK}
    return replace(held, release=release, previous=previous, route=_new_route(held, weights))


def with_weight(held: Held, weight: int) -> Held:
    """The newest release given `weight` percent of users, the previous one the rest."""
    assert held.release is not None  # a shift is decided only where a release is
    weights = {held.release.revision: weight}
    if held.previous:
        weights = {held.previous.revision: FULL - weight, **weights}
    return replace(held, route=_new_route(held, weights))


def with_only(held: Held, release: Release | None) -> Held:
    """All users on `release` and nothing beside it; without one, nothing at all."""
    if release is None:
        return replace(held, release=None, previous=None, route=None)
    return replace(held, release=release, previous=None, route=_new_route(held, {release.revision: FULL}))


def with_warm(held: Held, target: Release) -> Held:
    """A release from before brought back beside the newest one, without users yet."""
    if held.release is None:
        raise LiftlockError(f"{held.service} has no release in {held.environment.name}")
    weights = {target.revision: DARK, held.release.revision: FULL}
    return replace(held, previous=target, route=_new_route(held, weights))


def _new_route(held: Held, weights: Mapping[str, int]) -> Route:
    mirror = held.route.mirror if held.route and held.route.mirror in weights else None
    return Route(service=held.service, environment=held.environment.name, weights=weights, mirror=mirror)


def change(after: Held, facts: Iterable[Fact], ledger_bytes: bytes | None, message: str) -> Change:
    """Everything that has to change in git for `after` to hold: state, manifests, gate and ledger, in one commit."""
    facts = tuple(facts)
    files: dict[PurePosixPath, bytes | None] = {}
    named = paths.StateFiles(after.environment.name, after.service)
    files[named.release] = after.release.text if after.release else None
    files[named.previous] = after.previous.text if after.previous else None
    files[named.route] = _route_text(after.route)
    chained = ledger.append(ledger_bytes, after.service, facts)
    files[paths.ledger(after.service)] = chained
    files |= gate_files(after, ledger.parse(chained))
    files |= manifest_files(after)
    return Change(message, files)


def _route_text(route: Route | None) -> bytes | None:
    return generated_yaml(route.model_dump(mode="json", exclude_none=True), MADE_BY) if route else None


def gate_files(held: Held, entries: tuple[ledger.Entry, ...]) -> dict[PurePosixPath, bytes | None]:
    """`gate.yaml`: the judgements of the release last judged here, as the ledger has them."""
    path = paths.StateFiles(held.environment.name, held.service).gate
    text = gate_text(held.environment.name, held.service, entries)
    return {path: text} if text else {}


def gate_text(environment: str, service: str, entries: tuple[ledger.Entry, ...]) -> bytes | None:
    """The content of a `gate.yaml`, derived from the ledger; None where nothing was judged."""
    judged = [entry for entry in entries if entry.environment == environment and entry.action is ledger.Action.GATE]
    if not judged:
        return None
    last = judged[-1]
    rows = [entry for entry in judged if entry.release == last.release]
    value = {
        "service": service,
        "environment": environment,
        "release": last.release,
        "revision": last.revision,
        "baseline": last.baseline,
        "verdict": last.verdict,
        "judgements": [
            {
                "at": row.at,
                "weight": row.weight,
                "verdict": row.verdict,
                "why": row.why,
                "entry": row.hash,
                "evidence": row.evidence,
            }
            for row in rows
        ],
    }
    return generated_yaml(value, MADE_BY)


def manifest_files(held: Held) -> dict[PurePosixPath, bytes | None]:
    """The manifests of every stack of the environment; None where the service does not run in one."""
    every = (paths.manifest(held.environment.name, stack, held.service) for stack in held.environment.stacks)
    return {**dict.fromkeys(every), **(render_manifests(_scene(held)) if held.release else {})}


def _scene(held: Held) -> Scene:
    releases = tuple(release for release in (held.previous, held.release) if release is not None)
    assert held.route is not None  # where a release is, a route is
    return Scene(held.environment, held.service, releases, held.route, held.stacks)
