"""`liftlock board`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def board(
    out: Annotated[Path | None, typer.Option("--out", help="Default: .liftlock/board.html.")] = None,
) -> None:
    """What runs where, and why, as one HTML page that needs nothing but itself."""
    from liftlock.atomic import write_whole
    from liftlock.board.page import render_board
    from liftlock.board.read import read_board
    from liftlock.cli.workplace import Workplace
    from liftlock.errors import LiftlockError
    from liftlock.paths import LOCAL_STATE

    here = Workplace.here()
    page = render_board(read_board(here.repository, here.repository.head(), here.store))
    file = out or here.root / LOCAL_STATE / "board.html"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, page.encode())
    except OSError as error:
        raise LiftlockError(f"{file}: cannot be written: {error.strerror or error}") from error
    here.terminal.say(str(file))
