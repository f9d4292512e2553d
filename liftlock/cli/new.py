"""`liftlock new`: scaffold a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="The service's name: lower-case letters, digits and dashes.")],
    kind: Annotated[
        str,
        typer.Option(
            "--format", help="sklearn, xgboost, lightgbm, onnx, huggingface, vllm, triton, custom or ensemble."
        ),
    ],
    owner: Annotated[str, typer.Option("--owner", help="The team that owns it and is alerted.")] = "my-team",
    services: Annotated[
        str, typer.Option("--services", help="An ensemble's members, by commas; default: the first two that fit.")
    ] = "",
) -> None:
    """Make a service that passes check at once, or nothing."""
    from liftlock.check.tree import find_root
    from liftlock.spec import scaffold

    root = find_root(Path.cwd())
    scaffold.check_new_name(root, name)
    members: tuple[scaffold.Member, ...] = ()
    if kind == "ensemble":
        names = [one.strip() for one in services.split(",") if one.strip()]
        members = tuple(scaffold.read_member(root, one) for one in names) or scaffold.likely_members(root)
    content = scaffold.scaffold(name, kind, owner, members)
    scaffold.spec_of(content, name)
    written = scaffold.write_service(root, name, content)
    print(f"wrote {written.relative_to(root)}: {', '.join(sorted(content))}")
    print(f"next: put your own model and data into it, then `liftlock check {written.relative_to(root)}`")
