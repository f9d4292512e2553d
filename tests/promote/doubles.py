"""A site that follows at once and a gate that passes: for tests of git, not of servers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from liftlock.gate.verdict import Verdict
from liftlock.promote.cutting import admit_cut
from liftlock.promote.gates import Judged
from liftlock.promote.promoter import Promoter, utc_now
from liftlock.promote.site import Convergence, Target
from liftlock.release import Contents, ModelReference, Release, freeze
from liftlock.repository import Repository
from liftlock.spec.model import Spec
from liftlock.spec.source import parse
from tests.company import SERVICE


class InstantSite:
    """Everything is so as soon as it is said."""

    name = "instant"

    def converge(self, commit, environment, service):
        return Convergence({})

    def target(self, environment, service, revision):
        return Target("http://127.0.0.1:9", {})

    def live_counts(self, environment, service):
        return {}


@dataclass
class Gate:
    """Says the same of everything."""

    verdict: Verdict = Verdict.PASS
    why: str = "as the test wants it"
    judged: int = 0

    def get_ready(self):
        pass

    def close(self):
        pass

    def judge_dark(self, trial, seed):
        self.judged += 1
        return Judged(self.verdict, self.why, {"judgement": {}})

    def judge_live(self, held, rollout):
        self.judged += 1
        return Judged(self.verdict, self.why, {"judgement": {}})


def a_release(name: str, mark: str = "1", source: str | None = "train") -> Release:
    """A release without anything behind it; `mark` makes it another."""
    spec = parse(SERVICE.format(name=name).encode(), Spec, "service.yaml")
    blob = "sha256:" + mark.encode().hex().rjust(64, "0")
    digest = blob if source == "train" else None
    model = ModelReference(source=source, digest=digest)
    return freeze(
        Contents(service=name, spec=spec, features=None, model=model, bundle=blob, handler=None, requests=blob)
    )


def promoter(repository: Repository, gate: Gate | None = None, say=lambda _: None) -> Promoter:
    return Promoter(repository, InstantSite(), gate or Gate(), "test", say)


def cut_into_dev(repository: Repository, release: Release) -> None:
    admit_cut(repository, release, source="0" * 40, by="test", at=utc_now())


if __name__ == "__main__":
    here = Repository.open(Path(sys.argv[1]))
    cut_into_dev(here, a_release(sys.argv[2]))
    promoter(here).promote(sys.argv[2], "staging")
