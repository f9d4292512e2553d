"""`liftlock local`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

app = typer.Typer(
    add_completion=False,
    help="The local site: real servers as supervised processes on this machine.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command()
def up(as_json: AsJson = False) -> None:
    """Start the site, or repair it: make processes, weights and scrape targets match the last commit."""
    from liftlock.cli.workplace import Workplace
    from liftlock.sites.local import control

    here = Workplace.here()
    here.repository.current_commit()  # nothing is started where there is no commit to match
    _show(control.up(here.layout), as_json)


@app.command()
def down() -> None:
    """Stop everything the site started and remove its files."""
    from liftlock.cli.workplace import Workplace
    from liftlock.sites.local import control

    here = Workplace.here()
    control.down(here.layout)
    here.terminal.say("the local site is down; nothing of it is left")


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs now, on which port, and what does not."""
    from liftlock.cli.workplace import Workplace
    from liftlock.sites.local import control

    here = Workplace.here()
    _show(control.call(here.layout, "status"), as_json)


def _show(said: dict[str, Any], as_json: bool) -> None:
    from liftlock.cli.terminal import print_json, print_table

    if as_json:
        print_json(said)
        return
    for name, port in said["environments"].items():
        print(f"{name}: http://127.0.0.1:{port}")
    for name, server in said["servers"].items():
        path = "/metrics" if name == "gateway" else ""
        print(f"{name}: http://127.0.0.1:{server['port']}{path}")
    rows = [
        (
            row["environment"],
            row["revision"],
            f"{row['weight']} %",
            str(replica["pid"] or "-"),
            str(replica["port"] or "-"),
            "ready" if replica["ready"] else said["failed"].get(replica["process"], "starting"),
        )
        for row in said["revisions"]
        for replica in row["replicas"]
    ]
    print_table(("ENVIRONMENT", "REVISION", "USERS", "PID", "PORT", "STATE"), rows)
    for refusal in said["refused"]:
        print(f"{refusal['environment']}: {refusal['revision']} does not run here: it needs {refusal['why']}")
