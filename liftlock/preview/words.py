"""A preview in words: plain lines for a terminal, Markdown for a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from liftlock.preview import prices
from liftlock.preview.effects import Effect, ServiceChange
from liftlock.preview.preview import Preview

_HOURS_A_MONTH = 730
_SAYS = {
    "new": "new: its first release",
    "changed": "changed: a new release",
    "removed": "removed",
    "unchanged": "no new release: nothing it runs changes",
}
# Longer values say more in the diff.
_LONGEST = 60


def plain(preview: Preview, *, diff: bool) -> str:
    """For a terminal."""
    return "\n".join([f"against {preview.base[:12]}", *_body(preview, diff=diff, heading="{}", fence=("", ""))])


def markdown(preview: Preview, *, diff: bool) -> str:
    """For a pull request."""
    head = ["### What this changes", "", f"Against `{preview.base[:12]}`.", ""]
    return "\n".join([*head, *_body(preview, diff=diff, heading="#### {}", fence=("```diff", "```"))])


def _body(preview: Preview, *, diff: bool, heading: str, fence: tuple[str, str]) -> Iterator[str]:
    for service in preview.services:
        yield heading.format(f"{service.service}: {_SAYS[service.kind]}")
        yield ""
        yield from _service(service)
        yield from _diffs(service.manifests, "its next release changes", diff=diff, fence=fence)
    if preview.manifests or not preview.services:
        yield heading.format("manifests" if preview.manifests else "nothing that runs")
        yield ""
    yield from _diffs(preview.manifests, "this branch changes", diff=diff, fence=fence)
    if any(service.after for service in preview.services):
        month = f"{_HOURS_A_MONTH} h a month"
        yield f"Costs: {prices.SOURCE}, {prices.AS_OF}, {month}; hardware of one's own is not priced."


def _service(service: ServiceChange) -> Iterator[str]:
    for field in service.fields if service.kind == "changed" else ():
        yield f"- `{field.field}`: {_value(field.before)} → {_value(field.after)}"
    for note in service.notes:
        yield f"- note: {note}"
    if service.kind == "changed" or service.notes:
        yield ""
    if service.after:
        yield "| environment | stacks | replicas | GPUs | USD a month | gate, each arm | users |"
        yield "|---|---|---|---|---|---|---|"
        before = {one.environment: one for one in service.before}
        yield from (_row(before.get(one.environment), one) for one in service.after)
        yield ""


def _value(value: Any) -> str:
    text = "nothing" if value is None else f"`{value}`"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]}…`"


def _row(before: Effect | None, after: Effect) -> str:
    """A table's row: each cell after the branch, and before it where that differs."""
    now = _cells(after)
    then = _cells(before) if before else now
    cells = [new if old == new else f"{old} → {new}" for old, new in zip(then, now, strict=True)]
    return f"| {after.environment} | {' | '.join(cells)} |"


def _cells(effect: Effect) -> tuple[str, ...]:
    priced = set(effect.stacks) - set(effect.unpriced)
    return (
        ", ".join(effect.stacks),
        _range(*effect.replicas),
        _range(*effect.gpus) if effect.gpus[1] else "none",
        _range(*(round(usd * _HOURS_A_MONTH) for usd in effect.usd_per_hour)) if priced else "not priced",
        f"{effect.gate_requests:,} requests, {_duration(effect.gate_seconds)}",
        " → ".join(f"{weight} %" for weight in effect.weights),
    )


def _range(low: float, high: float) -> str:
    ends = [f"{number:,.2f}".rstrip("0").rstrip(".") for number in (low, high)]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _diffs(found: Any, what: str, *, diff: bool, fence: tuple[str, str]) -> Iterator[str]:
    if not found:
        return
    for path, text in found.items():
        added = sum(line.startswith("+") and not line.startswith("+++") for line in text.splitlines())
        removed = sum(line.startswith("-") and not line.startswith("---") for line in text.splitlines())
        yield f"- `{path}` ({what}): +{added} -{removed} lines"
        if diff:
            yield from ("", fence[0], text.rstrip("\n"), fence[1])
    yield ""
