"""One JSON line a second on stdout, for whoever started the run; and an end with them."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import gevent
import orjson
from gevent import monkey

if TYPE_CHECKING:
    from loadtests.drive import Drive
    from loadtests.vitals import Vitals

INTERVAL_S = 1.0
_POLLOUT = 4
COULD_NOT_RUN = 4
# Watchers end when nothing refers to them.
_watchers: list[object] = []


def report_every_second(drive: Drive, vitals: Vitals) -> None:
    """Runs as a greenlet until it is killed."""
    while True:
        say(progress(drive, vitals))
        gevent.sleep(INTERVAL_S)
        vitals.tick()


def progress(drive: Drive, vitals: Vitals) -> dict[str, object]:
    """Where the run is: seconds since its start, and requests so far (warm-up included)."""
    errors = {kind: count for kind, count in drive.ended.items() if kind}
    return {
        "t": round(vitals.seconds, 3),
        "sent": drive.sent,
        "answered": drive.ended[""],
        "errors": errors,
        "outstanding": drive.sent - drive.ended.total(),
        "of": drive.scheduled,
    }


def say(line: dict[str, object]) -> None:
    """Write one line, unless the reader is not keeping up: a full pipe must not hold up the load."""
    output = sys.stdout.fileno()
    poll = monkey.get_original("select", "poll")()
    poll.register(output, _POLLOUT)
    try:
        if poll.poll(0):
            os.write(output, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
    except OSError:  # the reader has gone; the run goes on until its parent does
        return


def die_with(parent: int) -> None:
    """Exit as soon as process `parent` ends. PR_SET_PDEATHSIG would fire when the starting *thread* ends."""
    if parent <= 0:  # started from outside this PID namespace, as by `docker exec`
        return
    try:
        handle = os.pidfd_open(parent)
    except ProcessLookupError:  # it has gone already
        os._exit(COULD_NOT_RUN)
    except OSError:  # a kernel without it: max_seconds bounds the run
        return
    watcher = gevent.get_hub().loop.io(handle, 1)
    watcher.start(os._exit, COULD_NOT_RUN)
    _watchers.append(watcher)
