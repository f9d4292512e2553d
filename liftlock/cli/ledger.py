"""`liftlock ledger`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    add_completion=False,
    help="The evidence: what was decided, on which numbers, about which digests.",
    no_args_is_help=True,
)


@app.command()
def verify(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Prove the evidence chain from git alone."""
    from dataclasses import asdict

    from liftlock.cli.terminal import print_json
    from liftlock.cli.workplace import Workplace
    from liftlock.errors import Inconclusive, InvalidInput
    from liftlock.promote.proof import prove

    here = Workplace.here()
    proof = prove(here.repository, here.repository.head())
    if as_json:
        print_json(asdict(proof))
    if proof.problems:
        raise InvalidInput(proof.problems)
    if not proof.entries:
        raise Inconclusive("no ledger has an entry yet: nothing was proved")
    if not as_json:
        here.terminal.say(
            f"proved: {proof.entries} decisions about {proof.services} services in {proof.commits} commits; "
            f"{proof.releases} running releases are what was judged"
        )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The service.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Every decision about one service, oldest first."""
    from liftlock import paths
    from liftlock.cli.terminal import print_json, print_table
    from liftlock.cli.workplace import Workplace
    from liftlock.ledger import parse

    here = Workplace.here()
    entries = parse(here.repository.head().read(paths.ledger(here.released(name))))
    if as_json:
        print_json([entry.model_dump(mode="json") for entry in entries])
        return
    if not entries:
        here.terminal.say(f"{name}: nothing was decided about it yet")
        return
    rows = [
        (
            entry.at[:19].replace("T", " "),
            entry.environment,
            entry.action,
            entry.revision,
            "" if entry.weight is None else f"{entry.weight} %",
            entry.verdict or "",
            entry.why,
        )
        for entry in entries
    ]
    print_table(("WHEN (UTC)", "ENVIRONMENT", "WHAT", "REVISION", "USERS", "VERDICT", "WHY"), rows)
