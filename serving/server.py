"""The process: listen, load, warm up, serve; on SIGTERM refuse readiness, go on answering, finish, exit."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import time
from importlib import metadata
from typing import Any

from serving import names
from serving.config import load_config
from serving.connection import Limits, Server
from serving.endpoints import Endpoints
from serving.logs import Log
from serving.metrics import Metrics
from serving.service import ModelService
from serving.settings import Settings

SWEEP_SECONDS = 1.0
BACKLOG = 1024


def version() -> str:
    """The installed version of Liftlock."""
    try:
        return metadata.version("liftlock")
    except metadata.PackageNotFoundError:
        return "0"


class ModelServer:
    """Serves one bundle until told to stop."""

    def __init__(self, settings: Settings) -> None:
        """Raises BundleError for a `serving.json` that cannot be served."""
        config = load_config(settings.model_dir)
        self._settings = settings
        self._log = Log(settings.revision, settings.log_one_in)
        self._metrics = Metrics(config.service, settings.revision)
        self._service = ModelService(config, settings.model_dir, settings.threads, self._metrics, self._log)
        endpoints = Endpoints(settings.model_name, settings.revision, version(), self._service, self._log)
        limits = Limits(
            settings.limits.head_bytes,
            config.max_body_bytes,
            settings.limits.read_seconds,
            settings.limits.idle_seconds,
        )
        header = f"{names.REVISION_HEADER}: {settings.revision}\r\nserver: liftlock\r\n".encode()
        self._http = Server(endpoints.answer, limits, header)
        self._grpc: Any = None
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()

    async def run(self) -> int:
        """Serve until a signal. Exit code 0, or 1 where requests were cut off. Raises BundleError, OSError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        listener = _listen(self._settings.host, self._settings.http_port)
        http = await loop.create_server(self._http, sock=listener, backlog=BACKLOG)
        port = listener.getsockname()[1]
        self._log.event("listening", port=port)
        sweeper = asyncio.ensure_future(self._sweep())
        start = asyncio.ensure_future(self._start(port))
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({start, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if start.done():
            start.result()
        await stopped
        code = await self._drain(http)
        for task in (sweeper, start):
            task.cancel()
        self._service.close()
        return code

    async def _start(self, port: int) -> None:
        started = time.perf_counter()
        await self._service.load(self._settings.native_threads)
        if self._settings.grpc_port is not None:
            from serving.grpc_server import start_grpc

            self._grpc = await start_grpc(self._settings, self._service, self._log, version())
        await self._service.warm_up()
        self._log.event("ready", port=port, seconds=round(time.perf_counter() - started, 3))

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._stop_now.set()
        self._stop.set()
        self._service.drain()

    async def _drain(self, http: asyncio.Server) -> int:
        """Answer for `drain_seconds` more, saying close, while routers take notice; then let the rest finish."""
        self._log.event("draining", seconds=self._settings.drain_seconds)
        self._http.closing = True
        await self._told_to_hurry(self._settings.drain_seconds)
        http.close()
        if self._grpc is not None:
            await self._grpc.stop(0 if self._stop_now.is_set() else self._service.config.request_seconds)
        deadline = time.monotonic() + self._service.config.request_seconds + 1
        while self._http.busy and time.monotonic() < deadline and not self._stop_now.is_set():
            self._http.close_idle()
            await asyncio.sleep(0.02)
        cut = self._http.busy
        self._http.close_idle()
        await asyncio.sleep(0)
        self._log.event("stopped", cut_off=cut)
        return int(cut)

    async def _told_to_hurry(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop_now.wait(), seconds)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._http.sweep(time.monotonic())


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError where the address is taken or not of this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
