"""Being woken on time: the generator goes before what it measures, where the system allows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def real_time() -> Iterator[bool]:
    """Round-robin real-time scheduling meanwhile (sched(7)); whether it was granted.

    With both of 2 cores busy it brings the p99 of the generator's lag from 1 to 7 ms down to 0.1 ms. The kernel keeps
    5 % of each core for others whatever happens, and a run is bounded by its plan.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except OSError:  # not root: the lag is measured, and judged, all the same
        yield False
        return
    try:
        yield True
    finally:
        os.sched_setscheduler(0, policy, parameters)
