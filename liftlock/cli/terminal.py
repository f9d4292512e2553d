"""What a person sees: one line per thing that happened, and on a terminal one line that moves while work goes on."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence

# How often progress is printed where nobody watches a terminal, in seconds.
PLAIN_INTERVAL_S = 10.0


class Terminal:
    """Prints to standard output; safe to use in pipes and logs."""

    def __init__(self) -> None:
        self.moving = sys.stdout.isatty()
        self._shown = 0
        self._last = time.monotonic()

    def say(self, words: str) -> None:
        """Something happened."""
        self._clear()
        print(words, flush=True)

    def progress(self, words: str) -> None:
        """Work goes on: rewritten in place on a terminal, now and then elsewhere."""
        if self.moving:
            self._clear()
            sys.stdout.write(words)
            sys.stdout.flush()
            self._shown = len(words)
        elif time.monotonic() - self._last >= PLAIN_INTERVAL_S:
            self._last = time.monotonic()
            print(words, flush=True)

    def _clear(self) -> None:
        if self._shown:
            sys.stdout.write("\r" + " " * self._shown + "\r")
            self._shown = 0


def print_json(value: object) -> None:
    """For programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Columns padded to their widest value, two spaces between, no lines to get in the way of grep."""
    widths = [max(len(row[n]) for row in [headings, *rows]) for n in range(len(headings))]
    for row in (headings, *rows):
        print("  ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)).rstrip())
