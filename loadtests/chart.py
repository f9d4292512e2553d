"""Small charts as inline SVG: colours come from the page's style, so that they follow light and dark."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

# Drawn at the width of a phone, so that its text is never scaled down.
WIDTH, HEIGHT = 400, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 22, 26, 40

Point = tuple[float, float]


@dataclass(frozen=True)
class Scale:
    """From values to a share of the axis."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def place(self, value: float) -> float:
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
    ticks = [low + number * step for number in range(int((high - low) / step + 1e-9) + 1)]
    return Scale(low, high, tuple((tick, f"{tick:g}{unit}") for tick in ticks))


def seconds_label(value: float) -> str:
    """A round number of seconds, short."""
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= factor * 0.999:
            return f"{value / factor:g} {unit}"
    return f"{value:.0e} s"


def line(points: list[Point], x: Scale, y: Scale, css: str) -> str:
    spots = " ".join(f"{_x(x, a):.1f},{_y(y, b):.1f}" for a, b in points)
    return f'<polyline class="line {css}" points="{spots}"/>'


def dots(points: list[Point], x: Scale, y: Scale, css: str) -> str:
    """Many small marks as one path."""
    moves = "".join(f"M{_x(x, a):.1f} {_y(y, b):.1f}h0" for a, b in points)
    return f'<path class="dots {css}" d="{moves}"/>'


def figure(title: str, note: str, x: Scale, y: Scale, marks: Iterable[str], axes: tuple[str, str]) -> str:
    """A chart with its axes, title and one sentence on how to read it."""
    grid = "".join(_across(y, tick, label) for tick, label in y.ticks)
    grid += "".join(_below(x, tick, label) for tick, label in x.ticks)
    names = (
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}" text-anchor="middle">'
        f'{escape(axes[0])}</text><text class="axis" x="4" y="12">{escape(axes[1])}</text>'
    )
    return (
        f"<figure><figcaption><b>{escape(title)}</b> {escape(note)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f"{grid}{''.join(marks)}{names}</svg></figure>"
    )


def _x(scale: Scale, value: float) -> float:
    return LEFT + scale.place(value) * (WIDTH - LEFT - RIGHT)


def _y(scale: Scale, value: float) -> float:
    return HEIGHT - BOTTOM - scale.place(value) * (HEIGHT - TOP - BOTTOM)


def _across(scale: Scale, tick: float, label: str) -> str:
    at = _y(scale, tick)
    return (
        f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>'
        f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>'
    )


def _below(scale: Scale, tick: float, label: str) -> str:
    at = _x(scale, tick)
    return (
        f'<path class="grid" d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{escape(label)}</text>'
    )
