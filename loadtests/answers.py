"""Reading an HTTP/1.1 answer, and whether it is the answer that was asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import orjson

from liftlock.conventions import REVISION_HEADER

Protocol = Literal["v1", "v2"]

# Error kinds: '' is a good answer; every other word is a failed request.
GOOD = ""
TIMED_OUT = "timed out"
CUT_OFF = "cut off"
REFUSED = "refused"
CLOSED = "connection closed"
MALFORMED = "malformed answer"
WRONG_REVISION = "wrong revision"
NOT_JSON = "not JSON"
WRONG_SHAPE = "not the protocol's answer"
ERROR_INSIDE = "error inside"
GENERATOR = "generator: out of sockets"

LARGEST_HEAD = 65_536
# No prediction is this long; a server that never stops must not take the generator's memory.
LARGEST_ANSWER = 64 << 20
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?:\r\n|$)")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked")
_CLOSE = re.compile(rb"\r\nconnection:[^\r]*close")
_REVISION = re.compile(rb"\r\n" + REVISION_HEADER.encode() + rb":[ \t]*([^\r]*?)[ \t]*(?:\r\n|$)")
# What the protocol's answer holds its predictions in.
_HOLDER: dict[str, str] = {"v1": "predictions", "v2": "outputs"}


class MalformedAnswer(ValueError):
    """Bytes that are no HTTP/1.x answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole HTTP answer."""

    status: int
    revision: str
    body: bytes
    keep_alive: bool


def read_answer(data: bytes, ended: bool) -> Answer | None:
    """The answer `data` holds, None while incomplete. `ended`: the server closed. Raises MalformedAnswer."""
    end = data.find(_HEAD_END)
    if len(data) > LARGEST_ANSWER:
        raise MalformedAnswer
    if end < 0:
        if len(data) > LARGEST_HEAD or not data.startswith(b"HTTP/1."[: len(data)]):
            raise MalformedAnswer
        return None
    head = data[:end].lower()
    status = _status(head)
    if 100 <= status < 200:
        return read_answer(data[end + 4 :], ended)
    body, framed = _body(data, head, end + 4, status, ended)
    if body is None:
        return None
    named = _REVISION.search(head)
    revision = data[named.start(1) : named.end(1)].decode("latin-1") if named else ""
    keep_alive = framed and head.startswith(b"http/1.1") and not _CLOSE.search(head)
    return Answer(status, revision, body, keep_alive)


def _status(head: bytes) -> int:
    if not head.startswith(b"http/1.") or not head[9:12].isdigit():
        raise MalformedAnswer
    return int(head[9:12])


def _body(data: bytes, head: bytes, start: int, status: int, ended: bool) -> tuple[bytes | None, bool]:
    """The body if all of it is there, and whether its end was told by other means than closing (RFC 9112, 6.3)."""
    if status in (204, 304):
        return b"", True
    if _CHUNKED.search(head):
        return _chunks(data, start), True
    if length := _LENGTH.search(head):
        wanted = start + int(length[1])
        return (data[start:wanted] if len(data) >= wanted else None), True
    return (data[start:] if ended else None), False


def _chunks(data: bytes, at: int) -> bytes | None:
    parts: list[bytes] = []
    while (line_end := data.find(b"\r\n", at)) >= 0:
        told = _CHUNK_SIZE.match(data, at, line_end)
        if told is None:
            raise MalformedAnswer
        size = int(told[0], 16)
        if size == 0:
            return b"".join(parts) if data.find(b"\r\n", line_end + 2) >= 0 else None
        at = line_end + 2 + size + 2
        if len(data) < at:
            return None
        parts.append(data[line_end + 2 : at - 2])
    return None


def fault(answer: Answer, protocol: Protocol, revision: str | None) -> str:
    """The error kind of an answer, '' when it is good: 200, of the protocol, no error inside, by the right revision."""
    if revision is not None and answer.revision != revision and answer.status == 200:
        return WRONG_REVISION
    if answer.status != 200:
        return f"status {answer.status}"
    try:
        content = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return NOT_JSON
    if b'"error"' in answer.body and _holds_error(content):
        return ERROR_INSIDE
    if not isinstance(content, dict) or not isinstance(content.get(_HOLDER[protocol]), list):
        return WRONG_SHAPE
    return GOOD


def _holds_error(content: object) -> bool:
    """Whether any object in it has an `error` that says something; a number called error may be a prediction."""
    waiting = [content]
    while waiting:
        match waiting.pop():
            case {"error": str() | dict() | list() as words} if words:
                return True
            case dict() as fields:
                waiting += fields.values()
            case list() as items:
                waiting += items
    return False
