"""Waking on a commit: changes of the branch that says what runs, as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from liftlock.repository import Repository

# How often (seconds) a remote that is not on this machine is asked; one that is, wakes us itself.
REMOTE_INTERVAL_S = 10.0


async def commits(repository: Repository) -> AsyncIterator[None]:
    """One item whenever the branch may have moved."""
    watched = repository.watched
    if watched is None:
        while True:
            await asyncio.sleep(REMOTE_INTERVAL_S)
            yield
    from watchfiles import awatch

    branch = f"refs/heads/{repository.branch}"
    names = (branch, "packed-refs")
    async for changes in awatch(watched, recursive=True, step=10, debounce=50, ignore_permission_denied=True):
        if any(path.endswith(names) for _, path in changes):
            yield
