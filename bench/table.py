"""The table that `make bench` prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One comparison: a ratio of two things interleaved in one run, the range it was seen in, and its target."""

    what: str
    ratio: float
    low: float
    high: float
    target: str
    met: bool


def print_table(rows: Sequence[Row]) -> None:
    """One line per comparison."""
    width = max((len(row.what) for row in rows), default=4)
    print(f"{'what':<{width}}  {'ratio':>6}  {'range':>13}  {'target':>14}  met")
    for row in rows:
        seen = f"{row.low:.2f} to {row.high:.2f}"
        print(f"{row.what:<{width}}  {row.ratio:>6.3f}  {seen:>13}  {row.target:>14}  {'yes' if row.met else 'NO'}")
