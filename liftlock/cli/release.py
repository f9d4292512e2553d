"""`liftlock release`."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command()
def release(name: Annotated[str, typer.Argument(help="The service to release.")]) -> None:
    """Cut a release of a service into the first environment, dark: it runs there, and no user reaches it."""
    from liftlock.cli.workplace import Workplace
    from liftlock.cut import cut
    from liftlock.errors import LiftlockError
    from liftlock.paths import service_directory
    from liftlock.promote.cutting import admit_cut
    from liftlock.promote.promoter import utc_now

    here = Workplace.here()
    here.written(name)
    if changed := here.repository.dirty(service_directory(name)):
        raise LiftlockError(f"{', '.join(changed)}: commit first, so that git can say what this release was cut from")
    release = cut(here.root, name, here.store)
    source = here.repository.current_commit()
    _, done = admit_cut(here.repository, release, source=source, by=here.by, at=utc_now())
    here.terminal.say(f"{release.revision}: {'cut' if done else 'nothing has changed since it was cut'}")
