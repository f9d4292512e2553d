"""Imports handlers, one path a line on standard input, one JSON answer a line on standard output.

Run as a script in an interpreter of its own (`python -I importer.py`): it may import whatever handlers import, so
nothing of Liftlock may be in it, and what it writes goes to a descriptor that handlers do not know.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

_LONGEST = 300


def main() -> None:
    """Answer for each handler in turn; a handler's own output goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    paths = sys.stdin.read().splitlines()
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    for number, path in enumerate(paths):
        answers.write(json.dumps(import_handler(Path(path), f"handler_{number}")) + "\n")
        answers.flush()


def import_handler(path: Path, name: str) -> dict[str, Any]:
    """What is wrong with the handler at `path` and where; an empty `wanted` where nothing is."""
    directory = str(path.parent)
    before = set(sys.modules)
    sys.path.insert(0, directory)
    try:
        fault = _class_fault(_load(path, name))
        return {"file": str(path), "line": 1, "column": 1, "wanted": fault}
    except BaseException as error:  # SystemExit too: whatever a team's code raises is an answer
        line, column, file = _place(error, path)
        text = " ".join(str(error).split())[:_LONGEST]
        return {"file": file, "line": line, "column": column, "wanted": f"imports, not {type(error).__name__}: {text}"}
    finally:
        sys.path.remove(directory)
        _forget(before, directory)


def _load(path: Path, name: str) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path.name} is no Python file")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    specification.loader.exec_module(module)
    return module


def _class_fault(module: ModuleType) -> str:
    handler = getattr(module, "Handler", None)
    return "" if isinstance(handler, type) else "a class named Handler"


def _place(error: BaseException, path: Path) -> tuple[int, int, str]:
    """The deepest place in the service's own files, or in the handler where that is where it was noticed."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(path.parent):
        return error.lineno or 1, error.offset or 1, error.filename
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        if Path(frame.filename).is_relative_to(path.parent):
            return frame.lineno or 1, (frame.colno or 0) + 1, frame.filename
    return 1, 1, str(path)


def _forget(before: set[str], directory: str) -> None:
    """Drop the modules of this service, so that the next one's `helpers.py` is its own."""
    for name in set(sys.modules) - before:
        file = getattr(sys.modules[name], "__file__", None) or ""
        if file.startswith(directory + os.sep):
            del sys.modules[name]


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
