"""Makes processes, weights and scrape targets match the last commit, and keeps them so.

One reconciliation at a time: start what is missing, wait until it answers, tell the gateway, then stop what is no
longer wanted. It wakes on a commit, on a process that ends, and on a call at its control socket; it never polls git.
A supervisor that is killed leaves its children serving; the next one adopts them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from liftlock.errors import LiftlockError
from liftlock.repository import Repository
from liftlock.sites.local import replicas
from liftlock.sites.local.desire import desire
from liftlock.sites.local.desired import Desired, Replica
from liftlock.sites.local.gateway import Ports
from liftlock.sites.local.layout import Layout
from liftlock.sites.local.processes import find_processes, leaders, stop, wait_exit
from liftlock.sites.local.replicas import Running
from liftlock.sites.local.servers import Servers
from liftlock.sites.local.watch import commits
from liftlock.store import BlobStore, fetch_tree, open_store

log = logging.getLogger("liftlock.site")

SUPERVISOR = "supervisor"


@dataclass
class Supervisor:
    """The site's state as its supervisor knows it: nothing here that a scan of processes and git could not restore."""

    layout: Layout
    repository: Repository
    store: BlobStore
    servers: Servers
    desired: Desired | None = None
    running: dict[str, Running] = field(default_factory=dict)
    ready: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)  # process -> why it does not serve
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def converge(self) -> None:
        """Make the site what the newest commit says. Raises LiftlockError where that cannot be read or made."""
        async with self.lock:
            snapshot = await asyncio.to_thread(self.repository.head)
            if self.is_so(snapshot.commit):
                return
            desired = await asyncio.to_thread(desire, snapshot, self.layout)
            self.adopt(desired)
            await self.start_missing(desired)
            await self.apply_gateway(desired)
            self.desired = desired
            await self.stop_unwanted(desired)
            log.info("converged on %s: %d model servers", desired.commit[:8], len(self.running))

    def is_so(self, commit: str) -> bool:
        """Whether the site is what `commit` says already: a commit wakes us and its author asks for it, too."""
        desired = self.desired
        if desired is None or desired.commit != commit or not self.servers.all_run():
            return False
        return all(replica.process in self.ready for replica in desired.replicas)

    def adopt(self, desired: Desired) -> None:
        """Take over what an earlier supervisor left running."""
        found = leaders(find_processes(self.layout.directory))
        for replica in desired.replicas:
            process = found.get(replica.process)
            if process and replica.process not in self.running and (known := replicas.adopt(replica, process)):
                self.keep(known)

    def keep(self, running: Running) -> None:
        self.running[running.replica.process] = running
        self.background(self.watch(running))

    def background(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def start_missing(self, desired: Desired) -> None:
        """Start every replica that does not run, and wait until each answers or has failed.

        One that failed before is asked once: it may have recovered, but nobody waits for it again.
        """
        for replica in desired.replicas:
            current = self.running.get(replica.process)
            if current and current.replica.bundle != replica.bundle:
                await self.end(replica.process)
            if replica.process not in self.running:
                await self.start(replica, replicas.choose_ports(replica))
        unsettled = [replica.process for replica in desired.replicas if replica.process not in self.ready]
        await asyncio.gather(*(self.ask_again(one) if one in self.failed else self.settle(one) for one in unsettled))

    async def start(self, replica: Replica, ports: Ports) -> None:
        try:
            into = self.layout.bundle(replica.bundle)
            bundle = await asyncio.to_thread(fetch_tree, self.store, replica.bundle, into)
        except LiftlockError as error:
            self.failed[replica.process] = str(error)
            return
        self.keep(replicas.start(replica, self.layout, bundle, ports))

    async def settle(self, process: str) -> None:
        """Wait until a started process is ready or known not to become so."""
        running = self.running.get(process)
        if running is None:
            return
        why = await replicas.until_ready(running, self.layout)
        if why is None:
            self.ready.add(process)
            self.failed.pop(process, None)
        else:
            self.failed[process] = why
            log.warning("%s: %s", process, why)

    async def ask_again(self, process: str) -> None:
        """Whether a failed process answers by now: an ensemble does once its members have users."""
        running = self.running.get(process)
        if running is not None and await replicas.readiness(running.ports.http) is None:
            self.ready.add(process)
            self.failed.pop(process, None)

    async def watch(self, running: Running) -> None:
        """Start a model server again whenever it ends unasked, on the same ports, ever more slowly."""
        wait, top = replicas.RESTART_S
        name = running.replica.process
        while True:
            await wait_exit(running.pid)
            if self.running.get(name) is not running or self.stopping.is_set():
                return
            self.ready.discard(name)
            log.warning("%s ended; starting it again in %.1f s", name, wait)
            await asyncio.sleep(wait)
            wait = min(2 * wait, top)
            if self.running.get(name) is not running or self.stopping.is_set():
                return
            bundle = self.layout.bundle(running.replica.bundle)
            running = replicas.start(running.replica, self.layout, bundle, running.ports)
            self.running[name] = running
            self.background(self.settle(name))

    async def apply_gateway(self, desired: Desired) -> None:
        await self.servers.apply(desired, {name: running.ports for name, running in self.running.items()})

    async def stop_unwanted(self, desired: Desired) -> None:
        wanted = {replica.process for replica in desired.replicas}
        await asyncio.gather(*(self.end(name) for name in list(self.running) if name not in wanted))
        known = {running.pid for running in self.running.values()}
        strays = [
            process
            for name, process in leaders(find_processes(self.layout.directory)).items()
            if process.pid not in known and name != SUPERVISOR and not self.servers.owns(name)
        ]
        await asyncio.gather(*(stop(process.pid, replicas.GRACE_S) for process in strays))
        self.failed = {name: why for name, why in self.failed.items() if name in wanted}

    async def end(self, process: str) -> None:
        running = self.running.pop(process)
        self.ready.discard(process)
        self.failed.pop(process, None)
        await replicas.stop_replica(running)

    async def stop_all(self) -> None:
        """Stop everything but ourselves."""
        self.stopping.set()
        async with self.lock:
            await asyncio.gather(*(self.end(name) for name in list(self.running)))
            await self.servers.stop()

    def status(self) -> dict[str, object]:
        """What runs, for people and programs."""
        desired = self.desired
        return {
            "commit": desired.commit if desired else None,
            "environments": {each.environment: each.port for each in desired.environments} if desired else {},
            "refused": [vars(each) for each in desired.refused] if desired else [],
            "revisions": self._revisions(desired) if desired else [],
            "failed": self.failed,
            "servers": self.servers.status(),
        }

    def _revisions(self, desired: Desired) -> list[dict[str, object]]:
        return [
            {
                "environment": route.environment,
                "service": route.service,
                "revision": each.revision,
                "weight": each.weight,
                "mirror": route.mirror == each.revision,
                "replicas": [self._replica(replica) for replica in each.replicas],
            }
            for route in desired.routes
            for each in route.revisions
        ]

    def _replica(self, replica: Replica) -> dict[str, object]:
        running = self.running.get(replica.process)
        return {
            "process": replica.process,
            "pid": running.pid if running else None,
            "port": running.ports.http if running else None,
            "ready": replica.process in self.ready,
        }


async def answer(supervisor: Supervisor, verb: str) -> dict[str, object]:
    """One call at the control socket."""
    try:
        match verb:
            case "converge":
                await supervisor.servers.start()
                await supervisor.converge()
            case "status":
                await asyncio.gather(*map(supervisor.ask_again, list(supervisor.failed)))
            case "stop":
                await supervisor.stop_all()
            case _:
                return {"error": f"{verb!r} is not converge, status or stop"}
    except LiftlockError as error:
        return {"error": str(error)}
    return supervisor.status()


def _handler(supervisor: Supervisor) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            verb = (await reader.readline()).decode(errors="replace").strip()
            said = await answer(supervisor, verb)
            writer.write(json.dumps(said).encode() + b"\n")
            await writer.drain()
        writer.close()
        if verb == "stop":
            supervisor.stopping.set()

    return handle


async def _follow_commits(supervisor: Supervisor) -> None:
    async for _ in commits(supervisor.repository):
        try:
            await supervisor.converge()
        except LiftlockError as error:
            log.warning("cannot converge: %s", error)


async def supervise(layout: Layout) -> None:
    """Run until told to stop."""
    repository = Repository.open(layout.root)
    supervisor = Supervisor(layout, repository, open_store(layout.root), Servers(layout))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stopping.set)
    layout.control_socket.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(_handler(supervisor), str(layout.control_socket))
    supervisor.background(_follow_commits(supervisor))
    async with server:
        await supervisor.stopping.wait()
    layout.control_socket.unlink(missing_ok=True)


def main(root: str) -> None:
    """Entry of the supervisor's own process."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    layout = Layout.of(Path(root))
    layout.sockets.mkdir(mode=0o700, exist_ok=True)
    with (layout.sockets / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.warning("another supervisor has this site")
            return
        asyncio.run(supervise(layout))


if __name__ == "__main__":
    main(sys.argv[1])
