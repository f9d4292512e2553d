"""A server that answers at once, except during the first second of every ten. Prints its port."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter

EVERY_S, STALL_S = 10.0, 1.0
BODY = b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[1],"data":[0.5]}]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)


class Stalling(asyncio.Protocol):
    """One connection; a whole request is taken to end with its closing brace."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if not data.endswith(b"}"):
            return
        left = STALL_S - perf_counter() % EVERY_S
        if left > 0:
            asyncio.get_running_loop().call_later(left, self.transport.write, ANSWER)
        else:
            self.transport.write(ANSWER)


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Stalling, "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
