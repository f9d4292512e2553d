"""A small HTTP/1.1 client on the event loop's own watchers: as many keep-alive connections as the load needs."""

from __future__ import annotations

import errno
import resource
from _socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_TCP,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
)
from _socket import socket as RawSocket  # noqa: N812 - gevent's socket costs a greenlet switch a call
from collections.abc import Callable
from time import perf_counter

import gevent

from loadtests.answers import CLOSED, GENERATOR, MALFORMED, REFUSED, Answer, MalformedAnswer, read_answer

_READ, _WRITE = 1, 2
_AT_ONCE = 262_144
# Servers drop connections idle for a few seconds; sending into one just dropped would be our error, not theirs.
IDLE_LIMIT_S = 2.0

# What became of request number n: (n, an answer or None, the error kind where there is none).
Finished = Callable[[int, Answer | None, str], None]


class Connection:
    """One TCP connection carrying one request at a time."""

    __slots__ = ("_buffer", "_events", "_pool", "_reader", "_unsent", "_writer", "idle_since", "number", "socket")

    def __init__(self, pool: Pool, number: int, request: bytes) -> None:
        self._pool = pool
        self.number = number
        self.idle_since = 0.0
        self._buffer = b""
        self._unsent = request
        self.socket = RawSocket(pool.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
        self.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        loop = gevent.get_hub().loop
        self._reader = loop.io(self.socket.fileno(), _READ)
        self._writer = loop.io(self.socket.fileno(), _WRITE)

    def connect(self) -> None:
        code = self.socket.connect_ex(self._pool.address)
        if code not in (0, errno.EINPROGRESS):
            self._end(REFUSED)
            return
        self._writer.start(self._connected)

    def _connected(self) -> None:
        self._writer.stop()
        if self.socket.getsockopt(SOL_SOCKET, SO_ERROR):
            self._end(REFUSED)
            return
        self._reader.start(self._readable)
        self._flush()

    def send(self, number: int, request: bytes) -> None:
        """Carry one more request; only for a connection that is idle."""
        self.number = number
        self._unsent = request
        self._flush()

    def _flush(self) -> None:
        try:
            sent = self.socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._end(CLOSED)
            return
        if sent == len(self._unsent):
            self._unsent = b""
            self._writer.stop()
            return
        self._unsent = self._unsent[sent:]
        self._writer.start(self._flush)

    def _readable(self) -> None:
        try:
            chunk = self.socket.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        if self.number < 0:  # idle: the server hung up, or talks out of turn
            self._pool.forget(self)
            return
        self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        self._buffer = self._buffer + chunk if self._buffer else chunk
        try:
            answer = read_answer(self._buffer, ended=not chunk)
        except MalformedAnswer:
            self._end(MALFORMED if self._buffer else CLOSED)
            return
        if answer is not None:
            self._finish(answer, reusable=answer.keep_alive and bool(chunk))
        elif not chunk:
            self._end(CLOSED)

    def _finish(self, answer: Answer, reusable: bool) -> None:
        number, self.number, self._buffer = self.number, -1, b""
        if reusable and not self._unsent:
            self._pool.put_back(self)
        else:
            self.close()
        self._pool.finished(number, answer, "")

    def _end(self, kind: str) -> None:
        number, self.number = self.number, -1
        self.close()
        self._pool.finished(number, None, kind)

    def close(self) -> None:
        for watcher in (self._reader, self._writer):
            watcher.stop()
            watcher.close()
        self.socket.close()


class Pool:
    """The connections to one arm. Open loop: a request never waits for a free one, it opens another."""

    def __init__(self, family: int, address: tuple[object, ...], finished: Finished) -> None:
        assert family in (AF_INET, AF_INET6)
        self.family, self.address, self.finished = family, address, finished
        self._idle: list[Connection] = []

    def send(self, number: int, request: bytes) -> Connection | None:
        """Launch request `number`; None when this machine had no socket left, which `finished` is told too."""
        if (connection := self._take_idle()) is not None:
            connection.send(number, request)
            return connection
        try:
            connection = Connection(self, number, request)
        except OSError:
            self.finished(number, None, GENERATOR)
            return None
        connection.connect()
        return connection

    def _take_idle(self) -> Connection | None:
        """The connection used last; older ones are left to be dropped, so the pool shrinks after a burst."""
        if not self._idle:
            return None
        connection = self._idle.pop()
        if perf_counter() - connection.idle_since < IDLE_LIMIT_S:
            return connection
        connection.close()
        self.close()
        return None

    def put_back(self, connection: Connection) -> None:
        connection.idle_since = perf_counter()
        self._idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """An idle connection is over."""
        self._idle.remove(connection)
        connection.close()

    def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            self._idle.pop().close()


def raise_socket_limit() -> None:
    """Allow this process all the sockets the system grants it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def request_head(host: str, path: str, headers: dict[str, str]) -> bytes:
    """Everything of a request but its length and body."""
    fields = {"Host": host, "Content-Type": "application/json", "Accept": "application/json", **headers}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\nContent-Length: "
