"""Plots as inline SVG, for every page we make: colours come from STYLE, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from liftlock.board.markup import Markup, join, tag

Point = tuple[float, float]

# Shares of requests at which a percentile axis is marked.
MARKED_SHARES = (0.0, 0.9, 0.99, 0.999, 0.9999)
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 22, 26, 40

STYLE = """
:root{color-scheme:light dark;--ink:#1d2330;--soft:#565f6e;--page:#fff;--grid:#e3e6ec;--baseline:#4a72b0;
--candidate:#b84f12;--route:#2f7d5b;--bad:#b81a38}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--soft:#a0aabb;--page:#14171d;--grid:#2b313c;
--baseline:#86abe0;--candidate:#f08c4a;--route:#63bf95;--bad:#ff7a8e}}
figure{margin:0;min-width:0}figcaption{margin-bottom:4px;color:var(--soft)}figcaption b{color:var(--ink)}
svg{display:block}figure svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--soft)}
.grid{stroke:var(--grid);fill:none}.line{fill:none;stroke-width:2;stroke-linejoin:round}
.dots{fill:none;stroke-width:3;stroke-linecap:round;stroke-opacity:.45}
.baseline{stroke:var(--baseline)}.candidate{stroke:var(--candidate)}.route{stroke:var(--route)}
.bad{stroke:var(--bad);stroke-opacity:1}.soft{stroke:var(--soft)}
.area{stroke:none}.area.baseline{fill:var(--baseline)}.area.candidate{fill:var(--candidate)}
.area.other{fill:var(--route)}.area.bad{fill:var(--bad)}
.line.baseline{stroke-dasharray:6 3}.mark{stroke:var(--ink);stroke-dasharray:2 3;fill:none}
.spot{stroke:var(--ink);stroke-width:2;fill:none}.mark-text{fill:var(--ink)}
"""


@dataclass(frozen=True)
class Scale:
    """From values to a share of the axis."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """0 at the axis's beginning, 1 at its end; what lies beyond is put at the end."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return log10(value / self.low) / log10(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def log_scale_s(values: Iterable[float]) -> Scale:
    """Whole decades around positive seconds."""
    known = [value for value in values if value > 0] or [1e-3]
    first, last = floor(log10(min(known))), ceil(log10(max(known)))
    last = max(last, first + 1)
    decades = range(first, last + 1)
    return Scale(10.0**first, 10.0**last, tuple((10.0**d, seconds_label(10.0**d)) for d in decades), True)


def linear_scale(low: float, high: float, unit: str = "") -> Scale:
    """About five round ticks."""
    high = high if high > low else low + 1
    rough = (high - low) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(multiple * power for multiple in (1, 2, 5, 10) if multiple * power >= rough * 0.999)
    first = ceil(low / step - 1e-9)
    ticks = [number * step for number in range(first, floor(high / step + 1e-9) + 1)]
    return Scale(low, high, tuple((tick, f"{tick:g}{unit}") for tick in ticks))


def nines(share: float) -> float:
    """A share by its number of nines: 0.99 is 2."""
    return -log10(1 - share)


def percentile_scale(count: int, shares: Sequence[float] = MARKED_SHARES) -> Scale:
    """Numbers of nines, as far as so many requests can tell, but not beyond 99.99 %."""
    marked = [share for share in shares if count * (1 - share) > 0.5 or share <= 0.9]
    high = max(nines(marked[-1]), min(log10(max(count, 1)), 4.0))
    return Scale(0.0, high, tuple((nines(share), f"{100 * share:g} %") for share in marked))


def seconds_label(value: float) -> str:
    """A round number of seconds, short."""
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor * 0.999:
            return f"{value / factor:g} {unit}"
    return f"{value:.0e} s"


@dataclass(frozen=True)
class Frame:
    """The plane a plot is drawn on. The default width is a phone's, so that text is never scaled down."""

    x: Scale
    y: Scale
    width: int = 400
    height: int = 260

    @property
    def bottom(self) -> int:
        return self.height - _BOTTOM

    @property
    def right(self) -> int:
        return self.width - _RIGHT

    def across(self, value: float) -> float:
        return _LEFT + self.x.place(value) * (self.right - _LEFT)

    def up(self, value: float) -> float:
        return self.bottom - self.y.place(value) * (self.bottom - _TOP)


def line(frame: Frame, points: Iterable[Point], css: str) -> Markup:
    """Points joined."""
    spots = " ".join(f"{frame.across(a):.1f},{frame.up(b):.1f}" for a, b in points)
    return tag("polyline", class_=f"line {css}", points=spots)


def dots(frame: Frame, points: Iterable[Point], css: str) -> Markup:
    """Many small marks as one path."""
    moves = "".join(f"M{frame.across(a):.1f} {frame.up(b):.1f}h0" for a, b in points)
    return tag("path", class_=f"dots {css}", d=moves)


def columns(frame: Frame, steps: Iterable[tuple[float, float, float, float]], css: str) -> Markup:
    """Columns as one path: (from, to, bottom, top) in the axes' own values."""
    moves = "".join(
        f"M{frame.across(a):.1f} {frame.up(low):.1f}V{frame.up(high):.1f}H{frame.across(b):.1f}V{frame.up(low):.1f}z"
        for a, b, low, high in steps
        if high > low
    )
    return tag("path", class_=f"area {css}", d=moves)


def upright(frame: Frame, at: float, label: str) -> Markup:
    """A line at one place of the x axis, named above the plot."""
    x = frame.across(at)
    anchor = "end" if x > frame.width * 0.75 else "start" if x < frame.width * 0.25 else "middle"
    return join(
        tag("path", class_="mark", d=f"M{x:.1f} {_TOP - 4}V{frame.bottom}"),
        tag("text", label, class_="mark-text", x=f"{x:.1f}", y=_TOP - 8, text_anchor=anchor),
    )


def figure(frame: Frame, title: str, note: str, marks: Iterable[str], axes: tuple[str, str]) -> Markup:
    """A plot with its axes, title and one sentence on how to read it."""
    grid = [_across(frame, tick, label) for tick, label in frame.y.ticks]
    grid += [_below(frame, tick, label) for tick, label in frame.x.ticks]
    names = (
        tag("text", axes[0], x=(_LEFT + frame.right) / 2, y=frame.height - 4, text_anchor="middle"),
        tag("text", axes[1], x=4, y=12),
    )
    drawing = tag(
        "svg", *grid, *marks, *names, viewBox=f"0 0 {frame.width} {frame.height}", role="img", aria_label=title
    )
    return tag("figure", tag("figcaption", tag("b", title), " ", note), drawing)


def _across(frame: Frame, tick: float, label: str) -> Markup:
    at = frame.up(tick)
    return join(
        tag("path", class_="grid", d=f"M{_LEFT} {at:.1f}H{frame.right}"),
        tag("text", label, x=_LEFT - 6, y=f"{at + 4:.1f}", text_anchor="end"),
    )


def _below(frame: Frame, tick: float, label: str) -> Markup:
    at = frame.across(tick)
    return join(
        tag("path", class_="grid", d=f"M{at:.1f} {_TOP}V{frame.bottom}"),
        tag("text", label, x=f"{at:.1f}", y=frame.bottom + 16, text_anchor="middle"),
    )
