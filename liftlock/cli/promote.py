"""`liftlock promote`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(help="The service to promote.")],
    to: Annotated[str, typer.Option("--to", help="The environment to end in; every rung on the way is climbed.")],
    approve: Annotated[
        str | None, typer.Option(help="Who says yes and why, where an environment wants it: 'WHO: WHY'.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try a release again that was taken back.")] = False,
) -> None:
    """Gate a service's newest release and roll it out; resumes where it stopped."""
    from liftlock.cli.workplace import Workplace

    here = Workplace.here()
    release = here.promoter.promote(here.released(name), here.environment("--to", to), retry=retry, approval=approve)
    here.terminal.say(f"{release.revision} has all users in {to}")
