"""The rungs of the ladder: what each environment asks of a release, and what a service may ask beyond it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from liftlock import paths
from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.repository import Snapshot
from liftlock.spec.model import RolloutOverrides
from liftlock.spec.quantities import Between, Duration
from liftlock.spec.source import Written, load, parse, problem_at

# Folders under environments/ that are no environment.
OTHER_FOLDERS = frozenset({"ledger"})


def _dns_label(name: str) -> str:
    if not (name.isascii() and name.replace("-", "a").isalnum() and name.islower() and name[0].isalpha()):
        raise ValueError("lower-case letters, digits and dashes, starting with a letter")
    return name


Name = Annotated[str, Field(min_length=1, max_length=30), AfterValidator(_dns_label)]
Share = Annotated[float, Field(gt=0, lt=0.5)]


class Replicas(Written):
    """Bounds on every revision's replicas, whatever its spec asks for."""

    min: int = Field(default=1, ge=0, le=1000)
    """At least so many, so that one node's loss is nobody's outage; default 1."""
    max: int = Field(default=50, ge=1, le=1000)
    """At most so many; default 50: a runaway metric must not buy a fleet."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """max is not below min."""
        if self.max < self.min:
            yield "max", f"at least min, which is {self.min}"


class Gate(Written):
    """The load test before users: how it is driven and what it may miss."""

    profile: str = "steady"
    """The shape of the load; see loadtests/profiles.py."""
    margin: float = Field(default=0.25, gt=0, le=1)
    """A candidate may be slower than the baseline by at most this share; default 25 %."""
    error_rates: tuple[Share, Share] = (0.05, 0.05)
    """Wrong verdicts to allow: passing a slower release, failing an unchanged one."""
    requests: int = Field(default=300, ge=1, le=10_000_000)
    """Judged requests per arm at least, where the SLO asks for fewer; default 300: a p99 has 3 beyond it."""


class Live(Written):
    """Analysis of users' own traffic between the weights."""

    requests: int = Field(default=100, ge=1, le=10_000_000)
    """Users' requests to the candidate at each weight before it may have more; default 100."""
    within: Annotated[Duration, Between("1s", "1d")] = Duration.parse("15m")
    """How long to wait for them before the candidate goes back to no users; default 15m."""


