"""`liftlock preview`: what this branch changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def preview(
    base: Annotated[str | None, typer.Option(help="Compare with this commit; default: where main was left.")] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the changed manifests line by line.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Releases, manifests, GPUs, cost and gates of this branch; writes nothing and asks no network."""
    from liftlock.check.tree import find_root
    from liftlock.cli.terminal import print_json
    from liftlock.preview import words
    from liftlock.preview.preview import preview as look_ahead

    found = look_ahead(find_root(Path.cwd()), base)
    if as_json:
        print_json(found.as_json())
        return
    print(words.markdown(found, diff=diff) if markdown else words.plain(found, diff=diff))
