"""The arithmetic of confidence, against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from liftlock.bounds import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    log_evidence_above,
    lower_share,
    quantile_ranks,
    student_quantile,
    upper_share,
)

COUNTS = [(0, 299), (1, 300), (3, 1000), (50, 6000), (999, 1000), (0.4, 33.3), (5, 10_000_000)]


@pytest.mark.parametrize(("bad", "count"), COUNTS)
def test_shares_are_bounded_as_clopper_and_pearson_do(bad: float, count: float):
    assert stats.beta.ppf(0.95, bad + 1, count - bad) == pytest.approx(upper_share(bad, count, 0.05), rel=1e-9)
    if bad:
        assert stats.beta.ppf(0.05, bad, count - bad + 1) == pytest.approx(lower_share(bad, count, 0.05), rel=1e-9)


def test_the_ends_have_their_own_bounds():
    assert (lower_share(0, 10, 0.05), upper_share(10, 10, 0.05)) == (0.0, 1.0)
    assert pytest.approx((1 - upper_share(0, 299, 0.05)) ** 299) == 0.05


@pytest.mark.parametrize("freedom", [1, 2, 9, 39, 200])
@pytest.mark.parametrize("share", [0.6, 0.9, 0.95, 0.999])
def test_student_quantiles(share: float, freedom: int):
    assert stats.t.ppf(share, freedom) == pytest.approx(student_quantile(share, freedom), rel=1e-8)


@pytest.mark.parametrize("x", [0.0, 1e-9, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (1, 1), (3.5, 900), (5000, 7)])
def test_the_beta_distribution_and_its_inverse(x: float, a: float, b: float):
    share = beta_cdf(x, a, b)
    assert stats.beta.cdf(x, a, b) == pytest.approx(share, abs=1e-12)
    if 1e-6 < share < 1 - 1e-6:
        assert x == pytest.approx(beta_quantile(share, a, b), rel=1e-6)


@pytest.mark.parametrize(("count", "quantile"), [(50, 0.99), (300, 0.99), (1000, 0.5), (6000, 0.99)])
def test_two_order_statistics_hold_a_quantile(count: int, quantile: float):
    low, high = quantile_ranks(quantile, count, 0.05)
    assert binomial_cdf(low - 1, count, quantile) <= 0.05 < binomial_cdf(low, count, quantile)
    assert binomial_cdf(high - 1, count, quantile) >= 0.95 > binomial_cdf(high - 2, count, quantile)


def test_evidence_watched_at_every_request_rarely_lies_and_soon_tells():
    """A test for one look, asked at each of 1,500, would cry wolf in a third of the runs."""
    random = np.random.default_rng(5)

    def first_cry(share: float) -> int | None:
        bad = np.cumsum(random.random(1500) < share)
        looks = range(0, 1500, 10)
        return next((n + 1 for n in looks if log_evidence_above(int(bad[n]), n + 1, 0.01) > np.log(20)), None)

    assert sum(first_cry(0.01) is not None for _ in range(200)) <= 10
    cries = [first_cry(0.06) for _ in range(50)]
    assert None not in cries
    assert np.median([cry for cry in cries if cry]) < 200
