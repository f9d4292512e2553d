"""`python -m loadtests PLAN.json`: 0 ran to its end, 2 the plan is wrong, 4 it could not run.

With `-` for the plan it gets everything ready first and then reads the plan's path from standard input, so that whoever
needs a load test soon does not wait for Locust to be imported. An end of input instead of a path ends it, exit code 0.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loadtests.plan import PlanError, read_bodies, read_plan

DONE, WRONG_PLAN, COULD_NOT_RUN = 0, 2, 4
WAIT = "-"


def main(arguments: list[str]) -> int:
    """Carry out the plan named by the one argument."""
    parent = os.getppid()
    if len(arguments) != 1:
        return _refuse("usage: python -m loadtests PLAN.json", WRONG_PLAN)
    if arguments == [WAIT]:
        _get_ready(parent)
        arguments = [sys.stdin.readline().rstrip("\n")]
        if not arguments[0]:
            return DONE
    try:
        plan = read_plan(Path(arguments[0]))
        bodies = read_bodies(plan.requests_file)
    except PlanError as error:
        return _refuse(str(error), WRONG_PLAN)
    # Locust costs most of a second to import: only once there is something to run, and without patching the standard
    # library for users' tasks, which a plan has none of (0.13 s).
    os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
    from loadtests.outputs import write_outputs
    from loadtests.progress import die_with
    from loadtests.run import load_test

    die_with(parent)
    try:
        run = load_test(plan, bodies)
        write_outputs(run)
    except OSError as error:
        return _refuse(f"could not run: {error}", COULD_NOT_RUN)
    return COULD_NOT_RUN if run.stopped else DONE


def _get_ready(parent: int) -> None:
    """Everything that takes time and does not depend on the plan."""
    import loadtests.outputs
    import loadtests.run  # noqa: F401 (imported for later)
    from loadtests.progress import die_with

    die_with(parent)


def _refuse(words: str, code: int) -> int:
    sys.stderr.write(words + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
