"""`liftlock train`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def train(name: Annotated[str, typer.Argument(help="The service to train.")]) -> None:
    """Run a service's training, hold the model against its bound, and register it by content."""
    from liftlock import training
    from liftlock.cli.workplace import Workplace

    here = Workplace.here()
    registration = training.train(here.root, here.written(name), here.store, here.terminal.say)
    here.terminal.say(f"{name}: registered {registration.digest}; commit {training.registration_file(name)}")
