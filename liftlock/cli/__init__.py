"""The command line: thin, quick to start, and the one place that catches LiftlockError and prints.

A command is one line in COMMANDS and a module beside this one with a typer `app`. The module, and typer itself, are
imported only when that command runs.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module

from liftlock.errors import ExitCode, InvalidInput, LiftlockError

# name: what it does, in one line. Its module is liftlock.cli.<name>.
COMMANDS = {
    "new": "scaffold a service that passes check",
    "check": "everything a pull request must satisfy, offline",
    "train": "run a service's training and register the model by content",
    "release": "cut a release into the first environment",
    "render": "write, or prove current, every generated manifest",
    "preview": "what this branch changes: releases, manifests, GPUs, cost, gates",
    "promote": "gate and roll out; resumes where it stopped",
    "rollback": "back to the last verified release",
    "status": "what runs where, and why",
    "board": "the same as a page",
    "loadtest": "a load test without promotion",
    "gate": "a verdict from recorded samples",
    "local": "the local site: up, down, status",
    "ledger": "prove or show the evidence chain",
    "demo": "the main job on this machine, told as a story",
    "schema": "JSON Schema of the files people write, for editors",
}
INTERRUPTED = 130
# Outside the contract's 0 to 4, so that a bug is never taken for a verdict (sysexits' EX_SOFTWARE).
BUG = 70
_ISSUES = "https://github.com/liftlock/liftlock/issues"


def main(arguments: list[str] | None = None) -> None:
    """Run one command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command; gives its exit code and never raises."""
    try:
        code = _dispatch(arguments)
        sys.stdout.flush()
    except InvalidInput as refused:
        _say("\n".join(map(str, refused.problems)))
        return refused.exit_code
    except LiftlockError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _unread()
    except SystemExit as ended:  # typer's own answer to a broken pipe is 1, which would mean that a gate failed
        return _unread() if isinstance(ended.__context__, BrokenPipeError) else int(ended.code or 0)
    except Exception as error:
        return _unexpected(error)
    return code


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "help"):
        print(_help())
        return ExitCode.DONE
    if name == "--version":
        print(_version())
        return ExitCode.DONE
    if name not in COMMANDS:
        close = get_close_matches(name, COMMANDS, n=1)
        raise LiftlockError(
            f"liftlock: no command {name!r}" + (f"; did you mean {close[0]}?" if close else "; see --help")
        )
    app = import_module(f"liftlock.cli.{name}").app
    return int(app(args=arguments[1:], prog_name=f"liftlock {name}", standalone_mode=False) or ExitCode.DONE)


def _help() -> str:
    lines = ["Usage: liftlock COMMAND [ARGUMENTS]; liftlock COMMAND --help tells more", ""]
    return "\n".join([*lines, *(f"  {name:<10} {does}" for name, does in COMMANDS.items())])


def _unread() -> int:
    """Whoever read us has enough; Python's own flush at exit must not complain about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return ExitCode.DONE


def _version() -> str:
    from importlib.metadata import version

    return version("liftlock")


def _unexpected(error: Exception) -> int:
    """A usage error as the parser words it, an interrupt it caught; anything else is a bug, told in one line."""
    from typer.exceptions import Abort

    if isinstance(error, Abort):
        return INTERRUPTED
    if (words := _misuse(error)) is not None:
        if words:
            _say(words)
        return ExitCode.WRONG_INPUT
    if os.environ.get("LIFTLOCK_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
        return BUG
    words = " ".join(str(error).split())[:300]
    _say(f"liftlock: a bug: {type(error).__name__}: {words}; log: {_log(error)}; please report it: {_ISSUES}")
    return BUG


def _misuse(error: Exception) -> str | None:
    """The parser's words for a usage error, in one line; empty where it has shown a group's help instead."""
    tell, context = getattr(error, "format_message", None), getattr(error, "ctx", None)
    if tell is None:
        return None
    if context is None or type(error).__name__ == "NoArgsIsHelpError":
        return str(tell()).strip()
    return f"{context.command_path}: {tell().rstrip('.')}; see `{context.command_path} --help`"


def _log(error: Exception) -> str:
    """Where the traceback was written, or why it was not."""
    import tempfile
    import traceback

    try:
        handle, name = tempfile.mkstemp(prefix="liftlock-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            traceback.print_exception(error, file=file)
    except OSError as problem:
        return f"not written ({problem.strerror}); LIFTLOCK_DEBUG=1 shows it"
    return name


def _say(text: str) -> None:
    print(text, file=sys.stderr)
