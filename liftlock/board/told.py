"""A story above what git says: its steps, and what users saw meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from liftlock.board.markup import Markup, join, tag
from liftlock.board.plots import Frame, columns, figure, linear_scale, upright
from liftlock.board.signs import shape
from liftlock.board.story import Step, Story, UserRequest
from liftlock.board.words import capitalised, counted
from liftlock.gate.verdict import percent, seconds

_FINE = 200  # HTTP
_BINS = 60
# Seconds shown before the first and after the last thing that happened.
_AROUND_S = 3.0
# Colours of the revisions, in the order in which they came.
_COLOURS = ("baseline", "candidate", "other")
_NO_ANSWER = "no answer"


def steps(story: Story) -> Markup:
    """What was done, what was expected of it and what happened."""
    fine = sum(step.ok for step in story.steps)
    told = f"{fine} of {counted(len(story.steps), 'step')} went as they should, in {story.seconds:.0f} s."
    return join(tag("p", told, class_="lead"), tag("ol", *map(_step, story.steps), class_="plain"))


def _step(step: Step) -> Markup:
    outcome = "As it should be: " if step.ok else "Not as it should be: "
    said = ""
    if step.lines:
        heading = tag("summary", f"what the commands said, {counted(len(step.lines), 'line')}")
        said = tag("details", heading, tag("pre", "\n".join(step.lines)), class_="small")
    body = tag(
        "div",
        tag("h3", capitalised(step.title)),
        tag("p", f"Expected: {step.expectation}.", class_="soft"),
        tag("p", outcome, step.outcome, class_="outcome"),
        said,
    )
    verdict = "pass" if step.ok else "fail"
    return tag("li", shape(verdict), body, tag("span", f"{step.seconds:.1f} s", class_="num"), class_=f"step {verdict}")


def users(story: Story) -> Markup:
    """What users of the story saw: in numbers, over the whole time, and around what happened."""
    asked = story.users
    failed = sum(one.status != _FINE for one in asked)
    lead = f"{failed:,} of {counted(len(asked), 'request')} failed, {percent(failed / len(asked))}."
    marks = _marks(story.mark_s)
    listed = tag("ol", *(tag("li", f"{at:.1f} s: {words}") for at, words in marks), class_="marks small")
    plots = tag("div", _answered(asked, marks), _failures(asked, marks), class_="plots")
    return join(tag("p", lead, class_="lead"), plots, listed if marks else "", _table(asked))


def _marks(marks: Iterable[tuple[float, str]]) -> tuple[tuple[float, str], ...]:
    """What happened, each thing once: the same words right after each other are one thing."""
    kept: list[tuple[float, str]] = []
    for at, words in sorted(marks):
        if not kept or kept[-1][1] != words:
            kept.append((at, words.rstrip(":")))
    return tuple(kept)


@dataclass(frozen=True)
class _Bins:
    """Equal stretches of time."""

    start: float
    width: float
    count: int

    @classmethod
    def over(cls, start: float, end: float, most: int = _BINS) -> _Bins:
        """At most so many bins of a round width."""
        rough = max(end - start, 1e-3) / most
        width = next(step for step in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 3600, rough) if step >= rough)
        return cls(start, width, max(1, ceil((end - start) / width)))

    def counts(self, at_s: Iterable[float]) -> list[int]:
        """How many times lie in each."""
        found = [0] * self.count
        for at in at_s:
            found[min(max(int((at - self.start) / self.width), 0), self.count - 1)] += 1
        return found

    def edges(self, place: int) -> tuple[float, float]:
        return self.start + place * self.width, self.start + (place + 1) * self.width


def _by_revision(asked: Sequence[UserRequest]) -> dict[str, list[UserRequest]]:
    """Requests by the revision that answered, in the order in which they came; those without an answer last."""
    found: dict[str, list[UserRequest]] = {}
    for one in sorted(asked, key=lambda one: one.at_s):
        found.setdefault(one.revision or _NO_ANSWER, []).append(one)
    return dict(sorted(found.items(), key=lambda one: one[0] == _NO_ANSWER))


def _colours(revisions: Iterable[str]) -> dict[str, str]:
    named = [revision for revision in revisions if revision != _NO_ANSWER]
    colours = {revision: _COLOURS[min(place, len(_COLOURS) - 1)] for place, revision in enumerate(named)}
    return {**colours, _NO_ANSWER: "bad"}


def _answered(asked: Sequence[UserRequest], marks: Sequence[tuple[float, str]]) -> Markup:
    """Requests a second, stacked by revision."""
    by_revision = _by_revision(asked)
    bins = _Bins.over(min(one.at_s for one in asked), max(one.at_s for one in asked))
    stacked = {revision: bins.counts(one.at_s for one in here) for revision, here in by_revision.items()}
    return _stacked(
        bins, stacked, marks, "Users' requests.", "By the revision that answered.", ("seconds into the story", "per s")
    )


def _failures(asked: Sequence[UserRequest], marks: Sequence[tuple[float, str]]) -> Markup:
    """Failed requests around what happened."""
    first, last = min(one.at_s for one in asked), max(one.at_s for one in asked)
    start = max(first, marks[0][0] - _AROUND_S) if marks else first
    end = min(last, marks[-1][0] + _AROUND_S) if marks else last
    bins = _Bins.over(start, max(end, start + 1))
    failed = {
        revision: bins.counts(one.at_s for one in here if one.status != _FINE and start <= one.at_s <= end)
        for revision, here in _by_revision(asked).items()
    }
    axes = ("seconds into the story", f"in {bins.width:g} s")
    return _stacked(bins, failed, marks, "Failed requests.", "Around what happened.", axes, rate=False)


def _stacked(
    bins: _Bins, counts: Mapping[str, list[int]], marks: Sequence[tuple[float, str]],
    title: str, note: str, axes: tuple[str, str], *, rate: bool = True,
) -> Markup:  # fmt: skip
    per = bins.width if rate else 1.0
    most = max(map(sum, zip(*counts.values(), strict=True)), default=1) / per
    frame = Frame(linear_scale(bins.start, bins.edges(bins.count - 1)[1]), linear_scale(0, max(most * 1.05, 1)))
    colours, below = _colours(counts), [0.0] * bins.count
    drawn = []
    for revision, found in counts.items():
        above = [low + count / per for low, count in zip(below, found, strict=True)]
        steps = [(*bins.edges(n), below[n], above[n]) for n in range(bins.count)]
        drawn.append(columns(frame, steps, colours[revision]))
        below = above
    legend = join(*(_legend(revision, colours[revision]) for revision, found in counts.items() if any(found)))
    return figure(frame, title, join(note, " ", legend), [*drawn, *_numbered(frame, marks)], axes)


def _legend(revision: str, colour: str) -> Markup:
    sample = tag("rect", class_=f"area {colour}", x=8, y=0, width=10, height=10)
    return tag("span", tag("svg", sample, viewBox="0 0 26 10", aria_hidden="true"), revision, class_="legend")


def _numbered(frame: Frame, marks: Sequence[tuple[float, str]]) -> list[Markup]:
    """The marks by their number in the list below; a number that would cover another is left out."""
    drawn, last = [], float("-inf")
    for number, (at, _) in enumerate(marks, start=1):
        if not frame.x.low <= at <= frame.x.high:
            continue
        free = frame.across(at) - last > 9
        last = frame.across(at) if free else last
        drawn.append(upright(frame, at, str(number) if free else ""))
    return drawn


def _table(asked: Sequence[UserRequest]) -> Markup:
    heads = ("requests", "failed", "p50", "p99")
    head = tag("tr", tag("th", "Revision", scope="col"), *(tag("th", one, scope="col", class_="num") for one in heads))
    rows = [_row(revision, here, len(asked)) for revision, here in _by_revision(asked).items()]
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers")
    return tag("div", table, class_="wide", tabindex=0, role="region", aria_label="Users' requests by revision")


def _row(revision: str, here: Sequence[UserRequest], of: int) -> Markup:
    ordered = sorted(one.latency_s for one in here)
    failed = sum(one.status != _FINE for one in here)
    requests = join(f"{len(here):,}", tag("small", percent(len(here) / of)))
    numbers = (requests, f"{failed:,}", _at(ordered, 0.5), _at(ordered, 0.99))
    return tag("tr", tag("th", revision, scope="row"), *(tag("td", one, class_="num") for one in numbers))


def _at(ordered: Sequence[float], share: float) -> str:
    return seconds(ordered[max(ceil(share * len(ordered) - 1e-9), 1) - 1])
