"""What the local site should be, as a value: a pure function of what one commit says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Replica:
    """One model-server process that should run."""

    environment: str
    service: str
    revision: str
    number: int
    bundle: str  # digest of the tree it serves
    grpc: bool
    gateway: str  # where an ensemble's handler finds the services it calls

    @property
    def process(self) -> str:
        """The process's name: one per environment, revision and replica."""
        return f"{self.environment}.{self.revision}.{self.number}"


@dataclass(frozen=True)
class Weighted:
    """A revision's place in its service's route."""

    revision: str
    weight: int  # percent of users
    replicas: tuple[Replica, ...]


@dataclass(frozen=True)
class ServiceRoute:
    """How one service's users are divided in one environment."""

    environment: str
    service: str
    grpc: bool
    revisions: tuple[Weighted, ...]
    mirror: str | None = None


@dataclass(frozen=True)
class EnvironmentPort:
    """An environment and the port its users come in by."""

    environment: str
    port: int


@dataclass(frozen=True)
class Refusal:
    """A revision this site cannot run, and what is missing."""

    environment: str
    revision: str
    why: str


@dataclass(frozen=True)
class Desired:
    """Everything the site should be."""

    commit: str
    environments: tuple[EnvironmentPort, ...]
    routes: tuple[ServiceRoute, ...]
    refused: tuple[Refusal, ...] = ()

    @property
    def replicas(self) -> tuple[Replica, ...]:
        return tuple(replica for route in self.routes for each in route.revisions for replica in each.replicas)


def server_weights(revisions: tuple[Weighted, ...]) -> dict[str, int]:
    """HAProxy's weight (0-256) of each process, so that a revision's processes together have its percentage.

    A revision with share w and n processes gives each w/n; all are scaled by one factor to the largest whole numbers
    HAProxy takes, and a share above zero never rounds to none.
    """
    shares = {each.revision: each.weight / len(each.replicas) for each in revisions if each.replicas}
    top = max(shares.values(), default=0)
    if top == 0:
        return {replica.process: 0 for each in revisions for replica in each.replicas}
    factor = _scale(tuple(shares.values()))
    return {
        replica.process: max(round(shares[each.revision] * factor), 1 if each.weight else 0)
        for each in revisions
        for replica in each.replicas
    }


# HAProxy's largest weight.
TOP_WEIGHT = 256


def _scale(shares: tuple[float, ...]) -> float:
    """The factor that makes every share whole if one does, else the largest that fits."""
    top = max(shares)
    whole = (
        n
        for n in range(1, TOP_WEIGHT + 1)
        if all(abs(s * n - round(s * n)) < 1e-9 for s in shares) and top * n <= TOP_WEIGHT
    )
    return next(whole, TOP_WEIGHT / top)
