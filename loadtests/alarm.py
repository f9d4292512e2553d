"""A wake-up at an exact moment. The event loop's own timers round up to a millisecond, which would be our latency."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from time import CLOCK_MONOTONIC

import gevent

_READ = 1
_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE = 1
_PR_SET_TIMERSLACK = 29


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Alarm:
    """One timerfd(2) on the monotonic clock, which is what time.perf_counter reads on Linux.

    `ring` runs in the event loop, so it must not block.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)  # the default lets the kernel be 50 µs late
        self._settime = libc.timerfd_settime
        self._settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
        self._file = libc.timerfd_create(CLOCK_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._file < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _Itimerspec()
        self._address = ctypes.addressof(self._spec)
        self._watcher = gevent.get_hub().loop.io(self._file, _READ)
        self._watcher.start(self._rung)

    def set(self, at: float) -> None:
        """Ring once at `at`, seconds of time.perf_counter; at once if that is past."""
        nanoseconds = max(int(at * 1e9), 1)
        value = self._spec.value
        value.seconds, value.nanoseconds = divmod(nanoseconds, 1_000_000_000)
        self._settime(self._file, _ABSOLUTE, self._address, None)

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        os.close(self._file)

    def _rung(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:
            return
        self._ring()
