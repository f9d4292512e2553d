"""Streams of latencies with known truth: what a gate is proved on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from liftlock.gate.samples import ArmSamples, Samples

RATE = 200.0
Stream = Callable[[np.random.Generator, int, float], Samples]


def samples(
    starts: tuple[np.ndarray, np.ndarray],
    latencies: tuple[np.ndarray, np.ndarray],
) -> Samples:
    """Both arms, baseline first; every request answered."""
    arms = zip(starts, latencies, strict=True)
    return Samples(*(ArmSamples(start, latency, np.ones(len(start), dtype=bool)) for start, latency in arms))


def arrivals(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """One Poisson process seen by both arms, each pair half a gap apart in random order: as the generator does."""
    at = np.cumsum(random.exponential(1 / RATE, count))
    late = random.random(count) < 0.5
    arms = (at + late * 0.5 / RATE, at + ~late * 0.5 / RATE)
    return np.sort(arms[0]), np.sort(arms[1])


def independent(random: np.random.Generator, count: int, slower: float) -> Samples:
    """Log-normal latencies around 10 ms, each on its own."""
    base, candidate = (0.01 * np.exp(0.4 * random.standard_normal(count)) for _ in range(2))
    return samples(arrivals(random, count), (base, candidate * slower))


def wandering(random: np.random.Generator, count: int, slower: float) -> Samples:
    """Log latencies that wander (AR(1), half of the variance, over about 50 requests), each arm on its own."""

    def arm() -> np.ndarray:
        noise, level = random.standard_normal(count), np.empty(count)
        level[0] = noise[0]
        for i in range(1, count):
            level[i] = 0.98 * level[i - 1] + np.sqrt(1 - 0.98**2) * noise[i]
        return 0.01 * np.exp(0.25 * level + 0.25 * random.standard_normal(count))

    return samples(arrivals(random, count), (arm(), arm() * slower))


def queue(load: float) -> Stream:
    """A single server at `load`, exponential service: latencies include the wait (Lindley's recursion)."""

    def stream(random: np.random.Generator, count: int, slower: float) -> Samples:
        starts = arrivals(random, count)
        return samples(starts, (_waits(random, starts[0], load), _waits(random, starts[1], load) * slower))

    return stream


def _waits(random: np.random.Generator, starts: np.ndarray, load: float) -> np.ndarray:
    service = random.exponential(load / RATE, len(starts))
    gaps = np.diff(starts, prepend=starts[0])
    latency, left = np.empty(len(starts)), 0.0
    for i, (gap, own) in enumerate(zip(gaps, service, strict=True)):
        left = max(left - gap, 0.0) + own
        latency[i] = left
    return latency


def pauses(shared: bool) -> Stream:
    """Log-normal latencies on a machine that stops for 0.1 to 0.5 s about every 5 s; `shared` by both arms or not."""

    def stream(random: np.random.Generator, count: int, slower: float) -> Samples:
        starts = arrivals(random, count)
        seeds = [int(random.integers(1 << 30))] * 2 if shared else [int(random.integers(1 << 30)) for _ in range(2)]
        latencies = [
            0.01 * np.exp(0.3 * random.standard_normal(count)) * factor + _paused(start, seed)
            for start, seed, factor in zip(starts, seeds, (1, slower), strict=True)
        ]
        return samples(starts, (latencies[0], latencies[1]))

    return stream


def _paused(starts: np.ndarray, seed: int) -> np.ndarray:
    """How much of a pause is left when each request arrives."""
    random = np.random.default_rng(seed)
    begins = np.cumsum(random.exponential(5.0, 1000))
    ends = begins + random.uniform(0.1, 0.5, 1000)
    place = np.searchsorted(begins, starts, side="right") - 1
    return np.where(place >= 0, np.maximum(ends[place] - starts, 0), 0)


def bimodal(random: np.random.Generator, count: int, slower: float) -> Samples:
    """One request in a hundred misses a cache and takes ten times as long: p99 lies between the two modes."""
    arms = (
        np.where(random.random(count) < 0.01, 0.1, 0.01) * np.exp(0.1 * random.standard_normal(count)) for _ in range(2)
    )
    base, candidate = arms
    return samples(arrivals(random, count), (base, candidate * slower))


STREAMS: dict[str, Stream] = {
    "independent": independent,
    "wandering": wandering,
    "queue at 0.7": queue(0.7),
    "queue at 0.9": queue(0.9),
    "shared pauses": pauses(shared=True),
    "own pauses": pauses(shared=False),
    "bimodal": bimodal,
}