class Rollout(Written):
    """From the gate to all users."""

    gate: Gate = Gate()
    live: Live = Live()
    weights: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1, max_length=20)] = (100,)
    """Percent of users, rising to 100; default straight to 100."""
    keep_warm: Annotated[Duration, Between("0s", "7d")] = Duration.parse("1h")
    """How long the previous revision keeps running after all users left it, for instant rollback; default 1h."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """Weights rise to 100."""
        if list(self.weights) != sorted(set(self.weights)) or self.weights[-1] != 100:
            yield "weights", "weights that rise, the last of them 100"


class Environment(Written):
    """One rung: `environments/<name>/environment.yaml`."""

    name: Name
    after: Name | None = None
    """The environment a release must have passed before; none for the first."""
    stacks: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]
    """The clusters that run it, in the order they get a release."""
    replicas: Replicas = Replicas()
    rollout: Rollout = Rollout()
    approval: Literal["required", "none"] = "none"
    """Whether a person has to say yes before a release comes here; default none."""

    def faults(self) -> Iterable[tuple[str, str]]:
        """Each stack once; not its own predecessor."""
        if len(set(self.stacks)) != len(self.stacks):
            yield "stacks", "each stack once"
        if self.after == self.name:
            yield "after", "another environment, or none"


def for_service(rollout: Rollout, asked: RolloutOverrides) -> Rollout:
    """The rollout of one service: the environment's, made stricter where the service asks for it, never looser.

    A smaller margin, weights that start lower with at least as many steps, a longer keep_warm; anything looser is left,
    and `looser` names it.
    """
    margin = min(filter(None, (rollout.gate.margin, asked.gate.margin if asked.gate else None)))
    keep_warm = max(rollout.keep_warm, asked.keep_warm or rollout.keep_warm)
    weights = rollout.weights
    if asked.weights and len(asked.weights) >= len(weights) and asked.weights[0] <= weights[0]:
        weights = asked.weights
    gate = rollout.gate.model_copy(update={"margin": margin})
    return rollout.model_copy(update={"gate": gate, "weights": weights, "keep_warm": keep_warm})


def looser(rollout: Rollout, asked: RolloutOverrides) -> Iterator[tuple[str, str]]:
    """What a service asks for and `for_service` leaves: (field of its overrides, what is wanted there)."""
    margin = asked.gate.margin if asked.gate else None
    if margin is not None and margin > rollout.gate.margin:
        yield "gate.margin", f"at most {rollout.gate.margin:g}"
    if asked.weights and (len(asked.weights) < len(rollout.weights) or asked.weights[0] > rollout.weights[0]):
        yield "weights", f"at least {len(rollout.weights)} weights, the first at most {rollout.weights[0]}"
    if asked.keep_warm is not None and asked.keep_warm < rollout.keep_warm:
        yield "keep_warm", f"at least {rollout.keep_warm}"


def load_environment(root: Path, name: str) -> Environment:
    """The environment `name` of the checkout at `root`. Raises InvalidInput."""
    file = paths.environment_file(name)
    environment = load(root / file, Environment, root=root)
    _same_name(environment, name, (root / file).read_bytes(), str(file))
    return environment


def load_ladder(root: Path) -> tuple[Environment, ...]:
    """The environments of a checkout's working tree, first rung first. Raises InvalidInput."""
    files = sorted((root / paths.ENVIRONMENTS).glob("*/environment.yaml"))
    texts = {PurePosixPath(file.relative_to(root).as_posix()): file.read_bytes() for file in files}
    return _ladder(texts)


def read_ladder(snapshot: Snapshot) -> tuple[Environment, ...]:
    """The environments of a commit, first rung first. Raises InvalidInput."""
    files = tuple(path for path in snapshot.paths(paths.ENVIRONMENTS) if path.name == "environment.yaml")
    return _ladder(snapshot.read_many(files))


def services_in(snapshot: Snapshot, environment: str) -> tuple[str, ...]:
    """The services that have a release in an environment."""
    under = paths.ENVIRONMENTS / environment
    return tuple(
        path.parts[2] for path in snapshot.paths(under) if len(path.parts) == 4 and path.name == "release.yaml"
    )


def _same_name(environment: Environment, folder: str, text: bytes, file: str) -> None:
    if environment.name != folder:
        raise InvalidInput([problem_at(text, file, "name", f"`{folder}`, its directory's name")])


def _ladder(texts: Mapping[PurePosixPath, bytes]) -> tuple[Environment, ...]:
    """The environments in order. Raises InvalidInput unless they are one chain."""
    found = {}
    for path, text in texts.items():
        environment = parse(text, Environment, str(path))
        _same_name(environment, path.parent.name, text, str(path))
        found[environment.name] = environment
    ordered: list[Environment] = []
    while following := [one for one in found.values() if one.after == (ordered[-1].name if ordered else None)]:
        if len(following) > 1:
            names = " and ".join(one.name for one in following)
            raise _not_a_chain(following[1], f"one environment after each; {names} both follow the same")
        ordered += following
    for name, environment in found.items():
        if environment not in ordered:
            raise _not_a_chain(environment, f"an environment that leads here from the first; `{name}` hangs loose")
    if not ordered:
        raise LiftlockError("environments/: no environment.yaml in it: nothing to release into")
    return tuple(ordered)


def _not_a_chain(environment: Environment, wanted: str) -> InvalidInput:
    return InvalidInput([Problem(str(paths.environment_file(environment.name)), 1, 1, "after", wanted)])
