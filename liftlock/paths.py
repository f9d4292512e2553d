"""Where things are, relative to the root of a checkout. One name, one home."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SERVICES = PurePosixPath("model_services")
ENVIRONMENTS = PurePosixPath("environments")
# What manifests have to know of each cluster; absent where every stack is as the platform plane builds it.
STACKS = ENVIRONMENTS / "stacks.yaml"
# State of this machine only, never in git: the model store, check's memory, the local site.
LOCAL_STATE = PurePosixPath(".liftlock")


def service_directory(service: str) -> PurePosixPath:
    return SERVICES / service


def service_file(service: str) -> PurePosixPath:
    return SERVICES / service / "service.yaml"


def environment_file(environment: str) -> PurePosixPath:
    return ENVIRONMENTS / environment / "environment.yaml"


@dataclass(frozen=True)
class StateFiles:
    """The files that say what one service runs in one environment."""

    environment: str
    service: str

    @property
    def directory(self) -> PurePosixPath:
        return ENVIRONMENTS / self.environment / self.service

    @property
    def release(self) -> PurePosixPath:
        """The newest release here, whatever share of traffic it has."""
        return self.directory / "release.yaml"

    @property
    def previous(self) -> PurePosixPath:
        """The last verified release beside it, kept for comparison and rollback; absent before the second."""
        return self.directory / "previous.yaml"

    @property
    def route(self) -> PurePosixPath:
        return self.directory / "route.yaml"

    @property
    def gate(self) -> PurePosixPath:
        return self.directory / "gate.yaml"


def ledger(service: str) -> PurePosixPath:
    """The evidence chain of one service over all environments."""
    return ENVIRONMENTS / "ledger" / f"{service}.jsonl"


def manifest(environment: str, stack: str, service: str) -> PurePosixPath:
    return ENVIRONMENTS / environment / "manifests" / stack / f"{service}.yaml"


def store_directory(root: Path) -> Path:
    """The default model store of a checkout."""
    return root / LOCAL_STATE / "store"


def site_directory(root: Path) -> Path:
    """The local site's state, sockets and logs."""
    return root / LOCAL_STATE / "site"
