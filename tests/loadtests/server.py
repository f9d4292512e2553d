"""A model server on loopback that misbehaves as told: what a generator must tell the truth about."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from time import perf_counter

GOOD = b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[0.5]}]}'
STALL_EVERY_S, STALL_S = 2.0, 0.4


def answer(body: bytes = GOOD, revision: str = "m-11111111", status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nX-Liftlock-Revision: {revision}\r\n{more}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Server(asyncio.Protocol):
    """Answers each request by its behaviour; requests are counted over all connections."""

    behaviour: Callable[[Server, int], None]
    count = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
            self.buffer = b""
            Server.count += 1
            BEHAVIOURS[sys.argv[1]](self, Server.count)


def _close_every_fifth(server: Server, count: int) -> None:
    if count % 5:
        server.transport.write(answer())
    else:
        server.transport.abort()


def _stall(server: Server, _: int) -> None:
    """Nothing is answered during the first 0.4 s of every 2 s."""
    left = STALL_S - perf_counter() % STALL_EVERY_S
    if left > 0:
        asyncio.get_running_loop().call_later(left, server.transport.write, answer())
    else:
        server.transport.write(answer())


def _chunked(server: Server, _: int) -> None:
    head = b"HTTP/1.1 200 OK\r\nx-liftlock-revision: m-11111111\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.transport.write(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD))


def _in_pieces(server: Server, _: int) -> None:
    whole = answer()
    for place in range(0, len(whole), 40):
        asyncio.get_running_loop().call_later(place / 40_000, server.transport.write, whole[place : place + 40])


def _close_after(server: Server, _: int) -> None:
    server.transport.write(answer(more="Connection: close\r\n"))
    server.transport.close()


BEHAVIOURS: dict[str, Callable[[Server, int], None]] = {
    "good": lambda server, _: server.transport.write(answer()),
    "silent": lambda *_: None,
    "wrong revision": lambda server, _: server.transport.write(answer(revision="m-22222222")),
    "error inside": lambda server, _: server.transport.write(answer(b'{"outputs":[],"error":"model is gone"}')),
    "error deep inside": lambda server, _: server.transport.write(answer(b'{"outputs":[{"error":{"code":1}}]}')),
    "not json": lambda server, _: server.transport.write(answer(b"<html>")),
    "other protocol": lambda server, _: server.transport.write(answer(b'{"predictions":[1]}')),
    "overloaded": lambda server, _: server.transport.write(answer(b'{"error":"busy"}', status="503 Busy")),
    "not http": lambda server, _: server.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "half an answer": lambda server, _: server.transport.write(answer()[:-10]),
    "closes every fifth": _close_every_fifth,
    "stalls": _stall,
    "chunked": _chunked,
    "in pieces": _in_pieces,
    "closes after": _close_after,
}


async def main() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
