"""`make bench`: every number of the project, each a ratio of two things interleaved in one run, with its target."""

from __future__ import annotations

import sys
from importlib import import_module

from bench.table import Row, print_table

PARTS = ("bench.serving", "bench.load", "bench.check", "bench.promotion")


def main(names: list[str]) -> int:
    """Measure the named parts, or all; 1 if a target is missed."""
    rows: list[Row] = []
    for name in names or PARTS:
        part = name if name.startswith("bench.") else f"bench.{name}"
        print(f"measuring {part} …", file=sys.stderr, flush=True)
        rows += import_module(f"{part}.__main__").measure()
    print_table(rows)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
