"""`liftlock loadtest`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def loadtest(
    name: Annotated[str, typer.Argument(help="The service to test.")],
    environment: Annotated[str, typer.Option("--in", help="Where it runs.")],
    profile: Annotated[str | None, typer.Option(help="The shape of the load; default the environment's.")] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Judged requests; default what the SLO takes.")] = None,
    web_port: Annotated[int | None, typer.Option(help="Serve Locust's live page on this port while it runs.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> int:
    """Load the release that users have, and judge it by its objectives; nothing is promoted."""
    from liftlock.cli.terminal import print_json
    from liftlock.cli.workplace import Workplace
    from liftlock.promote.testing import run_test

    here = Workplace.here()
    judged, report = run_test(
        here.gatekeeper,
        here.repository,
        here.released(name),
        here.environment("--in", environment),
        profile=profile,
        requests=requests,
        web_port=web_port,
    )
    if as_json:
        print_json({"verdict": str(judged.verdict), "why": judged.why, "report": str(report), **judged.evidence})
    else:
        here.terminal.say(f"{judged.verdict}: {judged.why}")
        here.terminal.say(f"report: {report}")
    return judged.verdict.exit_code
