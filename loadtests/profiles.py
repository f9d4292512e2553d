"""How the rate of arrivals changes over a run. Facts in a table; everything else reads it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from math import sqrt
from types import MappingProxyType


@dataclass(frozen=True)
class Profile:
    """A piecewise-linear rate: `points` are (share of the run's time, multiple of the declared rate)."""

    name: str
    purpose: str
    points: tuple[tuple[float, float], ...]
    lengthen: float = 1.0
    """How many times the required requests this profile wants, where the caller may choose."""

    @property
    def mean(self) -> float:
        """The average multiple over the run."""
        return self.area(1.0)

    def area(self, share: float) -> float:
        """The integral of the multiple up to `share` of the run."""
        total = 0.0
        for (x0, y0), (x1, y1) in zip(self.points, self.points[1:], strict=False):
            if share <= x0:
                break
            x = min(share, x1)
            y = y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1
            total += (x - x0) * (y0 + y) / 2
        return total

    def share_at(self, areas: list[float]) -> list[float]:
        """Inverse of `area`, for many values at once: the share of the run by which each area has accrued."""
        edges = [self.area(x) for x, _ in self.points]
        return [self._invert(area, edges) for area in areas]

    def _invert(self, area: float, edges: list[float]) -> float:
        segment = min(max(bisect_right(edges, area) - 1, 0), len(edges) - 2)
        (x0, y0), (x1, y1) = self.points[segment], self.points[segment + 1]
        missing, width = area - edges[segment], x1 - x0
        # Solve y0 d + (y1 - y0) d^2 / (2 width) = missing, in the form that does not cancel when y1 = y0.
        root = sqrt(max(y0 * y0 + 2 * (y1 - y0) * missing / width, 0.0))
        return x0 + (2 * missing / (y0 + root) if y0 + root else 0.0)


_ALL = (
    Profile("steady", "the declared rate throughout: what a gate compares on", ((0, 1), (1, 1))),
    Profile("ramp", "from a tenth of the rate to all of it, then held: does it warm up", ((0, 0.1), (0.6, 1), (1, 1))),
    Profile(
        "spike",
        "three times the rate for a tenth of the run: does it recover",
        ((0, 1), (0.449, 1), (0.45, 3), (0.55, 3), (0.551, 1), (1, 1)),
    ),
    Profile(
        "step",
        "a quarter, a half, three quarters, all of the rate: where does it bend",
        ((0, 0.25), (0.249, 0.25), (0.25, 0.5), (0.499, 0.5), (0.5, 0.75), (0.749, 0.75), (0.75, 1), (1, 1)),
    ),
    Profile("soak", "the declared rate for twenty times as long: does it leak", ((0, 1), (1, 1)), lengthen=20),
)
PROFILES = MappingProxyType({profile.name: profile for profile in _ALL})

# What each environment's gate drives when its environment.yaml names no profile.
BY_ENVIRONMENT = MappingProxyType({"dev": "steady", "staging": "steady", "prod": "steady"})


def duration_s(profile: Profile, rate: float, requests: int) -> float:
    """Seconds in which `profile` sends `requests` when its multiple 1 means `rate` per second."""
    return requests / (rate * profile.mean)
