"""A load test without promotion: the release that users have, judged by its own objectives."""

from __future__ import annotations

from pathlib import Path

from liftlock.environment import for_service, read_ladder
from liftlock.errors import LiftlockError, Unreachable
from liftlock.promote.gates import Gatekeeper, Judged, Trial, summary
from liftlock.promote.promoter import rungs_to
from liftlock.promote.state import read_held
from liftlock.repository import Repository

# Arrivals of a test without promotion.
SEED = 1


def run_test(
    keeper: Gatekeeper,
    repository: Repository,
    service: str,
    name: str,
    *,
    profile: str | None = None,
    requests: int | None = None,
    web_port: int | None = None,
) -> tuple[Judged, Path]:
    """Load what users have of `service` in environment `name`; the judgement and the report's path.

    Raises LiftlockError where no user has anything, Unreachable where it does not answer.
    """
    snapshot = repository.head()
    environment = rungs_to(read_ladder(snapshot), name)[-1]
    release = read_held(snapshot, environment, service).verified
    if release is None:
        raise LiftlockError(f"{service} has no release with users in {name}: promote one first")
    came = keeper.site.converge(snapshot.commit, name, service)
    if why := came.unready.get(release.revision):
        raise Unreachable(f"{release.revision} does not answer: {why}")
    rollout = for_service(environment.rollout, release.spec.rollout)
    if profile:
        rollout = rollout.model_copy(update={"gate": rollout.gate.model_copy(update={"profile": profile})})
    trial = Trial(name, release, None, rollout, web_port)
    judgement, evidence = keeper.look(trial, requests or trial.requests, SEED)
    return Judged(judgement.verdict, summary(judgement), evidence), keeper.work_directory(trial) / "report.html"
