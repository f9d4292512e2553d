"""The model-server processes of the site: started, waited for, restarted, stopped."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from liftlock.errors import Unreachable
from liftlock.sites.local.desired import Replica
from liftlock.sites.local.gateway import Ports
from liftlock.sites.local.layout import HOST, Layout
from liftlock.sites.local.processes import Found, spawn, stop, wait_exit

# Where model servers listen, and where a site's own ports are put that asks for any; they lie within PORT_SPAN.
SERVER_PORTS, SITE_PORTS, PORT_SPAN = range(10_000, 20_000), range(20_000, 32_000), 20
# A model server that is not ready after this many seconds is not going to be.
READY_S = 120.0
# What a server says whose model loads and then fails its first prediction, and for how many seconds it may go on
# failing before it counts as one that always will; an ensemble's members may still be starting.
WARM_UP_FAILS, WARM_UP_S = "the warm-up prediction fails", 3.0
# How often a starting server is asked whether it is ready, in seconds.
ASK_S = 0.02
# Seconds between restarts of a server that keeps ending: doubled from the first to the second.
RESTART_S = (0.1, 10.0)
# Seconds a stopping server may take to finish its requests, and for which it still listens.
GRACE_S, DRAIN_S = 20.0, 0.5
# How much of a failed server's log is told.
TAIL_BYTES = 4000


@dataclass(frozen=True)
class Running:
    """A started replica."""

    replica: Replica
    pid: int
    ports: Ports


def mark_of(replica: Replica, ports: Ports) -> str:
    """What a process was started with; a process with another mark is not the replica wanted."""
    return f"{replica.bundle} {ports.http} {ports.grpc or ''}".rstrip()


def adopt(replica: Replica, found: Found) -> Running | None:
    """The running process as `replica`, if it serves what the replica should."""
    bundle, _, rest = found.mark.partition(" ")
    ports = [int(port) for port in rest.split()]
    if bundle != replica.bundle or len(ports) != (2 if replica.grpc else 1):
        return None
    return Running(replica, found.pid, Ports(*ports))


def start(replica: Replica, layout: Layout, bundle: Path, ports: Ports) -> Running:
    """Start one model server."""
    command = [
        *(sys.executable, "-Pm", "serving", f"--model_dir={bundle}", f"--model_name={replica.service}"),
        *(f"--revision={replica.revision}", f"--host={HOST}", f"--http_port={ports.http}"),
        f"--drain_seconds={DRAIN_S}",
    ]
    if ports.grpc:
        command.append(f"--grpc_port={ports.grpc}")
    env = {"LIFTLOCK_GATEWAY": replica.gateway, "LIFTLOCK_ENVIRONMENT": replica.environment}
    log = layout.log(replica.process)
    pid = spawn(layout.directory, replica.process, command, log, mark=mark_of(replica, ports), env=env)
    return Running(replica, pid, ports)


def free_ports(count: int) -> tuple[int, ...]:
    """Ports nobody listens on now, all different, below those the system gives to connections (ip_local_port_range).

    One of those could be a connection's own by the time the server listens.
    """
    candidates = random.sample(SERVER_PORTS, len(SERVER_PORTS))
    found = tuple(islice((port for port in candidates if is_free(port)), count))
    if len(found) < count:
        raise Unreachable(f"no {count} free ports from {SERVER_PORTS.start} to {SERVER_PORTS.stop}")
    return found


def is_free(port: int) -> bool:
    """Whether somebody could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port_base() -> int:
    """A base whose whole span of ports is free, below those the system gives to connections (ip_local_port_range)."""
    bases = range(SITE_PORTS.start, SITE_PORTS.stop, PORT_SPAN)
    for base in random.sample(bases, len(bases)):
        if all(is_free(port) for port in range(base, base + PORT_SPAN)):
            return base
    raise Unreachable(f"no {PORT_SPAN} free ports in a row from {bases.start} to {bases.stop}")


def choose_ports(replica: Replica) -> Ports:
    return Ports(*free_ports(2 if replica.grpc else 1))


async def readiness(port: int) -> str | None:
    """None if the model server on `port` says that its model answers, else what it says; '' while nobody listens."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return ""
    try:
        writer.write(f"GET /v2/health/ready HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n".encode())
        head, _, body = (await asyncio.wait_for(reader.read(), 5)).partition(b"\r\n\r\n")
        if head.split(b" ")[1:2] == [b"200"]:
            return None
        return str(json.loads(body)["error"])
    except (OSError, TimeoutError, ValueError, KeyError, TypeError):
        return ""
    finally:
        writer.close()


async def until_ready(running: Running, layout: Layout) -> str | None:
    """None once the server is ready; otherwise why it never will be."""
    exit_task = asyncio.create_task(wait_exit(running.pid))
    log = layout.log(running.replica.process)
    began = time.monotonic()
    warming = None
    try:
        while (said := await readiness(running.ports.http)) is not None:
            now = time.monotonic()
            warming = (warming or now) if said.startswith(WARM_UP_FAILS) else None
            if warming and now - warming > WARM_UP_S:
                return said
            if now - began > READY_S:
                return f"not ready after {READY_S:.0f} s; its log says: {last_words(log)}"
            await asyncio.wait({exit_task}, timeout=ASK_S)
            if exit_task.done():
                return f"ended before it was ready; its log says: {last_words(log)}"
    finally:
        exit_task.cancel()
    return None


def last_words(log: Path) -> str:
    """The last line of a log, or that there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    return lines[-1] if lines else "nothing"


async def stop_replica(running: Running) -> None:
    await stop(running.pid, GRACE_S)
