"""How much requests that are near in time resemble each other: what makes n of them worth fewer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftlock.bounds import student_quantile
from liftlock.gate.samples import ArmSamples, Bools, Floats

MOST_BLOCKS, FEWEST_BLOCKS, SMALLEST_BLOCK = 40, 10, 20
# Blocks whose neighbours correlate more than this are too short to be independent (Law & Carson 1979 use 0.4).
LARGEST_CORRELATION = 0.2


def design_effect(bad: Bools) -> float:
    """By what factor the variance of a count exceeds that of independent requests (Kish, Survey Sampling, 1965, 8.2).

    From the spread of its counts over equal stretches of time; at least 1.
    """
    blocks = min(MOST_BLOCKS, len(bad) // SMALLEST_BLOCK)
    share = float(bad.mean()) if len(bad) else 0.0
    if blocks < FEWEST_BLOCKS or share in (0.0, 1.0):
        return 1.0
    size = len(bad) // blocks
    counts = bad[: size * blocks].reshape(blocks, size).sum(axis=1)
    return max(1.0, float(counts.var(ddof=1)) / (size * share * (1 - share)))


@dataclass(frozen=True)
class Blocks:
    """The stretches of time into which both arms are cut alike."""

    edges: Floats

    @classmethod
    def cut(cls, baseline: ArmSamples, candidate: ArmSamples, count: int) -> Blocks:
        """Stretches holding equally many requests, which under a steady load are equally long."""
        starts = np.concatenate((baseline.intended_start_s, candidate.intended_start_s))
        return cls(np.quantile(starts, np.linspace(0, 1, count + 1)[1:-1]))

    def means(self, arm: ArmSamples, values: Floats) -> Floats:
        """The mean of `values` in each stretch; NaN where the arm has none."""
        place = np.searchsorted(self.edges, arm.intended_start_s, side="right")
        count = np.bincount(place, minlength=len(self.edges) + 1)
        total = np.bincount(place, weights=values, minlength=len(self.edges) + 1)
        means: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
        return means


@dataclass(frozen=True)
class Difference:
    """Candidate minus baseline, from differences over paired stretches of time."""

    estimate: float
    error: float
    freedom: int

    def low(self, alpha: float) -> float:
        return self.estimate - self._reach(alpha)

    def high(self, alpha: float) -> float:
        return self.estimate + self._reach(alpha)

    def _reach(self, alpha: float) -> float:
        return student_quantile(1 - alpha, self.freedom) * self.error if self.freedom else np.inf


def paired_difference(baseline: ArmSamples, candidate: ArmSamples, values: tuple[Floats, Floats]) -> Difference:
    """The mean difference with its standard error by batch means (Law & Carson 1979): what both arms live through at
    the same time cancels, and batches grow until neighbours no longer resemble each other."""
    count = min(MOST_BLOCKS, min(len(baseline), len(candidate)) // SMALLEST_BLOCK)
    while True:
        blocks = Blocks.cut(baseline, candidate, max(count, 2))
        gaps = blocks.means(candidate, values[1]) - blocks.means(baseline, values[0])
        gaps = gaps[np.isfinite(gaps)]
        if count < 2 * FEWEST_BLOCKS or _correlation(gaps) <= LARGEST_CORRELATION:
            break
        count //= 2
    if len(gaps) < FEWEST_BLOCKS:
        return Difference(float(values[1].mean() - values[0].mean()), np.inf, 0)
    # What resemblance is left adds to the variance as in an AR(1) process (Law & Kelton, Simulation Modeling, 9.5.3).
    left = max(_correlation(gaps), 0.0)
    error = float(gaps.std(ddof=1)) * np.sqrt((1 + left) / (1 - left) / len(gaps))
    return Difference(float(gaps.mean()), error, len(gaps) - 1)


def _correlation(values: NDArray[np.float64]) -> float:
    """Between neighbours."""
    if len(values) < 2:
        return 0.0
    centred = values - values.mean()
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0
