"""One HTTP/1.1 connection: requests parsed by llhttp, limited in size and time, answered in order.

An `asyncio.Protocol` rather than an ASGI application: that puts every limit where the bytes arrive, and saves
uvicorn's task, scope and messages, 24 us of CPU a request (docs/adr/0001).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools

# Headers somebody reads; the others are counted against the limit and forgotten.
READ_HEADERS = frozenset(
    (
        b"content-type",
        b"content-length",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
        b"host",
        b"inference-header-content-length",
        b"x-liftlock-revision",
        b"x-liftlock-mirror",
    )
)
LINGER_SECONDS = 2.0
# Requests read ahead of the one being answered; beyond that the kernel's buffer holds them.
PIPELINED = 8


@dataclass(frozen=True)
class Limits:
    """What one connection may use."""

    head_bytes: int = 16 << 10
    body_bytes: int = 10 << 20
    read_seconds: float = 12.0  # for one whole request, and for a slow reader to take its answer
    idle_seconds: float = 75.0  # between requests; longer than the gateways' 60, so that they close first


@dataclass(slots=True)
class Request:
    """A complete request; `fault` is set instead of a body where reading it was given up."""

    method: str
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    keep_alive: bool
    received: float
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the bytes are no request that can be answered."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `headers` are complete lines without their ends."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: tuple[bytes, ...] = ()


Answer = Callable[[Request], Response | Awaitable[Response]]
REASONS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Server:
    """What the connections of one listener share."""

    def __init__(self, answer: Answer, limits: Limits, headers: bytes) -> None:
        """`headers`: complete lines, with their ends, that every answer carries."""
        self.answer = answer
        self.limits = limits
        self.headers = headers
        self.connections: set[Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.closing = False

    def __call__(self) -> Connection:
        return Connection(self)

    def sweep(self, now: float) -> None:
        """Cut the connections whose time is up. To be called about once a second."""
        for connection in list(self.connections):
            if now > connection.deadline:
                connection.time_out()

    @property
    def busy(self) -> bool:
        return any(connection.busy for connection in self.connections)

    def close_idle(self) -> None:
        for connection in list(self.connections):
            if not connection.busy:
                connection.close()


class _Stop(Exception):
    """Parsing ends here: `fault` has been set."""


class Connection(asyncio.Protocol):
    """Parses, queues pipelined requests, and answers one at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._limits = server.limits
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Request] = deque()
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.busy = False
        self.deadline = time.monotonic() + server.limits.read_seconds
        self._reading = False  # a request has begun
        self._in_body = False
        self._deaf = False  # whatever else arrives is dropped
        self._head_bytes = 0
        self._body_bytes = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._fault: Fault | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio passes it
        self._server.connections.discard(self)
        self._deaf = True
        self._queue.clear()

    def eof_received(self) -> bool:
        """A client that shut its side down still gets the answers it waits for."""
        if self._deaf or not (self.busy or self._queue):
            return False
        self._deaf = True
        return True

    def pause_writing(self) -> None:
        self.deadline = time.monotonic() + self._limits.read_seconds

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self._reading:
            self._reading = True
            if not self.busy:
                self.deadline = time.monotonic() + self._limits.read_seconds
        if not self._in_body:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._ignore_upgrade(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            fault = self._fault or Fault(400, f"the request is not HTTP/1.1: {_words(error)}")
            self._give_up(fault)
        else:
            if self._reading and not self._in_body and self._head_bytes > self._limits.head_bytes + len(data):
                self._give_up(Fault(431, f"the request's head is over {self._limits.head_bytes} bytes"))
        if self._queue and not self.busy:
            self._next()
        elif len(self._queue) >= PIPELINED:
            self._transport.pause_reading()

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read on without the offer: llhttp stops at one, and Java's client makes one (h2c) with its first request."""
        self._queue.pop()
        request = b"%b %b HTTP/1.1\r\n" % (self._parser.get_method(), self._target)
        headers = b"".join(b"%b: %b\r\n" % header for header in self._headers.items())
        self._parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join((request, headers, b"\r\n", rest)))

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._reading = True
        self._in_body = False
        self._head_bytes = 0
        self._body_bytes = 0
        self._target = b""
        self._headers = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._target += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes | None) -> None:
        self._count_head(len(name) + len(value or b"") + 4)
        name = name.lower()
        if name in READ_HEADERS:
            if name in self._headers:
                self._stop(400, f"{name.decode()}: is there twice")
            self._headers[name] = value or b""

    def _count_head(self, length: int) -> None:
        self._body_bytes += length  # until the body begins this counts the head
        if self._body_bytes > self._limits.head_bytes:
            self._stop(431, f"the request's head is over {self._limits.head_bytes} bytes")

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._body_bytes = 0
        headers = self._headers
        if self._parser.get_method() == b"CONNECT":
            self._stop(405, "CONNECT is not for this server")
        if b"host" not in headers and self._parser.get_http_version() == "1.1":
            self._stop(400, "host: the header is missing")
        if self._parser.get_http_version() not in ("1.1", "1.0"):
            self._stop(505, "HTTP/1.1 or HTTP/1.0 is wanted")
        if (length := headers.get(b"content-length")) is not None and int(length) > self._limits.body_bytes:
            self._too_large()
        if headers.get(b"expect", b"").lower() == b"100-continue" and not self.busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._too_large()
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._reading = False
        self._in_body = False
        self._head_bytes = 0
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        self._queue.append(
            Request(
                self._parser.get_method().decode("ascii"),
                self._target,
                self._headers,
                body,
                self._parser.should_keep_alive(),
                time.monotonic(),
            )
        )

    def _too_large(self) -> None:
        self._stop(413, f"the body is over {self._limits.body_bytes} bytes")

    def _stop(self, status: int, reason: str) -> None:
        self._fault = Fault(status, reason)
        raise _Stop

    # answering

    def _give_up(self, fault: Fault) -> None:
        """Queue the fault's answer behind those of earlier requests, and read no further."""
        self._deaf = True
        self._body = []
        self._reading = False
        self._queue.append(Request("", self._target, self._headers, b"", False, time.monotonic(), fault))

    def _next(self) -> None:
        """Answer queued requests until one has to wait."""
        while self._queue and not self.busy:
            request = self._queue.popleft()
            answer = self._server.answer(request)
            if isinstance(answer, Response):
                self._write(request, answer)
            else:
                self.busy = True
                self.deadline = float("inf")
                task: asyncio.Task[None] = asyncio.ensure_future(self._finish(request, answer))
                self._server.tasks.add(task)
                task.add_done_callback(self._server.tasks.discard)

    async def _finish(self, request: Request, answer: Awaitable[Response]) -> None:
        response = await answer
        self.busy = False
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._write(request, response)
        self._next()

    def _write(self, request: Request, response: Response) -> None:
        keep = request.keep_alive and not self._server.closing and request.fault is None
        keep = keep and not (self._deaf and not self._queue)
        lines = [REASONS[response.status], self._server.headers]
        lines.append(b"content-type: %b\r\ncontent-length: %d\r\n" % (response.content_type, len(response.body)))
        lines.extend(header + b"\r\n" for header in response.headers)
        if not keep:
            lines.append(b"connection: close\r\n\r\n")
        elif self._parser.get_http_version() == "1.0":
            lines.append(b"connection: keep-alive\r\n\r\n")
        else:
            lines.append(b"\r\n")
        if request.method != "HEAD":
            lines.append(response.body)
        self._transport.write(b"".join(lines))
        seconds = self._limits.read_seconds if self._reading else self._limits.idle_seconds
        self.deadline = time.monotonic() + seconds
        if not keep:
            complete = request.fault is None and not self._deaf and not self._queue
            self._queue.clear()
            self._deaf = True
            if complete:
                self._transport.close()
            else:
                self._linger()

    def _linger(self) -> None:
        """Close so that the answer arrives: a reset for unread bytes would overtake it."""
        self.deadline = time.monotonic() + LINGER_SECONDS
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def time_out(self) -> None:
        """The time for reading, idling or lingering is over."""
        if self._transport.get_write_buffer_size() or self._deaf:
            self._transport.abort()
        elif self._reading or self._head_bytes:
            self._give_up(Fault(408, f"the request did not arrive within {self._limits.read_seconds:g} s"))
            self._next()
        else:
            self._transport.close()

    def close(self) -> None:
        self._transport.close()


def _words(error: BaseException) -> str:
    cause = error.__context__ if isinstance(error.__context__, _Stop) else error
    return (str(cause).splitlines() or ["malformed"])[0][:200]
