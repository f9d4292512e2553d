"""Exact confidence bounds on shares, quantiles and means. Pure arithmetic; no SciPy on the command line's path."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import exp, inf, lgamma, log, log1p, sqrt
from statistics import NormalDist

_TINY = 1e-300
_STEPS = 10_000


def log_beta(a: float, b: float) -> float:
    """The logarithm of the beta function."""
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by Lentz's fraction (Press et al., Numerical Recipes, 6.4)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = exp(a * log(x) + b * log1p(-x) - log_beta(a, b))
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(x, a, b) / a
    return 1 - front * _fraction(1 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1 / _away_from_zero(1 + term * d)
            c = _away_from_zero(1 + term / c)
            total *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return total


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _bisect(reached: Callable[[float], bool]) -> float:
    """The point of [0, 1] where `reached` turns true."""
    low, high = 0.0, 1.0
    while high - low > 1e-13 * high and high > _TINY:
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


@lru_cache(maxsize=4096)
def beta_quantile(share: float, a: float, b: float) -> float:
    """The point below which `share` of a beta distribution lies."""
    return _bisect(lambda x: beta_cdf(x, a, b) >= share)


def upper_share(bad: float, count: float, alpha: float) -> float:
    """The largest share of bad requests that `bad` of `count` leaves credible (Clopper & Pearson 1934).

    Numbers need not be whole: with correlated requests both are divided by the design effect (Korn & Graubard 1998).
    """
    return beta_quantile(1 - alpha, bad + 1, count - bad) if bad < count else 1.0


def lower_share(bad: float, count: float, alpha: float) -> float:
    """The smallest share of bad requests that `bad` of `count` leaves credible at level `alpha`."""
    return beta_quantile(alpha, bad, count - bad + 1) if bad > 0 else 0.0


def binomial_cdf(at_most: float, count: float, share: float) -> float:
    """The chance of at most that many successes in `count` trials of chance `share`."""
    if at_most < 0:
        return 0.0
    return 1.0 if at_most >= count else 1 - beta_cdf(share, at_most + 1, count - at_most)


def quantile_ranks(quantile: float, count: int, alpha: float) -> tuple[int, int]:
    """The ranks (from 1) of the two order statistics that hold a quantile, each missing it with chance <= `alpha`.

    0 and `count` + 1 where no observation bounds it (David & Nagaraja, Order Statistics, 7.1).
    """

    def first(reaches: float) -> int:
        low, high = -1, count
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if binomial_cdf(middle, count, quantile) >= reaches else (middle + 1, high)
        return low

    # first(x) is the smallest k with P(at most k) >= x.
    lower = first(alpha)
    return (lower if binomial_cdf(lower, count, quantile) > alpha else lower + 1), first(1 - alpha) + 1


def student_quantile(share: float, freedom: int) -> float:
    """The quantile of Student's t distribution with `freedom` degrees of freedom, for `share` >= 0.5."""
    if freedom < 1:
        return inf
    x = beta_quantile(2 * (1 - share), freedom / 2, 0.5)
    return sqrt(freedom * (1 - x) / x)


def normal_quantile(share: float) -> float:
    """The standard normal's quantile."""
    return NormalDist().inv_cdf(share)


def log_evidence_above(bad: int, count: int, allowed: float) -> float:
    """The logarithm of an e-value against "the share of bad requests is at most `allowed`", valid at any stopping time.

    The likelihood ratio against `allowed`, mixed over Beta(1/2, 1/2) cut to shares above it: a non-negative
    supermartingale under every share up to `allowed`, so it ever reaches 1/alpha with chance at most alpha
    (Ville 1939; Robbins 1970, "Statistical methods related to the law of the iterated logarithm").
    """
    prior = 1 - beta_cdf(allowed, 0.5, 0.5)
    posterior = 1 - beta_cdf(allowed, bad + 0.5, count - bad + 0.5)
    if not 0 < allowed < 1 or posterior <= 0 or prior <= 0:
        return inf if allowed <= 0 < bad else -inf
    mixture = log_beta(bad + 0.5, count - bad + 0.5) - log_beta(0.5, 0.5) + log(posterior) - log(prior)
    return mixture - bad * log(allowed) - (count - bad) * log1p(-allowed)
