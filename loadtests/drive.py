"""The open loop: every request leaves at its moment, and its latency counts from that moment."""

from __future__ import annotations

import socket
from collections import Counter, deque
from collections.abc import Callable
from time import perf_counter

import gevent
from gevent.event import Event

from loadtests.alarm import Alarm
from loadtests.answers import CUT_OFF, TIMED_OUT, Answer, fault
from loadtests.plan import Arm, Plan
from loadtests.recording import Recording
from loadtests.wire import Connection, Pool, raise_socket_limit, request_head

# How often overdue requests are looked for; a timeout is recorded at most this late.
_EXPIRY_S = 0.01

# Told of each request as it ends: its number and how many bytes the answer had.
Told = Callable[[int, int], None]


class Drive:
    """Sends a recording's arrivals and fills the recording. Everything here runs in the event loop; nothing blocks."""

    def __init__(self, plan: Plan, bodies: tuple[bytes, ...], recording: Recording, told: Told) -> None:
        self._plan, self._recording, self._told = plan, recording, told
        self._arrivals = recording.arrivals
        raise_socket_limit()
        self._pools = [_pool(arm, self._finished) for arm in plan.arms]
        self._requests = [_requests(arm, plan.path, bodies) for arm in plan.arms]
        self._next = 0
        self._outstanding: dict[int, Connection] = {}
        self._order: deque[int] = deque()
        self._alarm = Alarm(self._launch_due)
        self._expiry = gevent.get_hub().loop.timer(_EXPIRY_S, _EXPIRY_S)
        self._done = Event()
        self.started = 0.0
        self.scheduled = len(self._arrivals)
        self.sent = 0
        self.cut_off = False
        self.ended: Counter[str] = Counter()
        """How many requests ended in each kind so far, warm-up included."""

    def run(self) -> None:
        """Drive the whole schedule; returns when its last answer is in, or timed out, or the plan's time is up."""
        self.started = perf_counter()
        self._expiry.start(self._expire)
        self._launch_due()
        try:
            self._done.wait()
        finally:
            self.close()

    def stop(self) -> None:
        """Cut the run off: what is outstanding is recorded as cut off, what is unsent stays unsent."""
        self._next = len(self._arrivals)
        for number in list(self._outstanding):
            self._abandon(number, CUT_OFF)
        self._done.set()

    def close(self) -> None:
        self._expiry.stop()
        self._expiry.close()
        self._alarm.close()
        for pool in self._pools:
            pool.close()

    def _launch_due(self) -> None:
        arrivals, started = self._arrivals, self.started
        while self._next < len(arrivals):
            arrival = arrivals[self._next]
            if arrival.at_s > perf_counter() - started:
                self._alarm.set(started + arrival.at_s)
                return
            self._launch(self._next)
            self._next += 1
        self._finish_if_over()

    def _launch(self, number: int) -> None:
        arrival = self._arrivals[number]
        self.sent += 1
        self._recording.sent_s[number] = perf_counter() - self.started
        connection = self._pools[arrival.arm].send(number, self._requests[arrival.arm][arrival.body])
        # A connection refused on the spot has already been reported.
        if connection is not None and connection.number == number:
            self._outstanding[number] = connection
            self._order.append(number)

    def _finished(self, number: int, answer: Answer | None, kind: str) -> None:
        now = perf_counter() - self.started
        arm = self._plan.arms[self._arrivals[number].arm]
        if answer is not None:
            kind = fault(answer, self._plan.protocol, arm.revision)
            self._recording.revisions[number] = answer.revision
        self._record(number, now, kind, len(answer.body) if answer is not None else 0)

    def _record(self, number: int, now: float, kind: str, size: int) -> None:
        self._outstanding.pop(number, None)
        self._recording.latency_s[number] = now - self._arrivals[number].at_s
        self._recording.kinds[number] = kind
        self.ended[kind] += 1
        self._told(number, size)
        self._finish_if_over()

    def _expire(self) -> None:
        """Give up on what is overdue. One timeout for all, so requests fall due in the order they were sent."""
        now = perf_counter() - self.started
        overdue = now - self._plan.timeout_s
        while self._order and (
            self._order[0] not in self._outstanding or self._arrivals[self._order[0]].at_s <= overdue
        ):
            number = self._order.popleft()
            if number in self._outstanding:
                self._abandon(number, TIMED_OUT)
        if now > self._plan.max_seconds:
            self.cut_off = True
            self.stop()

    def _abandon(self, number: int, kind: str) -> None:
        connection = self._outstanding[number]
        connection.number = -1
        connection.close()
        self._record(number, perf_counter() - self.started, kind, 0)

    def _finish_if_over(self) -> None:
        if self._next >= len(self._arrivals) and not self._outstanding:
            self._done.set()


def _pool(arm: Arm, finished: Callable[[int, Answer | None, str], None]) -> Pool:
    host, port = arm.address
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return Pool(family, address, finished)


def _requests(arm: Arm, path: str, bodies: tuple[bytes, ...]) -> list[bytes]:
    """Whole requests as bytes, built before the run."""
    host, port = arm.address
    head = request_head(f"{host}:{port}", path, dict(arm.headers))
    return [b"%b%d\r\n\r\n%b" % (head, len(body), body) for body in bodies]
