"""Users of prod while a release rolls out: a steady stream of real customers' requests, every answer kept."""

from __future__ import annotations

import http.client
import random
import select
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from liftlock.board.story import UserRequest
from liftlock.conventions import REVISION_HEADER

# Seconds a user waits for an answer.
PATIENCE_S = 10.0
SEED = 20260101


@dataclass
class Users:
    """Poisson arrivals at `rate` requests a second, on one connection after the other's fashion: a user at a time.

    Not a measurement (that is Locust's): a witness. Times are seconds since `began`.
    """

    port: int
    path: str
    bodies: Sequence[bytes]
    rate: float
    began: float
    seen: list[UserRequest] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(WORKERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _run(self, number: int) -> None:
        draw = random.Random(SEED + number)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        while not self._stop.wait(draw.expovariate(self.rate / WORKERS)):
            self.seen.append(self._ask(connection, draw.choice(self.bodies)))
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, body: bytes) -> UserRequest:
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # closed by the other side while it was idle, as a gateway may; any client looks first
        start = time.monotonic()
        try:
            connection.request("POST", self.path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status, revision = answer.status, answer.headers.get(REVISION_HEADER, "")
        except (OSError, http.client.HTTPException):
            connection.close()
            status, revision = 0, ""
        return UserRequest(start - self.began, status, revision, time.monotonic() - start)


# Connections: a slow answer holds up a quarter of the users, not all.
WORKERS = 4
