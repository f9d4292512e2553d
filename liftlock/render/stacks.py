"""What rendering has to know of a stack: `environments/stacks.yaml`, one entry for each stack that differs.

The platform plane builds clusters by the same facts, so a default here is what it builds unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from liftlock import paths
from liftlock.environment import Environment, Name
from liftlock.errors import InvalidInput
from liftlock.render.gateways import GatewayClassName
from liftlock.spec.source import Written, parse, problem_at

Site = Literal["eks", "onprem"]
Domain = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,180}[a-z0-9])?$")]


class Gateway(Written):
    """The Gateway that routes attach to."""

    kind: GatewayClassName = Field(default="traefik", alias="class")
    """Its class; default traefik: the one whose weights this repository tests on a real control plane."""
    name: Name = "models"
    namespace: Name = "gateway"


class Stack(Written):
    """One cluster, as far as manifests depend on it."""

    name: Name
    site: Site | None = None
    """eks or onprem; default by the name's ending, eks where that says nothing."""
    gateway: Gateway = Gateway()
    domain: Domain | None = None
    """A service answers at `<service>.<domain>`; default `<environment>.models.internal`."""
    monitoring: Name = "monitoring"
    """The namespace Prometheus scrapes from."""
    prometheus: Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.:/_-]{1,200}$")] = (
        "http://prometheus-operated.monitoring.svc:9090"
    )
    """Where KEDA asks."""
    store: Annotated[str, StringConstraints(pattern=r"^(s3|gs|pvc|oci)://[A-Za-z0-9][A-Za-z0-9._:/-]{1,300}$")] = (
        "s3://liftlock-models"
    )
    """Where the cluster finds bundles, each under its digest."""
    server_image: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:/@-]{1,400}$")] = (
        "registry.models.internal/liftlock-server:0.1.0"
    )
    """The model server's image, best by digest."""

    @property
    def place(self) -> Site:
        """The site, said or by the name's ending."""
        return self.site or ("onprem" if self.name.endswith("-onprem") else "eks")

    def domain_in(self, environment: str) -> str:
        """The domain of an environment's services here."""
        return self.domain or f"{environment}.models.internal"


class Stacks(Written):
    """The file `environments/stacks.yaml`."""

    stacks: Annotated[tuple[Stack, ...], Field(max_length=1000)] = ()

    def faults(self) -> Iterable[tuple[str, str]]:
        """Each stack once."""
        seen: set[str] = set()
        for index, stack in enumerate(self.stacks):
            if stack.name in seen:
                yield f"stacks[{index}].name", f"each stack once; `{stack.name}` is listed already"
            seen.add(stack.name)


def stacks_of(environment: Environment, text: bytes | None) -> tuple[Stack, ...]:
    """An environment's stacks in its order. `text` is stacks.yaml's, None without one. Raises InvalidInput."""
    known = _parse(text) if text is not None else {}
    return tuple(known.get(name) or Stack(name=name) for name in environment.stacks)


@lru_cache(maxsize=4)
def _parse(text: bytes) -> dict[str, Stack]:
    return {stack.name: stack for stack in parse(text, Stacks, str(paths.STACKS)).stacks}


def unknown_stacks(ladder: Iterable[Environment], text: bytes) -> None:
    """Raises InvalidInput for an entry that no environment names: facts about nothing are a slip."""
    used = {name for environment in ladder for name in environment.stacks}
    problems = [
        problem_at(text, str(paths.STACKS), f"stacks[{index}].name", f"a stack of an environment; `{name}` is in none")
        for index, name in enumerate(_parse(text))
        if name not in used
    ]
    if problems:
        raise InvalidInput(problems)
