"""Logs: one JSON object a line on stderr, errors up to a rate, one success in N, never a request's content."""

from __future__ import annotations

import sys
import time
import traceback
from typing import TextIO

import orjson

ERRORS_PER_SECOND = 10.0
BURST = 50.0


class Log:
    """Writes the lines of one process."""

    def __init__(self, revision: str, one_in: int = 1000, stream: TextIO | None = None) -> None:
        """`one_in`: 1 of so many successful requests is logged; 0 logs none."""
        self._revision = revision
        self._one_in = one_in
        self._stream = stream or sys.stderr
        self._successes = 0
        self._allowance = BURST
        self._refilled = time.monotonic()
        self._dropped = 0

    def event(self, event: str, **fields: object) -> None:
        """Something that happens rarely enough to be always logged."""
        line = {"time": time.time(), "revision": self._revision, "event": event, **fields}
        try:
            self._stream.write(orjson.dumps(line, default=str).decode() + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads the log any more; predictions matter more
            pass

    def access(self, route: str, code: int, seconds: float, reason: str | None = None) -> None:
        """One answered request: a success is sampled, anything from 400 on is logged up to a rate."""
        if code < 400:
            self._successes += 1
            if self._one_in and self._successes % self._one_in == 0:
                self.event("request", route=route, code=code, ms=round(seconds * 1000, 3), one_in=self._one_in)
        elif self._allowed():
            self.event("request", route=route, code=code, ms=round(seconds * 1000, 3), reason=reason, **self._lost())

    def failure(self, where: str, error: BaseException) -> None:
        """An exception that should not have been, with its traceback, up to the same rate."""
        if self._allowed():
            cause = error.__cause__ or error
            text = "".join(traceback.format_exception(cause, limit=-8))
            self.event("failure", where=where, error=type(cause).__name__, traceback=text, **self._lost())

    def _allowed(self) -> bool:
        now = time.monotonic()
        self._allowance = min(BURST, self._allowance + (now - self._refilled) * ERRORS_PER_SECOND)
        self._refilled = now
        if self._allowance < 1:
            self._dropped += 1
            return False
        self._allowance -= 1
        return True

    def _lost(self) -> dict[str, int]:
        dropped, self._dropped = self._dropped, 0
        return {"lines_dropped": dropped} if dropped else {}
