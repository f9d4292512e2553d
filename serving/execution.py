"""Where predictions run: on the event loop while they take microseconds, else on a thread, so that health answers.

A hand-over to a thread and back costs about 100 us of CPU, as much as a small tree model's prediction (docs/adr/0001).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.config import Concurrency
from serving.errors import TurnedAway

T = TypeVar("T")

# A prediction expected to take less runs on the loop. Nothing else is answered meanwhile, so it bounds what
# one request may add to another's latency.
INLINE_SECONDS = 0.001
WEIGHT = 0.2


class Worker:
    """Runs functions one at a time per thread; the loop itself counts as that thread while no other work is pending."""

    def __init__(self, threads: int = 1) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="predict")
        self._threads = threads
        self._pending = 0
        self._expected = float("inf")

    def learn(self, seconds: float) -> None:
        """Take one duration into the running average."""
        known = self._expected != float("inf")
        self._expected = seconds if not known else self._expected + WEIGHT * (seconds - self._expected)

    @property
    def inline(self) -> bool:
        """Whether a call now should run on the loop: short on average, and not beside a running one."""
        return self._expected < INLINE_SECONDS and self._pending == 0 and self._threads == 1

    def run_here(self, function: Callable[[], T]) -> T:
        """Run on the caller's thread, and learn from it."""
        started = time.perf_counter()
        try:
            return function()
        finally:
            self.learn(time.perf_counter() - started)

    async def run(self, function: Callable[[], T], *, large: bool = False) -> T:
        """Run inline or, if `large` or slow, on a thread. Cancelling does not stop a function that already runs."""
        if self.inline and not large:
            return self.run_here(function)
        self._pending += 1
        loop = asyncio.get_running_loop()
        durations: list[float] = []

        def timed() -> T:
            started = time.perf_counter()
            try:
                return function()
            finally:
                durations.append(time.perf_counter() - started)

        future = self._pool.submit(timed)
        future.add_done_callback(lambda _: _soon(loop, self._done, durations))
        return await asyncio.wrap_future(future)

    def _done(self, durations: list[float]) -> None:
        self._pending -= 1
        for seconds in durations:
            self.learn(seconds)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def _soon(loop: asyncio.AbstractEventLoop, function: Callable[[list[float]], None], argument: list[float]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, argument)


class Admission:
    """Lets `limit` requests in at once and `queue` more wait; the rest is turned away at once.

    The code is 503, not 429: the server is full, the caller did nothing wrong, and gateways retry a 503 elsewhere.
    """

    def __init__(self, concurrency: Concurrency) -> None:
        self._limit = concurrency.limit
        self._queue = concurrency.queue
        self._active = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def active(self) -> int:
        return self._active

    def try_enter(self) -> bool:
        """Take a place if one is free."""
        if self._active >= self._limit:
            return False
        self._active += 1
        return True

    async def enter(self) -> None:
        """Take a place, waiting in the queue. Raises TurnedAway when that is full. Cancel to stop waiting."""
        if self.try_enter():
            return
        if len(self._waiting) >= self._queue:
            raise TurnedAway("queue_full", "too many requests are waiting")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            elif place in self._waiting:
                self._waiting.remove(place)
            raise

    def leave(self) -> None:
        """Give the place to the request that waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._active -= 1
