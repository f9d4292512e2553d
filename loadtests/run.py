"""One load test inside Locust: its environment, runner, events, statistics and web page around our open loop."""

from __future__ import annotations

import gc
import signal
from dataclasses import dataclass, field
from typing import Any

import gevent
from gevent.event import Event
from gevent.queue import SimpleQueue
from locust import User, task
from locust.env import Environment
from locust.exception import StopUser

from loadtests import resolution
from loadtests.drive import Drive
from loadtests.facts import facts
from loadtests.plan import Plan
from loadtests.priority import real_time
from loadtests.progress import report_every_second
from loadtests.recording import Recording
from loadtests.schedule import arrivals
from loadtests.vitals import Vitals

Bodies = tuple[bytes, ...]


@dataclass
class Run:
    """A plan being carried out in a Locust environment."""

    plan: Plan
    bodies: Bodies
    environment: Environment
    stopped: str = ""
    recording: Recording = field(init=False)
    drive: Drive = field(init=False)
    vitals: Vitals = field(init=False)
    _ended: SimpleQueue = field(init=False)

    def __post_init__(self) -> None:
        resolution.install()
        self.recording = Recording(arrivals(self.plan, len(self.bodies)), self.plan.arms)
        self._ended = SimpleQueue()
        self.drive = Drive(self.plan, self.bodies, self.recording, self._tell)
        self._names = [f"{arm.name} {self.plan.path}" for arm in self.plan.arms]

    def carry_out(self) -> None:
        """Drive the schedule to its end in the calling greenlet. The recording and `result` are whole afterwards."""
        self.vitals = Vitals()
        helpers = [gevent.spawn(self._feed_locust), gevent.spawn(report_every_second, self.drive, self.vitals)]
        gc.collect()
        gc.freeze()
        gc.disable()  # a collection in mid-run would be a pause of ours in their latency
        try:
            with real_time() as self.vitals.real_time:
                self.drive.run()
        finally:
            gc.enable()
            self.vitals.tick()
            self._feed_rest()
            gevent.killall(helpers)

    def stop(self, why: str) -> None:
        """End early; the facts will say why."""
        self.stopped = self.stopped or why
        self.drive.stop()

    def result(self) -> dict[str, object]:
        """The run's facts."""
        late = "max_seconds reached" if self.drive.cut_off and not self.stopped else self.stopped
        return facts(self.plan, self.recording, self.vitals, self.drive.sent, late)

    def _tell(self, number: int, size: int) -> None:
        if self.recording.arrivals[number].judged:
            self._ended.put_nowait((number, size))

    def _feed_locust(self) -> None:
        """Listeners are users' code and may block, which nothing in the event loop may; so they run here."""
        while True:
            self._fire(*self._ended.get())

    def _feed_rest(self) -> None:
        while not self._ended.empty():
            self._fire(*self._ended.get_nowait())

    def _fire(self, number: int, size: int) -> None:
        kind = self.recording.kinds[number]
        arrival = self.recording.arrivals[number]
        self.environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type="POST",
            name=self._names[arrival.arm],
            response_time=self.recording.latency_s[number] * 1000,
            response_length=size,
            exception=kind or None,
            context={},
            response=None,
            start_time=self.vitals.started_wall + arrival.at_s,
            url=self.plan.arms[arrival.arm].url + self.plan.path,
        )


class PlanUser(User):
    """The one Locust user of a plan: it keeps the whole schedule, so concurrency is the server's affair."""

    abstract = True
    fixed_count = 1
    run_of: Run
    over: Event

    @task
    def keep_the_schedule(self) -> None:
        """The whole run is this one task."""
        try:
            self.run_of.carry_out()
        except Exception as error:
            self.run_of.stopped = f"the generator failed: {error!r}"
            raise
        finally:
            self.over.set()
        raise StopUser


def load_test(plan: Plan, bodies: Bodies) -> Run:
    """Carry `plan` out from its first request to its last answer. Raises OSError when it cannot be started."""
    environment = Environment()
    run = Run(plan, bodies, environment)
    over = Event()
    environment.user_classes = [type("PlanUser", (PlanUser,), {"run_of": run, "over": over, "abstract": False})]
    runner = environment.create_local_runner()
    gevent.signal_handler(signal.SIGTERM, run.stop, "terminated")
    gevent.signal_handler(signal.SIGINT, run.stop, "interrupted")
    web = _web_page(environment, plan.web_port)
    runner.start(1, spawn_rate=1)
    over.wait()
    runner.quit()
    if web is not None:
        web.stop()
    return run


def _web_page(environment: Environment, port: int | None) -> Any:
    """Locust's own live page on loopback, with its charts' history."""
    if port is None:
        return None
    from locust.stats import stats_history

    page = environment.create_web_ui("127.0.0.1", port)
    gevent.spawn(stats_history, environment.runner)
    return page
