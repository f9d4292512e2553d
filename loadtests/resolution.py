"""Locust's statistics at three significant digits: its own buckets keep two."""

from __future__ import annotations

from math import frexp, ldexp

# 2^11 buckets an octave hold three significant decimal digits everywhere: HdrHistogram's choice for precision 3
# (Tene, HdrHistogram, "subBucketCount"). A bucket is at most 0.1 % wide, so its middle is at most 0.05 % off.
_BITS = 11


def bucket_ms(response_time: float) -> float:
    """The middle of the bucket `response_time` (milliseconds, fractions kept) falls in."""
    if response_time <= 0:
        return 0.0
    mantissa, exponent = frexp(response_time)
    return ldexp(int(mantissa * (1 << _BITS)) + 0.5, exponent - _BITS)


def install() -> None:
    """Make Locust bucket by `bucket_ms`, wherever it keeps response times: UI, CSV, JSON, workers."""
    import locust.stats

    # Locust documents this function as the one to replace ("customizing response time bucketing").
    locust.stats.bucket_response_time = bucket_ms  # type: ignore[assignment]
