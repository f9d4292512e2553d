"""The servers beside the models: gateway, Prometheus, Alertmanager. Started, adopted, kept running, reconfigured."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from liftlock.atomic import write_whole
from liftlock.errors import Unreachable
from liftlock.sites.local import monitoring
from liftlock.sites.local.desired import Desired
from liftlock.sites.local.gateway import GatewaySocket, Ports, render_gateway, user_weights
from liftlock.sites.local.layout import PORT_VARIABLE, Layout
from liftlock.sites.local.processes import find_processes, leaders, signal_process, spawn, stop, wait_exit
from liftlock.sites.local.replicas import is_free, last_words

log = logging.getLogger("liftlock.site")

GATEWAY, PROMETHEUS, ALERTMANAGER = "gateway", "prometheus", "alertmanager"
NAMES = (GATEWAY, PROMETHEUS, ALERTMANAGER)
# Debian's package of each program.
PACKAGES = {"haproxy": "haproxy", "prometheus": "prometheus", "prometheus-alertmanager": "prometheus-alertmanager"}
# Seconds a server may take to answer after its start, and to end after it was asked to.
START_S, STOP_S = 20.0, 5.0
ASK_S = 0.01
RESTART_S = 0.2


@dataclass
class Servers:
    """The three servers of a site."""

    layout: Layout
    pids: dict[str, int] = field(default_factory=dict)
    skeleton: str | None = None  # the gateway's running configuration without weights
    stopping: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def owns(self, name: str) -> bool:
        return name in NAMES

    def all_run(self) -> bool:
        """Whether none of the servers has to be started."""
        return set(self.pids) == set(NAMES)

    @property
    def _ports(self) -> dict[str, int]:
        return {
            GATEWAY: self.layout.gateway_metrics_port,
            PROMETHEUS: self.layout.prometheus_port,
            ALERTMANAGER: self.layout.alertmanager_port,
        }

    def status(self) -> dict[str, dict[str, int]]:
        return {name: {"pid": pid, "port": self._ports[name]} for name, pid in self.pids.items()}

    async def start(self) -> None:
        """Write the fixed configuration, then start or adopt what watches; the gateway starts with its first routes."""
        async with self.lock:
            require_programs()
            self.layout.directory.mkdir(parents=True, exist_ok=True)
            rules = tuple(sorted((self.layout.root / "observability" / "alerts").glob("*.rules.yaml")))
            write_whole(self.layout.prometheus_config, monitoring.prometheus_config(self.layout, rules))
            write_whole(self.layout.alertmanager_config, monitoring.alertmanager_config())
            if not self.layout.targets.exists():
                write_whole(self.layout.targets, b"[]")
            self._require_ports(ALERTMANAGER, PROMETHEUS)
            for name in (ALERTMANAGER, PROMETHEUS):
                self._ensure(name)

    def _require_ports(self, *names: str, ports: Iterable[int] = ()) -> None:
        """Raises Unreachable naming the ports that `names` need, do not run on yet, and somebody else has."""
        running = leaders(find_processes(self.layout.directory))
        wanted = [self._ports[name] for name in names if name not in running]
        wanted += ports if names and wanted else []
        if taken := [port for port in wanted if not is_free(port)]:
            listed = ", ".join(map(str, taken))
            raise Unreachable(
                f"taken by another program: port {listed}; {PORT_VARIABLE}=N moves the site to N and above"
            )

    def _command(self, name: str) -> list[str]:
        match name:
            case "gateway":
                return ["haproxy", "-W", "-f", str(self.layout.gateway_config)]
            case "prometheus":
                return monitoring.prometheus_command(self.layout)
            case _:
                return monitoring.alertmanager_command(self.layout)

    def _ensure(self, name: str) -> bool:
        """Start `name` unless it runs; True if it was started."""
        if name in self.pids:
            return False
        found = leaders(find_processes(self.layout.directory)).get(name)
        if found:
            self.pids[name] = found.pid
        else:
            self.pids[name] = spawn(self.layout.directory, name, self._command(name), self.layout.log(name), env={})
        task = asyncio.create_task(self._watch(name, self.pids[name]))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return found is None

    async def _watch(self, name: str, pid: int) -> None:
        await wait_exit(pid)
        if self.stopping or self.pids.get(name) != pid:
            return
        log.warning("%s ended (its log says: %s); starting it again", name, last_words(self.layout.log(name)))
        await asyncio.sleep(RESTART_S)
        if self.pids.get(name) == pid and not self.stopping:
            await self._end_strays(name)
            del self.pids[name]
            self._ensure(name)

    async def _end_strays(self, name: str) -> None:
        """Workers whose master is gone would keep the ports."""
        strays = [found.pid for found in find_processes(self.layout.directory) if found.name == name]
        await asyncio.gather(*(stop(pid, 1.0) for pid in strays))

    async def apply(self, desired: Desired, ports: Mapping[str, Ports]) -> None:
        """Bring gateway and scrape targets to what is desired, without dropping a request."""
        async with self.lock:
            await self._apply_gateway(desired, ports)
            write_whole(self.layout.targets, monitoring.targets(desired, ports))

    async def _apply_gateway(self, desired: Desired, ports: Mapping[str, Ports]) -> None:
        text = render_gateway(desired, self.layout, ports)
        skeleton = _without_weights(text)
        previous = self._running_skeleton()
        write_whole(self.layout.gateway_config, text.encode())
        self._require_ports(GATEWAY, ports=(each.port for each in desired.environments))
        if self._ensure(GATEWAY):
            await self._until_answered(other_than=0)
        elif skeleton != previous:
            await self._reload()
        else:
            known = {pair: weight for pair, weight in user_weights(desired).items() if pair[1] in ports}
            await self.socket.set_weights(known)
        self.skeleton = skeleton

    def _running_skeleton(self) -> str | None:
        """What the gateway was last told, by us or by the supervisor before us."""
        if self.skeleton is None and self.layout.gateway_config.exists():
            return _without_weights(self.layout.gateway_config.read_text())
        return self.skeleton

    @property
    def socket(self) -> GatewaySocket:
        return GatewaySocket(self.layout.gateway_socket)

    async def _reload(self) -> None:
        """A new worker takes the listening sockets over; the old one finishes its requests (management.txt, 4)."""
        before = await self.socket.process_id()
        signal_process(self.pids[GATEWAY], signal.SIGUSR2)
        await self._until_answered(other_than=before)

    async def _until_answered(self, other_than: int) -> None:
        """Wait for a gateway worker with another pid. Raises Unreachable with the gateway's own words."""
        try:
            async with asyncio.timeout(START_S):
                while True:
                    try:
                        if await self.socket.process_id() not in (0, other_than):
                            return
                    except Unreachable:
                        pass
                    await asyncio.sleep(ASK_S)
        except TimeoutError:
            said = last_words(self.layout.log(GATEWAY))
            raise Unreachable(f"the gateway did not take its configuration: {said}") from None

    async def stop(self) -> None:
        self.stopping = True
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*(stop(pid, STOP_S) for pid in self.pids.values()))
        for name in NAMES:
            await self._end_strays(name)
        self.pids.clear()


def _without_weights(text: str) -> str:
    words = (line.split(" ") for line in text.splitlines())
    return "\n".join(" ".join(word for n, word in enumerate(row) if n == 0 or row[n - 1] != "weight") for row in words)


def require_programs() -> None:
    """Raises Unreachable naming every program that is missing and how to get it."""
    missing = [package for program, package in PACKAGES.items() if shutil.which(program) is None]
    if missing:
        raise Unreachable(
            f"missing: {', '.join(missing)}; `make setup` installs them (apt-get install {' '.join(missing)})"
        )
