"""What needs somebody, and everything that was decided."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from itertools import pairwise

from liftlock.board.board import Attention, Board, Decision, Trouble
from liftlock.board.markup import Markup, join, tag
from liftlock.board.signs import badge, commit_of, release_of, time_of
from liftlock.board.words import ago, clipped, counted, decided, reason, trouble
from liftlock.ledger import Action

# Decisions shown over all services; more make the page heavy, and `liftlock ledger show` has them all.
MOST_DECISIONS = 1_500
_FEWEST, _MOST = 4, 60
# Up to so many decisions in all, every service's list is open.
_OPEN = 40
# Settled troubles shown.
_MOST_SETTLED = 12

_VERDICTS = {Trouble.UNDECIDED: "inconclusive", Trouble.ROLLING_OUT: "inconclusive"}


def attention(board: Board) -> Markup:
    """What is open, each with its reason and the way to its gate; then what is settled."""
    told = {gate.decision.entry.hash for gate in board.gates}
    settled = [one for one in board.attention if one.settled][:_MOST_SETTLED]
    now = [_alert(one, board.at, told) for one in board.open]
    before = [_alert(one, board.at, told) for one in settled]
    return join(
        tag("ul", *now, class_="plain") if now else tag("p", badge("pass", "nothing"), " Nothing needs anybody."),
        join(tag("h3", "Settled since", class_="over"), tag("ul", *before, class_="plain")) if before else "",
    )


def _alert(one: Attention, now: datetime, told: Collection[str]) -> Markup:
    entry = one.decision.entry
    verdict = "none" if one.settled else _VERDICTS.get(one.trouble, "fail")
    link = tag("a", "The gate with its numbers", href=anchor(one.gate)) if one.gate in told and one.gate else ""
    after = "A later release is through, or it is tried again. " if one.settled else ""
    return tag(
        "li",
        badge(verdict, one.trouble),
        " ",
        tag("b", entry.revision),
        f" {trouble(one, now)}.",
        tag("p", clipped(entry.why, 400)),
        tag("p", after, link, class_="small") if after or link else "",
        class_=f"alert {verdict}",
    )


def anchor(entry: str | None) -> str:
    """The address of a gate on the page, by its entry's hash."""
    return f"#{gate_id(entry or '')}"


def gate_id(entry: str) -> str:
    """The id of a gate on the page, by its entry's hash."""
    return f"gate-{entry.rpartition(':')[2][:12]}"


def timelines(board: Board) -> Markup:
    """Every service's decisions, the service that moved last first."""
    share = min(_MOST, max(_FEWEST, MOST_DECISIONS // max(len(board.timelines), 1)))
    told = {gate.decision.entry.hash for gate in board.gates}
    shown = sum(min(len(timeline), share) for timeline in board.timelines.values())
    newest = sorted(board.timelines.items(), key=lambda one: _last(one[1]), reverse=True)

    def folded(service: str, timeline: tuple[Decision, ...]) -> Markup:
        follows = {
            one.entry.hash
            for one, before in pairwise(timeline)
            if one.entry.action is Action.ROLLBACK and one.entry.why == before.entry.why
        }
        rows = [_decision(one, board.at, told, follows) for one in timeline[:share]]
        return _folded(service, timeline, rows, is_open=shown <= _OPEN, when=lambda at: ago(at, board.at))

    return join(*(folded(service, timeline) for service, timeline in newest))


def _last(timeline: tuple[Decision, ...]) -> str:
    return timeline[0].entry.at if timeline else ""


def _folded(
    service: str, timeline: tuple[Decision, ...], rows: list[Markup], *, is_open: bool, when: Callable[[str], str]
) -> Markup:
    left_out = len(timeline) - len(rows)
    more = tag("p", f"{left_out:,} older ones: ", tag("code", f"liftlock ledger show {service}")) if left_out else ""
    told = f" {counted(len(timeline), 'decision')}, the last {when(_last(timeline))}"
    return tag(
        "details",
        tag("summary", tag("h3", service), tag("span", told, class_="soft")),
        tag("div", tag("ol", *rows, class_="plain"), more, class_="inside"),
        class_="fold",
        id=f"decisions-{service}",
        data_service=service,
        open=is_open,
    )


def _decision(one: Decision, now: datetime, told: Collection[str], follows: Collection[str]) -> Markup:
    """One row. What `follows` from the decision before it is not given the same reason again."""
    entry = one.entry
    judged = entry.action is Action.GATE
    verdict = join(badge(str(entry.verdict)), " ") if judged else ""
    link = join(" ", tag("a", "its numbers", href=anchor(entry.hash))) if judged and entry.hash in told else ""
    who = join(entry.by, " · " if one.commit else "", commit_of(one.commit))
    return tag(
        "li",
        time_of(entry.at, now),
        tag("span", entry.environment, class_="env"),
        tag(
            "div",
            tag("p", release_of(entry.release), " ", verdict, decided(entry), link),
            tag("p", reason(entry), class_="small") if entry.hash not in follows else "",
        ),
        tag("span", who, class_="soft small"),
        class_="decision",
    )
