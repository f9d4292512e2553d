"""What a run leaves in its directory."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from locust.stats import PERCENTILES_TO_REPORT, StatsCSV, StatsEntry

from loadtests.report import report_page
from loadtests.run import Run


class ExactStatsCSV(StatsCSV):
    """Locust's tables with fractions of a millisecond left in."""

    def _percentile_fields(self, stats_entry: StatsEntry, use_current: bool = False) -> list[Any]:  # noqa: ARG002 - theirs
        if not stats_entry.num_requests:
            return list(self.percentiles_na)
        return [f"{stats_entry.get_response_time_percentile(share):.4g}" for share in self.percentiles_to_report]


def write_outputs(run: Run) -> None:
    """samples.csv, facts.json, report.html and Locust's tables, in the plan's directory."""
    out = run.plan.out
    out.mkdir(parents=True, exist_ok=True)
    run.recording.write_samples(out / "samples.csv")
    facts = run.result()
    (out / "facts.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2))
    (out / "report.html").write_text(report_page(run.plan, run.recording, facts), encoding="utf-8")
    _write_locust_tables(run, out)


def _write_locust_tables(run: Run, out: Path) -> None:
    """Once, at the end: Locust's own writer sorts every bucket each second, which would delay arrivals."""
    tables = ExactStatsCSV(run.environment, PERCENTILES_TO_REPORT)
    writers: dict[str, Callable[[Any], None]] = {
        "locust_stats.csv": tables.requests_csv,
        "locust_failures.csv": tables.failures_csv,
        "locust_exceptions.csv": tables.exceptions_csv,
    }
    for name, write in writers.items():
        with (out / name).open("w", newline="", encoding="utf-8") as file:
            write(csv.writer(file))
