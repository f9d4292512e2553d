"""Calling other services, as ensembles do: V2 over HTTP at the gateway, with time limits and reasons for failures.

A small client on asyncio streams: an HTTP library would cost more memory than the rest of an ensemble's server.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools
import numpy as np
import orjson

from serving.errors import InvalidInput, Refused, ServiceFailed, Unavailable
from serving.handler import Service
from serving.names import GATEWAY_VARIABLE, MIRROR_HEADER
from serving.tensors import Array, Tensor, check_header, datatype_of, flat, to_texts

MAX_ANSWER_BYTES = 64 << 20
IDLE_CONNECTIONS = 32

# Whether the request being answered is a mirrored one: then so are those it causes.
MIRRORED: ContextVar[bool] = ContextVar("mirrored", default=False)


def connect(services: Sequence[str], seconds: float) -> Mapping[str, Service]:
    """A function per service; each call may take `seconds`. The gateway's address is read from the environment."""
    address = os.environ.get(GATEWAY_VARIABLE, "")
    return {name: RemoteService(name, address.replace("{service}", name), seconds) for name in services}


@dataclass
class _Answer:
    """An HTTP answer as httptools tells it."""

    status: int = 0
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    complete: bool = False
    keep: bool = False
    parser: Any = None

    def on_body(self, body: bytes) -> None:
        self.body.append(body)
        self.size += len(body)

    def on_message_complete(self) -> None:
        self.complete = True
        self.keep = self.parser.should_keep_alive()  # forgotten once this returns


class RemoteService:
    """One other service."""

    def __init__(self, name: str, address: str, seconds: float) -> None:
        self._name = name
        self._seconds = seconds
        parts = urlsplit(address)
        self._host, self._port = parts.hostname, parts.port or 80
        self._usable = parts.scheme == "http"
        self._head = (
            f"POST {parts.path.rstrip('/')}/v2/models/{name}/infer HTTP/1.1\r\nhost: {parts.netloc}\r\n".encode()
        )
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __call__(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        """The service's outputs by name. Raises InvalidInput for what it refuses, else Unavailable or ServiceFailed."""
        if not self._usable:
            raise Unavailable(f"{self._name}: {GATEWAY_VARIABLE} is not set to an http:// address")
        body = encode(inputs)
        try:
            async with asyncio.timeout(self._seconds):
                status, answer = await self._exchange(body)
        except TimeoutError:
            raise ServiceFailed(f"{self._name}: no answer within {self._seconds:g} s", status=504) from None
        except OSError as error:
            raise Unavailable(f"{self._name}: cannot be reached: {error.strerror or 'connection lost'}") from error
        except httptools.HttpParserError as error:
            raise ServiceFailed(f"{self._name}: its answer is not HTTP") from error
        return self._read(status, answer)

    async def _exchange(self, body: bytes) -> tuple[int, bytes]:
        """One request and its answer; once more where an idle connection turns out to have been closed."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not writer.is_closing() and not reader.at_eof():
                try:
                    return await self._send(reader, writer, body)
                except ConnectionError:
                    break
        return await self._send(*await asyncio.open_connection(self._host, self._port), body)

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> tuple[int, bytes]:
        kept = False
        try:
            mirror = f"{MIRROR_HEADER}: 1\r\n".encode() if MIRRORED.get() else b""
            length = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
            writer.write(b"".join((self._head, mirror, length, body)))
            answer = _Answer()
            parser = answer.parser = httptools.HttpResponseParser(answer)
            while not answer.complete:
                data = await reader.read(1 << 16)
                if not data or answer.size > MAX_ANSWER_BYTES:
                    raise ConnectionError("connection lost")
                parser.feed_data(data)
            kept = answer.keep and len(self._idle) < IDLE_CONNECTIONS
            return parser.get_status_code(), b"".join(answer.body)
        finally:
            if kept:
                self._idle.append((reader, writer))
            else:
                writer.close()

    def _read(self, status: int, body: bytes) -> dict[str, Array]:
        if status == 200:
            try:
                return decode(orjson.loads(body))
            except (ValueError, KeyError, TypeError, Refused) as error:
                raise ServiceFailed(f"{self._name}: its answer is not V2") from error
        reason = f"{self._name}: {_reason(body, status)}"
        if status in (400, 413, 422):
            raise InvalidInput(reason)
        if status in (429, 503):
            raise Unavailable(reason)
        raise ServiceFailed(reason)


def encode(inputs: Mapping[str, Array]) -> bytes:
    """A V2 request body; missing numbers travel as null. Raises InvalidInput for what is no array."""
    tensors: list[dict[str, Any]] = []
    for name, value in inputs.items():
        array = np.asarray(value)
        datatype = datatype_of(array)
        data = _texts(array) if datatype == "BYTES" else array.ravel().tolist()
        if datatype == "FP16":
            datatype = "FP32"
        tensors.append({"name": name, "shape": list(array.shape), "datatype": datatype, "data": data})
    return orjson.dumps({"inputs": tensors})


def _texts(array: Array) -> list[str | None]:
    missing = [value is None for value in array.ravel()]
    return [None if gone else text for text, gone in zip(to_texts(array), missing, strict=True)]


def decode(answer: Any) -> dict[str, Array]:
    """A V2 answer's outputs. Raises Refused, KeyError or TypeError for what is none."""
    outputs: dict[str, Array] = {}
    for item in answer["outputs"]:
        name, datatype, shape = check_header(item["name"], item["datatype"], item["shape"])
        outputs[name] = Tensor(name, datatype, shape, flat(name, shape, item["data"])).array()
    return outputs


def _reason(body: bytes, status: int) -> str:
    try:
        return str(orjson.loads(body)["error"])[:300]
    except (ValueError, KeyError, TypeError):
        return f"answered {status}"
