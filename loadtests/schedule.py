"""When each request of a run is meant to start: settled before the run, and kept whatever the server does."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from loadtests.plan import Plan
from loadtests.profiles import PROFILES, duration_s

# The requests of one pair start at most this far apart, so that both arms live through the same moments.
LARGEST_OFFSET_S = 0.05


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request to come: `at_s` after the run's start, to arm number `arm`, carrying body number `body`."""

    at_s: float
    arm: int
    body: int
    judged: bool


def arrivals(plan: Plan, bodies: int) -> list[Arrival]:
    """Every arrival of the run, in time order; the same plan gives the same arrivals.

    Each arm sees a Poisson process of `plan.rate` (shaped by the profile), and all arms see the same one: request k
    goes to every arm, in random order, evenly spread over half a mean gap. Moving each point of a Poisson process by
    an independent random amount leaves it Poisson (the displacement theorem; Kingman, Poisson Processes, 1993, 5.5).
    """
    random = Random(plan.seed)
    warm_s = plan.warmup / plan.rate
    profile = PROFILES[plan.profile]
    length_s = duration_s(profile, plan.rate, plan.requests)
    warm = [time * warm_s for time in _sorted_uniforms(random, plan.warmup)]
    areas = [time * profile.mean for time in _sorted_uniforms(random, plan.requests)]
    judged = [warm_s + share * length_s for share in profile.share_at(areas)]
    pairs = [(at, False) for at in warm] + [(at, True) for at in judged]
    return sorted(_spread(plan, random, pairs, bodies), key=lambda arrival: arrival.at_s)


def _sorted_uniforms(random: Random, count: int) -> list[float]:
    """Given their number, the points of a Poisson process are independent and uniform."""
    return sorted(random.random() for _ in range(count))


def _spread(plan: Plan, random: Random, pairs: list[tuple[float, bool]], bodies: int) -> list[Arrival]:
    arms = list(range(len(plan.arms)))
    step_s = min(0.5 / plan.rate, LARGEST_OFFSET_S) / max(len(arms) - 1, 1)
    spread = []
    for number, (at, judged) in enumerate(pairs):
        random.shuffle(arms)
        spread += [Arrival(at + place * step_s, arm, number % bodies, judged) for place, arm in enumerate(arms)]
    return spread
