"""What went wrong, in the words of whoever has to fix it. Only the command line catches these."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """The command line's exit codes; a stable contract."""

    DONE = 0
    FAILED = 1  # the gate failed
    WRONG_INPUT = 2
    INCONCLUSIVE = 3
    UNREACHABLE = 4


@dataclass(frozen=True, order=True)
class Problem:
    """One fault in one file. `line` and `column` count from 1; 0 where the whole file is meant."""

    file: str
    line: int
    column: int
    field: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.field}: {self.wanted}"


class LiftlockError(Exception):
    """A failure with a message for a person, and the exit code it ends in."""

    exit_code: ExitCode = ExitCode.WRONG_INPUT


class InvalidInput(LiftlockError):
    """Files that cannot be accepted: every problem of one run, sorted and without repetition."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class GateFailed(LiftlockError):
    """The gate's verdict is fail."""

    exit_code = ExitCode.FAILED


class Inconclusive(LiftlockError):
    """The gate could not decide: too few requests, or evidence that cannot be trusted."""

    exit_code = ExitCode.INCONCLUSIVE


class Unreachable(LiftlockError):
    """Something needed did not answer: a server, a store, a remote."""

    exit_code = ExitCode.UNREACHABLE
