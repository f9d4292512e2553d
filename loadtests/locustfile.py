"""The same load test under Locust's own command: LIFTLOCK_PLAN=plan.json locust -f loadtests/locustfile.py -u 1."""

from __future__ import annotations

import os
from pathlib import Path

import gevent
from gevent.event import Event

from loadtests.outputs import write_outputs
from loadtests.plan import read_bodies, read_plan
from loadtests.run import PlanUser, Run
from loadtests.users import PLAN_VARIABLE


class LiftlockUser(PlanUser):
    """Keeps the plan's schedule, leaves its outputs, and ends the test."""

    abstract = False

    def on_start(self) -> None:
        """The environment is Locust's here, so the run is made when it is known."""
        plan = read_plan(Path(os.environ[PLAN_VARIABLE]))
        self.run_of, self.over = Run(plan, read_bodies(plan.requests_file), self.environment), Event()

    def on_stop(self) -> None:
        """Outputs first: quitting ends the process."""
        write_outputs(self.run_of)
        gevent.spawn(self.environment.runner.quit)
