"""Counters in plain Python, put into Prometheus's text form only when someone scrapes.

`prometheus_client` takes a lock and several calls per observation; here a count is one dictionary operation on the
event loop's own thread. Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import resource
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from serving import names
from serving.features import FeatureCounts

SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 0.75, 1.0,
           2.5, 5.0, 10.0, 30.0)  # fmt: skip
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts by upper bound, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def reset(self) -> None:
        self.counts = [0] * len(self.counts)
        self.total = 0.0

    def lines(self, name: str, labels: str) -> Iterator[str]:
        running = 0
        for bound, count in zip((*self.bounds, "+Inf"), self.counts, strict=True):
            running += count
            yield f'{name}_bucket{{{labels},le="{bound}"}} {running}'
        yield f"{name}_sum{{{labels}}} {self.total!r}"
        yield f"{name}_count{{{labels}}} {running}"


class Metrics:
    """What this process counts. Used from the event loop's thread alone."""

    def __init__(self, service: str, revision: str) -> None:
        self.labels = f'service="{_escape(service)}",revision="{_escape(revision)}"'
        self.requests: dict[tuple[str, int], int] = {}
        self.seconds: dict[str, Histogram] = {}
        self.rejected: dict[str, int] = {}
        self.batch_rows = Histogram(ROWS)
        self.inflight = 0
        self.ready = False
        self.features = FeatureCounts()

    def answered(self, route: str, code: int, seconds: float) -> None:
        """Count one answer. `seconds` is from the request's last byte read to the answer handed to the kernel."""
        key = (route, code)
        self.requests[key] = self.requests.get(key, 0) + 1
        histogram = self.seconds.get(route)
        if histogram is None:
            histogram = self.seconds[route] = Histogram(SECONDS)
        histogram.observe(seconds)

    def reject(self, reason: str) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + 1

    def render(self) -> bytes:
        """All metrics in text exposition format 0.0.4."""
        lines = [*self._own(), *_process()]
        return ("\n".join(lines) + "\n").encode()

    def _own(self) -> Iterator[str]:
        labels = self.labels
        yield from _family(names.METRIC_REQUESTS, "counter", "Requests answered, by route and status code.")
        for (route, code), count in sorted(self.requests.items()):
            yield f'{names.METRIC_REQUESTS}{{{labels},route="{route}",code="{code}"}} {count}'
        yield from _family(names.METRIC_SECONDS, "histogram", "Seconds from a request read to its answer written.")
        for route, histogram in sorted(self.seconds.items()):
            yield from histogram.lines(names.METRIC_SECONDS, f'{labels},route="{route}"')
        yield from _family(names.METRIC_INFLIGHT, "gauge", "Requests being answered now.")
        yield f"{names.METRIC_INFLIGHT}{{{labels}}} {self.inflight}"
        yield from self._by(names.METRIC_REJECTED, "Requests turned away, by reason.", "reason", self.rejected)
        yield from _family(names.METRIC_BATCH, "histogram", "Rows predicted together.")
        yield from self.batch_rows.lines(names.METRIC_BATCH, labels)
        missing, outside = self.features.missing, self.features.out_of_range
        yield from self._by(names.METRIC_FEATURE_MISSING, "Missing values, by feature.", "feature", missing)
        help_text = "Values outside the declared range, by feature."
        yield from self._by(names.METRIC_FEATURE_OUT_OF_RANGE, help_text, "feature", outside)
        yield from _family(names.METRIC_READY, "gauge", "1 when this model answers and is not draining.")
        yield f"{names.METRIC_READY}{{{labels}}} {int(self.ready)}"

    def _by(self, name: str, help_text: str, label: str, counts: Mapping[str, int]) -> Iterator[str]:
        yield from _family(name, "counter", help_text)
        for value, count in counts.items():
            yield f'{name}{{{self.labels},{label}="{_escape(value)}"}} {count}'


def _family(name: str, kind: str, help_text: str) -> Iterable[str]:
    return (f"# HELP {name} {help_text}", f"# TYPE {name} {kind}")


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


_STARTED = time.time()


def _process() -> Iterator[str]:
    """The process metrics every Prometheus client has, under their usual names."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    page = resource.getpagesize()
    size, resident = (int(field) * page for field in Path("/proc/self/statm").read_text().split()[:2])
    for name, kind, help_text, value in (
        ("process_cpu_seconds_total", "counter", "User and system CPU seconds.", usage.ru_utime + usage.ru_stime),
        ("process_resident_memory_bytes", "gauge", "Resident memory.", resident),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory.", size),
        ("process_open_fds", "gauge", "Open file descriptors.", len(os.listdir("/proc/self/fd"))),  # noqa: PTH208
        ("process_max_fds", "gauge", "File descriptors allowed.", resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        ("process_start_time_seconds", "gauge", "Start, in Unix time.", _STARTED),
    ):
        yield from _family(name, kind, help_text)
        yield f"{name} {value!r}"
