"""Ordinary Locust users on the open-loop schedule: write tasks as ever, mix `OpenLoop` in, and latency is honest."""

from __future__ import annotations

import os
from pathlib import Path
from time import time
from typing import Any
from weakref import WeakKeyDictionary

import gevent
from locust import User
from locust.env import Environment
from locust.exception import StopUser

from loadtests import resolution
from loadtests.plan import read_bodies, read_plan
from loadtests.schedule import arrivals

PLAN_VARIABLE = "LIFTLOCK_PLAN"


class Turns:
    """The schedule's arrivals, handed out one at a time to whichever user is free; more users come when none is."""

    def __init__(self, at_s: list[float]) -> None:
        self._at = iter(at_s)
        self._left = len(at_s)
        self._started = time()
        self._waiting = 0
        self._users = 0

    def enter(self) -> None:
        self._users += 1

    def take(self, user: User) -> float:
        """Wait for the next arrival; returns when it was meant to start (seconds of time.time)."""
        if not self._left:
            raise StopUser
        self._left -= 1
        due = self._started + next(self._at)
        self._waiting += 1
        gevent.sleep(max(due - time(), 0))
        self._waiting -= 1
        # Open loop: somebody must stand ready for the next arrival, however long this one takes.
        if not self._waiting and self._left:
            user.environment.runner.spawn_users({type(user).__name__: 1})
        return due

    def leave(self, user: User) -> None:
        """The last one out ends the test."""
        self._users -= 1
        if not self._users and not self._left:
            gevent.spawn(user.environment.runner.quit)


_turns: WeakKeyDictionary[Environment, Turns] = WeakKeyDictionary()


def _turns_of(environment: Environment) -> Turns:
    if environment not in _turns:
        resolution.install()
        plan = read_plan(Path(os.environ[PLAN_VARIABLE]))
        schedule = arrivals(plan, len(read_bodies(plan.requests_file)))
        # One turn for each arrival of the first arm: a locustfile drives one service.
        _turns[environment] = Turns([arrival.at_s for arrival in schedule if arrival.arm == 0])
    return _turns[environment]


class OpenLoop(User):
    """Mix in before HttpUser or FastHttpUser; the plan in LIFTLOCK_PLAN gives the arrivals. Start one user.

    Each arrival runs one task. The first request of a task counts from the arrival's intended start. The event loop's
    timers round up, so latencies are up to a millisecond longer than the fast path's.
    """

    abstract = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.intended: float | None = None
        self._schedule = _turns_of(environment)
        self._schedule.enter()
        client: Any = getattr(self, "client", None)
        if client is not None:
            client.request_event = _FromIntendedStart(self)

    def on_start(self) -> None:
        """Take the first turn; call this from an `on_start` of your own."""
        self.intended = self._schedule.take(self)

    def wait_time(self) -> float:
        """Locust asks how long to wait between tasks; the waiting is done here, to the arrival."""
        self.intended = self._schedule.take(self)
        return 0.0

    def on_stop(self) -> None:
        self._schedule.leave(self)


class _FromIntendedStart:
    """Passes requests on to Locust's event with their latency counted from the intended start."""

    def __init__(self, user: OpenLoop) -> None:
        self._user = user

    def fire(self, *, response_time: float, start_time: float, **meta: Any) -> None:
        """Like an EventHook's."""
        if self._user.intended is not None:
            response_time += max(start_time - self._user.intended, 0) * 1000
            self._user.intended = None
        event = self._user.environment.events.request
        event.fire(response_time=response_time, start_time=start_time, **meta)
