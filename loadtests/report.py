"""report.html: one run as a page that needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from html import escape
from math import inf, log10

from liftlock.board.plots import (
    STYLE,
    Frame,
    Point,
    Scale,
    dots,
    figure,
    line,
    linear_scale,
    log_scale_s,
    percentile_scale,
    seconds_label,
)
from loadtests.facts import quantile
from loadtests.plan import Plan
from loadtests.recording import Recording, Sample

_QUANTILES = (0.5, 0.9, 0.99, 0.999)
_RATE_BINS = 24
# More marks than this show no more and make the page heavy.
_MOST_DOTS = 2000
_MOST_STEPS = 400

_STYLE = """
*{box-sizing:border-box}body{margin:0 auto;padding:16px;max-width:1080px;background:var(--page);color:var(--ink);
font:15px/1.45 system-ui,sans-serif}h1{font-size:1.35rem;margin:0 0 4px}p{margin:0 0 12px;color:var(--soft)}
main{display:grid;gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.wide{overflow-x:auto;margin-bottom:16px}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:3px 12px 3px 0;text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}
th{color:var(--soft);font-weight:500}tr{border-bottom:1px solid var(--grid)}
@media(max-width:480px){table{font-size:11.5px}td,th{padding-right:5px}}
i{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:6px}
"""


def report_page(plan: Plan, recording: Recording, facts: dict[str, object]) -> str:
    """The whole page. Failed requests count as infinitely slow in every quantile."""
    arms = {arm.name: [] for arm in plan.arms}  # type: dict[str, list[Sample]]
    for sample in recording.samples():
        arms[sample.arm].append(sample)
    charts = [_distribution(arms), _over_time(arms), _arrivals(arms), _lag(recording)]
    title = f"Load test of {escape(plan.service)}"
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}{_STYLE}</style>'
        f"<h1>{title}</h1><p>{escape(_summary(plan, facts))}</p>"
        f"{_numbers(arms)}{_errors(arms)}<main>{''.join(charts)}</main></html>\n"
    )


def _summary(plan: Plan, facts: dict[str, object]) -> str:
    stopped = f" Ended early: {facts['stopped']}." if facts["stopped"] else ""
    return (
        f"{plan.requests:,} requests per arm at {plan.rate:g}/s ({plan.profile}), open loop: latency counts from the "
        f"intended start. Started {facts['started']}, took {facts['seconds']:.1f} s.{stopped}"
    )


def _numbers(arms: dict[str, list[Sample]]) -> str:
    heads = "".join(f"<th>p{100 * share:g}</th>" for share in _QUANTILES)
    rows = "".join(_row(name, samples) for name, samples in arms.items())
    return f'<div class="wide"><table><tr><th>arm</th><th>requests</th><th>failed</th>{heads}</tr>{rows}</table></div>'


def _row(name: str, samples: list[Sample]) -> str:
    ordered = _latencies(samples)
    cells = "".join(f"<td>{_told(quantile(ordered, share)) if ordered else 'none'}</td>" for share in _QUANTILES)
    failed = sum(not sample.ok for sample in samples)
    swatch = f'<i style="background:var(--{name})"></i>'
    return f"<tr><td>{swatch}{name}</td><td>{len(samples):,}</td><td>{failed:,}</td>{cells}</tr>"


def _told(value: float) -> str:
    return "never" if value == inf else seconds_label(float(f"{value:.3g}"))


def _latencies(samples: list[Sample]) -> list[float]:
    return sorted(sample.latency_s if sample.ok else inf for sample in samples)


def _errors(arms: dict[str, list[Sample]]) -> str:
    kinds = {name: Counter(sample.kind for sample in samples if sample.kind) for name, samples in arms.items()}
    found = sorted(set().union(*kinds.values()))
    if not found:
        return ""
    heads = "".join(f"<th>{name}</th>" for name in arms)
    rows = "".join(
        f"<tr><td>{escape(kind)}</td>{''.join(f'<td>{kinds[name][kind]:,}</td>' for name in arms)}</tr>"
        for kind in found
    )
    return f'<div class="wide"><table><tr><th>errors by kind</th>{heads}</tr>{rows}</table></div>'


def _distribution(arms: dict[str, list[Sample]]) -> str:
    ordered = {name: _latencies(samples) for name, samples in arms.items()}
    y = log_scale_s(value for values in ordered.values() for value in values if value < inf)
    most = max((len(values) for values in ordered.values()), default=0)
    frame = Frame(percentile_scale(most), y)
    marks = [line(frame, _steps(values), name) for name, values in ordered.items() if values]
    return figure(frame, "Latency by percentile.", "Failures are infinitely slow.", marks, ("percentile", "latency"))


def _steps(ordered: list[float]) -> list[Point]:
    """(number of nines, latency) up to the last request, evenly spread over the axis."""
    end = min(log10(len(ordered)), 4.0)
    nines = [end * step / _MOST_STEPS for step in range(_MOST_STEPS + 1)]
    return [(n, quantile(ordered, 1 - 10**-n)) for n in nines]


def _over_time(arms: dict[str, list[Sample]]) -> str:
    everything = [sample for samples in arms.values() for sample in samples]
    frame = Frame(_time_scale(everything), log_scale_s(sample.latency_s for sample in everything))
    marks = []
    for name, samples in arms.items():
        points = [(sample.intended_start_s, sample.latency_s) for sample in samples if sample.ok]
        failures = [(sample.intended_start_s, sample.latency_s) for sample in samples if not sample.ok]
        marks += [dots(frame, _thinned(points), name), dots(frame, _thinned(failures), "bad")]
    return figure(frame, "Latency over time.", "Failed requests in red.", marks, ("seconds into the run", "latency"))


def _thinned(points: list[Point]) -> list[Point]:
    """Every n-th, but always the slowest hundred: thinning must not hide a spike."""
    if len(points) <= _MOST_DOTS:
        return points
    slowest = sorted(points, key=lambda point: point[1])[-100:]
    return sorted({*points[:: len(points) // _MOST_DOTS + 1], *slowest})


def _time_scale(samples: list[Sample]) -> Scale:
    return linear_scale(0.0, max((sample.intended_start_s for sample in samples), default=1.0))


def _arrivals(arms: dict[str, list[Sample]]) -> str:
    rates = {name: _rates([sample.intended_start_s for sample in samples]) for name, samples in arms.items()}
    x = _time_scale([sample for samples in arms.values() for sample in samples])
    y = linear_scale(0.0, max((rate for points in rates.values() for _, rate in points), default=1.0))
    frame = Frame(x, y)
    marks = [line(frame, points, name) for name, points in rates.items()]
    note = "The rate at which requests were meant to start."
    return figure(frame, "Arrivals.", note, marks, ("seconds into the run", "per s"))


def _rates(starts: list[float]) -> list[Point]:
    """(time, requests a second) over equal stretches of the judged part."""
    if len(starts) < 2 or starts[-1] <= starts[0]:
        return []
    width = (starts[-1] - starts[0]) / _RATE_BINS
    counts = Counter(min(int((start - starts[0]) / width), _RATE_BINS - 1) for start in starts)
    return [(starts[0] + (place + 0.5) * width, counts[place] / width) for place in range(_RATE_BINS)]


def _lag(recording: Recording) -> str:
    lags = [
        (arrival.at_s, max(recording.sent_s[number] - arrival.at_s, 1e-6))
        for number, arrival in enumerate(recording.arrivals)
        if recording.kinds[number] is not None
    ]
    frame = Frame(linear_scale(0.0, max((at for at, _ in lags), default=1.0)), log_scale_s(lag for _, lag in lags))
    marks = [dots(frame, _thinned(lags), "soft")]
    return figure(frame, "Lag.", "How late the generator itself was.", marks, ("seconds into the run", "lag"))
