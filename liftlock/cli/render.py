"""`liftlock render`: every generated manifest, written or proved current."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def render(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 2 where a file is not current.")] = False,
    runtime: Annotated[
        str | None, typer.Option(metavar="STACK", help="Print the model server's ClusterServingRuntime of a stack.")
    ] = None,
) -> None:
    """Write the manifests of what environments/ says: one file for each stack and service."""
    from liftlock.check.tree import find_root
    from liftlock.errors import InvalidInput
    from liftlock.render import tree

    root = find_root(Path.cwd())
    if runtime is not None:
        print(_runtime(root, runtime), end="")
        return
    wanted = tree.wanted_manifests(root)
    drifted = tree.drift(wanted, tree.present_manifests(root))
    if check and drifted:
        raise InvalidInput(one.problem for one in drifted)
    tree.write_manifests(root, wanted, drifted)
    removed = sum(one.kind == "surplus" for one in drifted)
    print(f"{len(wanted)} manifests: {len(drifted) - removed} written, {removed} removed")


def _runtime(root: Path, name: str) -> str:
    from liftlock import paths
    from liftlock.environment import load_ladder
    from liftlock.errors import LiftlockError
    from liftlock.render import render_runtime
    from liftlock.render.stacks import stacks_of

    file = root / paths.STACKS
    text = file.read_bytes() if file.is_file() else None
    stacks = {stack.name: stack for environment in load_ladder(root) for stack in stacks_of(environment, text)}
    if name not in stacks:
        raise LiftlockError(f"--runtime {name}: no such stack; there are {', '.join(sorted(stacks))}")
    return render_runtime(stacks[name]).decode()
