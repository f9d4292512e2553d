"""The site's processes, found by a mark in their environment: no file can be stale, a new supervisor adopts them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from liftlock.conventions import SITE_VARIABLE

# The process's own name within the site, beside SITE_VARIABLE.
NAME_VARIABLE = "LIFTLOCK_PROCESS"
# What a process was started with, to see whether it is still what is wanted.
MARK_VARIABLE = "LIFTLOCK_MARK"


@dataclass(frozen=True)
class Found:
    """A running process of the site."""

    pid: int
    parent: int
    name: str
    mark: str
    started: int  # clock ticks after boot: tells a process from a later one with its pid


def find_processes(site: Path) -> tuple[Found, ...]:
    """Every living process of the site in `site`, by pid."""
    return tuple(sorted(_scan(str(site)), key=lambda found: found.pid))


def _scan(site: str) -> Iterator[Found]:
    needle = f"{SITE_VARIABLE}={site}".encode()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            variables = _environ(entry.name)
            if needle in variables and (found := _describe(entry.name, variables)):
                yield found


def _environ(pid: str) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _describe(pid: str, variables: list[bytes]) -> Found | None:
    named = dict(variable.decode(errors="replace").partition("=")[::2] for variable in variables)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] in "ZX":
        return None
    return Found(int(pid), int(fields[1]), named.get(NAME_VARIABLE, ""), named.get(MARK_VARIABLE, ""), int(fields[19]))


def leaders(found: Sequence[Found]) -> dict[str, Found]:
    """The processes by name, without their children (HAProxy's workers, a server's helpers)."""
    pids = {process.pid for process in found}
    return {process.name: process for process in found if process.parent not in pids or process.parent == os.getpid()}


def spawn(site: Path, name: str, command: Sequence[str], log: Path, *, mark: str = "", env: Mapping[str, str]) -> int:
    """Start a process of its own session that outlives us, its output at the end of `log`; its pid."""
    log.parent.mkdir(parents=True, exist_ok=True)
    marks = {SITE_VARIABLE: str(site), NAME_VARIABLE: name, MARK_VARIABLE: mark}
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=site,
            env={**os.environ, **env, **marks},
            start_new_session=True,
        )
    return child.pid


async def wait_exit(pid: int) -> None:
    """Return when `pid` has ended, whether it is our child or not."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.add_reader(handle, done.set)
    try:
        await done.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    _reap(pid)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


async def stop(pid: int, grace_s: float) -> None:
    """SIGTERM, then SIGKILL after `grace_s` seconds."""
    signal_process(pid, signal.SIGTERM)
    try:
        await asyncio.wait_for(wait_exit(pid), grace_s)
    except TimeoutError:
        signal_process(pid, signal.SIGKILL)
        await wait_exit(pid)


def signal_process(pid: int, number: signal.Signals) -> None:
    """Send a signal; a process that has just ended is fine."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
