"""`liftlock status`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def status(
    service: Annotated[str | None, typer.Argument(help="One service only.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """What runs where, with which share of users, since when and why."""
    from liftlock.cli.terminal import print_json, print_table
    from liftlock.cli.workplace import Workplace
    from liftlock.status import read_status, to_json

    here = Workplace.here()
    if service is not None:
        here.released(service)
    rows = tuple(row for row in read_status(here.repository.head()) if service in (None, row.service))
    if as_json:
        print_json(to_json(rows))
        return
    if not rows and service is not None:
        here.terminal.say(
            f"{service} is not released yet: `liftlock train {service}`, commit, `liftlock release {service}`"
        )
        return
    if not rows:
        here.terminal.say("nothing is released yet: `liftlock train NAME`, commit, `liftlock release NAME`")
        return
    print_table(
        ("ENVIRONMENT", "SERVICE", "REVISION", "USERS", "SINCE (UTC)", "GATE", "BY", "WHY"),
        [
            (
                row.environment,
                row.service,
                row.revision,
                f"{row.weight} %",
                row.since[:16].replace("T", " "),
                row.verdict,
                row.by,
                row.why if len(row.why) <= 60 else row.why[:59] + "…",
            )
            for row in rows
        ],
    )
