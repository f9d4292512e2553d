"""`liftlock demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the local site running, to look around.")] = False,
) -> int:
    """The main job on this machine, in a scratch clone: promoted, stopped by a gate, rolled back; then a report."""
    from liftlock.board.page import render_board
    from liftlock.board.read import read_board
    from liftlock.cli.terminal import Terminal
    from liftlock.demo.story import tell
    from liftlock.errors import ExitCode
    from liftlock.repository import Repository

    terminal = Terminal()
    checkout = Repository.open(Path.cwd()).root
    told = tell(checkout, terminal.say)
    repository = told.scratch.repository
    report = told.scratch.root.parent / "report.html"
    report.write_text(
        render_board(read_board(repository, repository.head(), told.scratch.store), told.story), encoding="utf-8"
    )
    if keep:
        terminal.say(f"the site is still up: cd {told.scratch.root} && liftlock local status")
    else:
        told.scratch.down()
    terminal.say(f"{len(told.story.steps)} steps in {told.story.seconds:.0f} s; report: {report}")
    return ExitCode.DONE if told.ok else ExitCode.FAILED
