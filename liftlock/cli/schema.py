"""`liftlock schema`: JSON Schema of the files people write."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(add_completion=False)


@app.command()
def schema(
    name: Annotated[Literal["service", "features", "environment"] | None, typer.Argument(help="Default: all.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Into docs/schema/ of this checkout.")] = False,
) -> None:
    """Print a schema for editors, or write it where the files refer to it."""
    from liftlock.atomic import write_whole
    from liftlock.check.schema import SCHEMAS, generate, schema_file
    from liftlock.check.tree import find_root

    for one in (name,) if name else SCHEMAS:
        if not write:
            print(generate(one).decode(), end="")
            continue
        path = find_root(Path.cwd()) / schema_file(one)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, generate(one))
