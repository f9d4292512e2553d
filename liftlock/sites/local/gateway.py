"""HAProxy as the gateway: its configuration from what is desired, and its runtime socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from string import Template

from liftlock.conventions import MIRROR_HEADER, REVISION_HEADER
from liftlock.errors import Unreachable
from liftlock.sites.local.desired import Desired, Replica, ServiceRoute, server_weights
from liftlock.sites.local.layout import HOST, Layout

# The largest request body (bytes) a user may send; the model servers have the same limit of their own.
MAX_BODY = 10 * 1024 * 1024
# What HAProxy buffers of a request (bytes): the largest body that can be mirrored.
BUFFER = 64 * 1024
# Requests per second one client address may make over ten seconds before it is answered 429.
CLIENT_RATE = 5000

_OURS = files("liftlock.sites.local")
GRPC_PATH = "/inference.GRPCInferenceService/"


def _template(name: str) -> Template:
    return Template(_OURS.joinpath(f"gateway.{name}.tmpl").read_text())


def render_gateway(desired: Desired, layout: Layout, ports: Mapping[str, Ports]) -> str:
    """The whole configuration. `ports` has every replica that answers; others are left out."""
    head = _template("head").substitute(
        socket=layout.gateway_socket,
        lua=_OURS.joinpath("mirror.lua"),
        buffer=BUFFER,
        host=HOST,
        metrics_port=layout.gateway_metrics_port,
    )
    front = _template("frontend")
    fronts = (
        front.substitute(
            environment=each.environment,
            host=HOST,
            port=each.port,
            limit=CLIENT_RATE * 10,
            max_body=MAX_BODY,
            mirror_header=MIRROR_HEADER,
            revision_header=REVISION_HEADER,
            grpc=GRPC_PATH,
        )
        for each in desired.environments
    )
    backs = (block for route in desired.routes for block in _backends(route, ports))
    return "".join((head, *fronts, *backs))


class Ports:
    """Where one replica answers: its HTTP port, and its gRPC port where it has one."""

    __slots__ = ("grpc", "http")

    def __init__(self, http: int, grpc: int | None = None) -> None:
        self.http, self.grpc = http, grpc


def _backends(route: ServiceRoute, ports: Mapping[str, Ports]) -> Iterator[str]:
    """One backend for the service's users, one per revision for whoever names it; twice where it speaks gRPC."""
    weights = server_weights(route.revisions)
    everyone = [replica for each in route.revisions for replica in each.replicas]
    kinds = (False, True) if route.grpc else (False,)
    for grpc in kinds:
        suffix = ":grpc" if grpc else ""
        mirror = _mirror_rule(route, ports) if route.mirror and not grpc else ()
        yield _backend(f"{route.environment}:{route.service}{suffix}", everyone, ports, weights, grpc, mirror)
        for each in route.revisions:
            alone = dict.fromkeys((replica.process for replica in each.replicas), 1)
            name = f"{route.environment}:{each.revision}{suffix}"
            yield _backend(name, list(each.replicas), ports, alone, grpc, ())


def _backend(
    name: str,
    replicas: list[Replica],
    ports: Mapping[str, Ports],
    weights: Mapping[str, int],
    grpc: bool,
    rules: tuple[str, ...],
) -> str:
    lines = [f"\nbackend {name}", "  balance roundrobin", "  option httpchk GET /v2/health/ready", *rules]
    for replica in replicas:
        found = ports.get(replica.process)
        if found is None:
            continue
        check = f" check port {found.http}"
        proto = " proto h2" if grpc else ""
        port = found.grpc if grpc else found.http
        lines.append(f"  server {replica.process} {HOST}:{port} weight {weights[replica.process]}{check}{proto}")
    return "\n".join(lines) + "\n"


def _mirror_rule(route: ServiceRoute, ports: Mapping[str, Ports]) -> tuple[str, ...]:
    """Send a copy of every request to the mirrored revision and drop its answer (mirror.lua)."""
    target = next((each for each in route.revisions if each.revision == route.mirror), None)
    known = [ports[replica.process] for replica in target.replicas if replica.process in ports] if target else []
    if not known:
        return ()
    return (
        "  option http-buffer-request",
        f"  http-request set-var(txn.mirror) str({HOST}:{known[0].http})",
        "  http-request lua.mirror",
    )


class GatewaySocket:
    """HAProxy's runtime interface (management.txt, section 9.3)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def ask(self, command: str) -> str:
        """One command's answer. Raises Unreachable where nobody listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.path))
        except OSError as error:
            raise Unreachable(f"the gateway's socket does not answer: {error}") from error
        try:
            writer.write(f"{command}\n".encode())
            await writer.drain()
            return (await reader.read()).decode(errors="replace").strip()
        except OSError as error:
            raise Unreachable(f"the gateway's socket does not answer: {error}") from error
        finally:
            writer.close()

    async def set_weights(self, weights: Mapping[tuple[str, str], int]) -> None:
        """Set the weight of each (backend, server), in force when this returns."""
        for (backend, server), weight in weights.items():
            said = await self.ask(f"set weight {backend}/{server} {weight}")
            if said:
                raise Unreachable(f"the gateway refused a weight for {backend}/{server}: {said}")

    async def process_id(self) -> int:
        """The pid of the worker that answers."""
        rows = (await self.ask("show info")).splitlines()
        return next((int(row.split(": ")[1]) for row in rows if row.startswith("Pid: ")), 0)


def user_weights(desired: Desired) -> dict[tuple[str, str], int]:
    """The weight of every (backend, server) that users reach."""
    return {
        (f"{route.environment}:{route.service}{suffix}", process): weight
        for route in desired.routes
        for process, weight in server_weights(route.revisions).items()
        for suffix in (("", ":grpc") if route.grpc else ("",))
    }
