"""What a person may have to look at, decided from the ledgers alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from liftlock.board.board import Attention, Decision, Trouble
from liftlock.ledger import FULL, Action, Entry


def needs_somebody(timelines: Mapping[str, tuple[Decision, ...]]) -> tuple[Attention, ...]:
    """Every release that was stopped or taken back, and whatever is left open: what is open first, then the newest.

    Timelines are newest first.
    """
    found = [one for timeline in timelines.values() for one in _of_service(timeline)]
    found.sort(key=lambda one: one.decision.entry.at, reverse=True)
    return tuple(sorted(found, key=lambda one: one.settled))


def _of_service(timeline: tuple[Decision, ...]) -> Iterator[Attention]:
    for environment in dict.fromkeys(one.entry.environment for one in timeline):
        here = [one for one in timeline if one.entry.environment == environment]
        yield from _left_open(here)
        yield from _taken_back(here)


def _left_open(here: list[Decision]) -> Iterator[Attention]:
    """A rollout under way, or one that waits for a verdict."""
    last = here[0]
    if last.entry.action is Action.SHIFT and last.entry.weight == 0:  # back to no users: the verdict before it says why
        last = here[1] if len(here) > 1 else last
    if last.entry.action is Action.GATE and last.entry.verdict == "inconclusive":
        yield Attention(Trouble.UNDECIDED, last, last.entry.hash, settled=False)
    moved = next((one for one in here if one.entry.action is not Action.GATE), None)
    if moved and moved.entry.action is Action.SHIFT and 0 < (moved.entry.weight or 0) < FULL:
        yield Attention(Trouble.ROLLING_OUT, moved, None, settled=False)


def _taken_back(here: list[Decision]) -> Iterator[Attention]:
    for number, one in enumerate(here):
        if one.entry.action is Action.ROLLBACK:
            verdict = _verdict_behind(here, number)
            settled = any(_settles(after.entry, one.entry) for after in here[:number])
            yield Attention(_kind(one.entry, verdict), one, verdict, settled)


def _settles(after: Entry, back: Entry) -> bool:
    if after.action is Action.SHIFT:
        return after.weight == FULL
    return after.action in (Action.CUT, Action.ADMIT) and after.release == back.release


def _kind(back: Entry, verdict: str | None) -> Trouble:
    if verdict is None:
        return Trouble.ROLLED_BACK
    return Trouble.TAKEN_BACK if back.weight else Trouble.STOPPED


def _verdict_behind(here: list[Decision], number: int) -> str | None:
    """The failed gate a rollback follows from: the decision right before it. Without one it was a person's."""
    back = here[number].entry
    if number + 1 == len(here):
        return None
    before = here[number + 1].entry
    failed = before.action is Action.GATE and before.verdict == "fail" and before.release == back.release
    return before.hash if failed else None
