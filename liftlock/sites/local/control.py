"""Talking to the site's supervisor: start it, ask it, stop it."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import sys
import time
from typing import Any

from liftlock.errors import Unreachable
from liftlock.repository import Repository
from liftlock.sites.local.layout import Layout
from liftlock.sites.local.processes import find_processes, signal_process, spawn
from liftlock.sites.local.servers import require_programs
from liftlock.sites.local.supervisor import SUPERVISOR

# Seconds: until a new supervisor listens; for one converging, which may start many servers; for stray processes to end.
START_S, CONVERGE_S, END_S = 20.0, 600.0, 10.0
ASK_S = 0.02


class NotUp(Unreachable):
    """No supervisor listens."""


def call(layout: Layout, verb: str) -> dict[str, Any]:
    """One call's answer. Raises NotUp where no supervisor listens, Unreachable with what it could not do."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONVERGE_S)
        try:
            connection.connect(str(layout.control_socket))
            connection.sendall(f"{verb}\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except OSError as error:
            raise NotUp("the local site is not up: run `liftlock local up`") from error
    said: dict[str, Any] = json.loads(answer) if answer else {"error": "the local site's supervisor ended; try again"}
    if "error" in said:
        raise Unreachable(str(said["error"]))
    return said


def is_up(layout: Layout) -> bool:
    """Whether a supervisor answers."""
    try:
        call(layout, "status")
    except Unreachable:
        return False
    return True


def up(layout: Layout) -> dict[str, Any]:
    """Start the site or repair it; its status once it is what the last commit says. Raises LiftlockError."""
    require_programs()
    Repository.open(layout.root)
    if not is_up(layout):
        _start(layout)
    return call(layout, "converge")


def converge(layout: Layout) -> dict[str, Any]:
    """The same, in one call where the site is up."""
    if layout.control_socket.exists():
        with contextlib.suppress(NotUp):
            return call(layout, "converge")
    return up(layout)


def _start(layout: Layout) -> None:
    layout.directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-Pm", "liftlock.sites.local.supervisor", str(layout.root)]
    log = layout.log(SUPERVISOR)
    spawn(layout.directory, SUPERVISOR, command, log, env={})
    deadline = time.monotonic() + START_S
    while not is_up(layout):
        if time.monotonic() > deadline:
            raise Unreachable(f"the local site's supervisor did not start; its log is {log}")
        time.sleep(ASK_S)


def down(layout: Layout) -> int:
    """Stop every process of the site and remove its files; how many processes were left to stop by hand."""
    with contextlib.suppress(Unreachable):  # where nobody listens, what is left is found below
        call(layout, "stop")
    left = _end_all(layout, signal.SIGTERM, END_S)
    if left:
        _end_all(layout, signal.SIGKILL, END_S)
    shutil.rmtree(layout.directory, ignore_errors=True)
    shutil.rmtree(layout.sockets, ignore_errors=True)
    return left


def _end_all(layout: Layout, number: signal.Signals, seconds: float) -> int:
    """Signal every process of the site until none is left or time is up; how many are left."""
    deadline = time.monotonic() + seconds
    for process in find_processes(layout.directory):
        signal_process(process.pid, number)
    while (left := len(find_processes(layout.directory))) and time.monotonic() < deadline:
        time.sleep(ASK_S)
    return left
