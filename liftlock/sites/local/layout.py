"""Where the local site keeps its files, and which ports it answers on."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from liftlock.errors import LiftlockError
from liftlock.paths import site_directory

# The first of the ports a site answers on; another site on the same machine sets another base.
PORT_VARIABLE = "LIFTLOCK_PORT_BASE"
DEFAULT_PORT_BASE = 8480
# Offsets from the base. Environments follow each other from ENVIRONMENT_OFFSET in their ladder's order.
ENVIRONMENT_OFFSET, GATEWAY_METRICS_OFFSET, PROMETHEUS_OFFSET, ALERTMANAGER_OFFSET = 1, 10, 11, 12
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Layout:
    """Files and ports of the site of one checkout."""

    root: Path
    port_base: int

    @classmethod
    def of(cls, root: Path) -> Layout:
        """The site of the checkout at `root`. Raises LiftlockError for a port base that is no port."""
        text = os.environ.get(PORT_VARIABLE, str(DEFAULT_PORT_BASE))
        if not text.isascii() or not text.isdigit() or not 1024 <= int(text) <= 65000:
            raise LiftlockError(f"{PORT_VARIABLE}={text!r}: a port from 1024 to 65000 is wanted")
        return cls(root.resolve(), int(text))

    @property
    def directory(self) -> Path:
        return site_directory(self.root)

    @property
    def sockets(self) -> Path:
        """A short folder of its own: a socket's path may have 107 characters at most, a checkout's may have more."""
        mark = hashlib.sha256(str(self.directory).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"liftlock-{os.getuid()}-{mark}"

    @property
    def control_socket(self) -> Path:
        return self.sockets / "control.sock"

    @property
    def gateway_socket(self) -> Path:
        return self.sockets / "gateway.sock"

    @property
    def gateway_config(self) -> Path:
        return self.directory / "haproxy.cfg"

    @property
    def prometheus_config(self) -> Path:
        return self.directory / "prometheus.yml"

    @property
    def targets(self) -> Path:
        """What Prometheus scrapes; replaced whole whenever a process comes or goes."""
        return self.directory / "targets.json"

    @property
    def alertmanager_config(self) -> Path:
        return self.directory / "alertmanager.yml"

    def log(self, process: str) -> Path:
        return self.directory / "logs" / f"{process}.log"

    def bundle(self, digest: str) -> Path:
        return self.directory / "bundles" / digest.removeprefix("sha256:")

    def environment_port(self, index: int) -> int:
        """The gateway's port for the environment at `index` of the ladder, from 0."""
        return self.port_base + ENVIRONMENT_OFFSET + index

    @property
    def gateway_metrics_port(self) -> int:
        return self.port_base + GATEWAY_METRICS_OFFSET

    @property
    def prometheus_port(self) -> int:
        return self.port_base + PROMETHEUS_OFFSET

    @property
    def alertmanager_port(self) -> int:
        return self.port_base + ALERTMANAGER_OFFSET
