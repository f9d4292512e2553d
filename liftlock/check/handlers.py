"""Whether handlers import: one interpreter of their own for all of them, without our environment or credentials."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from liftlock.errors import Problem

# An import that takes longer does something at import that belongs into `Handler.load`.
SECONDS_EACH = 20.0
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "HOME", "SYSTEMROOT", "TMPDIR")


@dataclass(frozen=True, order=True)
class HandlerFile:
    """A handler to import, by its path in the checkout."""

    file: str


class HandlerImports:
    """Imports handlers in the background; `problems` waits for the last of them."""

    def __init__(self, root: Path, handlers: Sequence[HandlerFile], seconds_each: float = SECONDS_EACH) -> None:
        self.root = root
        self.waiting = list(handlers)
        self.seconds_each = seconds_each
        self.process = self._start() if self.waiting else None

    def problems(self) -> Iterator[tuple[HandlerFile, Problem]]:
        """What is wrong with each, in their order; a handler that ends or hangs the interpreter costs only itself."""
        while self.process is not None:
            yield from self._answers(self.process)
            self.process = self._start() if self.waiting else None

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-X", "utf8", str(Path(__file__).with_name("importer.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.root,
            env={name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ} | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,  # a handler's own children end with it
        )
        lines = "".join(f"{self.root / handler.file}\n" for handler in self.waiting)
        assert process.stdin is not None
        try:
            process.stdin.write(lines.encode())
            process.stdin.close()
        except BrokenPipeError:
            pass  # the first handler ended it; its silence will say so
        return process

    def _answers(self, process: subprocess.Popen[bytes]) -> Iterator[tuple[HandlerFile, Problem]]:
        """Answers until the process ends; what it leaves unanswered first is what ended it."""
        assert process.stdout is not None
        buffer, silent_since = b"", time.monotonic()
        try:
            while self.waiting:
                left = silent_since + self.seconds_each - time.monotonic()
                if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                    yield self._refuse(f"a module that imports within {self.seconds_each:g} s")
                    return
                chunk = os.read(process.stdout.fileno(), 65536)
                if not chunk:
                    yield self._refuse("a module that does not end the interpreter when it is imported")
                    return
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    silent_since = time.monotonic()
                    yield from self._answer(orjson.loads(line))
        finally:
            _end(process)

    def _answer(self, answer: dict[str, object]) -> Iterator[tuple[HandlerFile, Problem]]:
        handler = self.waiting.pop(0)
        if not answer["wanted"]:
            return
        file = Path(str(answer["file"]))
        shown = file.relative_to(self.root).as_posix() if file.is_relative_to(self.root) else handler.file
        line, column = int(str(answer["line"])), int(str(answer["column"]))
        yield handler, Problem(shown, line, column, "handler", str(answer["wanted"]))

    def _refuse(self, wanted: str) -> tuple[HandlerFile, Problem]:
        handler = self.waiting.pop(0)
        return handler, Problem(handler.file, 1, 1, "handler", wanted)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the interpreter and whatever a handler started in its session."""
    try:
        os.killpg(process.pid, 9)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
