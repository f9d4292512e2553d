"""`liftlock check`: everything a pull request must satisfy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Only the services these lie in; default: all.")] = None,
    json: Annotated[bool, typer.Option("--json", help="A report for programs.")] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Examine everything anew.")] = False,
) -> int:
    """Check a checkout offline: one line per problem, all of them at once; exit 2 if there is one."""
    from liftlock.check.memory import Memory
    from liftlock.check.report import check as check_tree
    from liftlock.check.tree import find_root
    from liftlock.errors import ExitCode, InvalidInput

    root = find_root(Path.cwd())
    if forget:
        Memory.delete(root)
    report = check_tree(root, tuple(paths or ()))
    if json:
        import orjson

        print(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2).decode())
        return ExitCode.WRONG_INPUT if report.problems else ExitCode.DONE
    if report.problems:
        raise InvalidInput(report.problems)
    print(report.summary())
    return ExitCode.DONE
