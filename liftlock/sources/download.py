"""Getting bytes from an HTTP server: within a time and a size, with secrets that go to that server alone."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError

from liftlock.errors import LiftlockError, Unreachable

# Seconds a server may stay silent, and a whole download may take.
SILENT_S, LONGEST_S = 30.0, 1800.0
# The largest model fetched: it is held in memory until it is stored.
MOST_BYTES = 4 << 30
MOST_ANSWER_BYTES = 16 << 20
# Seconds before each further attempt, and the answers that deserve one.
WAITS_S = (0.2, 1.0)
PASSING = frozenset({429, 500, 502, 503, 504})
_CHUNK = 1 << 20

Parsed = TypeVar("Parsed", bound=BaseModel)


class NotGiven(Unreachable):
    """The server answered, and did not give it; `status` and `headers` are its."""

    def __init__(self, message: str, status: int, headers: Message) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the authorization stays with the server it was meant for."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        old, target = urlsplit(req.full_url), urlsplit(newurl)
        if old.scheme == "https" and target.scheme != "https":
            raise urllib.error.URLError(f"redirected from https to {target.scheme}")
        secret = req.unredirected_hdrs.get("Authorization")
        if new is not None and secret and (old.scheme, old.netloc) == (target.scheme, target.netloc):
            new.add_unredirected_header("Authorization", secret)
        return new


_OPENER = urllib.request.build_opener(_Redirects)


@dataclass(frozen=True)
class Server:
    """A server that keeps models. `advice` says what to set when it does not give one."""

    address: str
    advice: str
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, address: str, advice: str, authorization: str | None = None) -> Server:
        """The server at an http(s) address; a user and password in it become its authorization. Raises Unreachable."""
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        if parts.scheme not in ("http", "https") or not host:
            raise Unreachable(
                f"{parts.scheme or 'an address'}://{host}: an http:// or https:// address is wanted; {advice}"
            )
        if authorization is None and parts.username is not None:
            authorization = basic(parts.username, parts.password or "")
        return cls(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", advice, authorization)

    def get(self, path: str, accept: str = "*/*", most: int = MOST_ANSWER_BYTES) -> bytes:
        """The body at `path`, at most `most` bytes. Raises NotGiven, Unreachable, LiftlockError for a longer one."""
        for wait in (*WAITS_S, None):
            try:
                return self._get_once(path, accept, most)
            except NotGiven as refused:
                if wait is None or refused.status not in PASSING:
                    raise
            except Unreachable:
                if wait is None:
                    raise
            time.sleep(wait)
        raise AssertionError  # the last attempt returned or raised

    def _get_once(self, path: str, accept: str, most: int) -> bytes:
        where = self.address + path
        request = urllib.request.Request(where, headers={"Accept": accept, "User-Agent": "liftlock"})
        if self.authorization:
            request.add_unredirected_header("Authorization", self.authorization)
        try:
            with _OPENER.open(request, timeout=SILENT_S) as response:
                return _read(response, where, most)
        except urllib.error.HTTPError as error:
            with error:
                raise NotGiven(f"{where}: answered {error.code}; {self.advice}", error.code, error.headers) from error
        except urllib.error.URLError as error:
            raise Unreachable(f"{where}: {error.reason}; {self.advice}") from error
        except (OSError, HTTPException) as error:
            raise Unreachable(f"{where}: {str(error) or type(error).__name__}; {self.advice}") from error

    def parsed(self, path: str, form: type[Parsed]) -> Parsed:
        """The JSON at `path` as `form`. Raises as `get`, and Unreachable for other JSON."""
        body = self.get(path, "application/json")
        try:
            return form.model_validate(json.loads(body))
        except (ValueError, ValidationError) as error:
            raise Unreachable(f"{self.address}{path}: its answer is not the API's; {self.advice}") from error


def _read(response: HTTPResponse, where: str, most: int) -> bytes:
    end = time.monotonic() + LONGEST_S
    length = response.headers.get("Content-Length")
    size, parts = 0, []
    while part := response.read(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > most:
            raise LiftlockError(f"{where}: more than {most:,} bytes, the most that is taken")
        if time.monotonic() > end:
            raise Unreachable(f"{where}: not whole within {LONGEST_S:g} s")
    # Read in parts, http.client does not notice an early end itself.
    if length is not None and length.isdigit() and size < int(length):
        raise Unreachable(f"{where}: ended after {size:,} of {int(length):,} bytes")
    return b"".join(parts)


def basic(user: str, password: str) -> str:
    """The Authorization header of a user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(token: str) -> str:
    """The Authorization header of a token."""
    return f"Bearer {token}"
