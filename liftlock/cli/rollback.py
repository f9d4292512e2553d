"""`liftlock rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(help="The service to roll back.")],
    environment: Annotated[str, typer.Option("--in", help="The environment to roll back in.")],
    to: Annotated[str | None, typer.Option(help="A revision to go back to; default the last verified one.")] = None,
    why: Annotated[str, typer.Option(help="The reason, for the evidence.")] = "asked for",
) -> None:
    """Give all users of an environment back to the last verified release."""
    from liftlock.cli.workplace import Workplace

    here = Workplace.here()
    here.rollback.roll_back(here.released(name), here.environment("--in", environment), to=to, why=why)
