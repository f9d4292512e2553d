"""`liftlock gate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from liftlock.slo import Objectives

app = typer.Typer(add_completion=False, help="Verdicts.", no_args_is_help=True)


@app.callback()
def gate() -> None:
    """Verdicts."""


@app.command()
def judge(
    file: Annotated[Path, typer.Argument(help="CSV: arm,intended_start_s,latency_s,ok; arms baseline, candidate.")],
    service: Annotated[str | None, typer.Option(help="Judge by this service's SLO too.")] = None,
    margin: Annotated[
        float | None, typer.Option(min=0.001, max=10, help="Slower than the baseline by at most this share.")
    ] = None,
) -> int:
    """A verdict from recorded samples, as JSON; exit code 0 pass, 1 fail, 3 inconclusive."""
    from liftlock.cli.terminal import print_json
    from liftlock.gate.judge import gate_minimum
    from liftlock.gate.judge import judge as judge_samples
    from liftlock.gate.samples import read_samples

    objectives = _objectives(service) if service else None
    samples = read_samples(file)
    if margin is None and len(samples.baseline):
        margin = 0.25
    judgement = judge_samples(samples, objectives, margin, minimum=gate_minimum(objectives))
    print_json(judgement.to_json())
    return judgement.verdict.exit_code


def _objectives(service: str) -> Objectives:
    """The objectives in a service's own file."""
    from liftlock.check.tree import find_root, service_names
    from liftlock.cli.names import known
    from liftlock.promote.loadrun import objectives_of_slo
    from liftlock.spec.read import load_spec

    root = find_root(Path.cwd())
    return objectives_of_slo(load_spec(root, known("--service", "a service", service, service_names(root))).slo)
