"""Our check of a whole checkout from nothing: `python ours.py CHECKOUT`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import liftlock.check.service
import liftlock.environment  # noqa: F401 (imports are not what is measured, here as in usual.py)
from liftlock.check.memory import Memory
from liftlock.check.report import check


def main(root: Path) -> None:
    """Prints how many services were examined and found in order, and the seconds it took without imports."""
    Memory.delete(root)
    started = time.perf_counter()
    report = check(root)
    seconds = time.perf_counter() - started
    print(json.dumps({"examined": 0 if report.problems else len(report.examined), "seconds": seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
