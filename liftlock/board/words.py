"""How the page says things: times, shares, and what was decided, in plain sentences."""

from __future__ import annotations

from datetime import datetime

from liftlock.board.board import Attention, Board, Trouble
from liftlock.board.evidence import read_judgement
from liftlock.conventions import DIGEST_PREFIX, REVISION_HEX
from liftlock.ledger import FULL, Action, Entry

# A reason is told in so many characters; the gate has it in full.
SHORT = 170

_STEPS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))
_TROUBLE = {
    Trouble.STOPPED: "was stopped in {environment} by its gate, before any user had it, {ago}",
    Trouble.TAKEN_BACK: "failed in {environment} on users' traffic and was taken back from {weight} % of them {ago}",
    Trouble.ROLLED_BACK: "was rolled back in {environment} by {by} {ago}",
    Trouble.UNDECIDED: "waits in {environment}: its gate could not decide {ago}",
    Trouble.ROLLING_OUT: "got {weight} % of users in {environment} {ago} and is still being judged",
}


def moment(at: str, now: datetime, *, fine: bool = True) -> str:
    """A time in UTC, its date left out where it is today's, seconds where `fine`. What is no time is told as it is."""
    then = parsed(at)
    if then is None:
        return at
    if then.date() == now.date():
        return f"{then:%H:%M:%S}" if fine else f"{then:%H:%M}"
    return f"{then.day} {then:%b %H:%M}" if then.year == now.year else f"{then.day} {then:%b %Y %H:%M}"


def ago(at: str, now: datetime) -> str:
    """How long before `now` something was, in the largest whole unit."""
    then = parsed(at)
    if then is None:
        return f"at {at}"
    gone = max(0, int((now - then).total_seconds()))
    for seconds, unit in _STEPS:
        if gone >= seconds:
            return f"{counted(gone // seconds, unit)} ago"
    return "less than a minute ago"


def parsed(at: str) -> datetime | None:
    """A time with its zone, or None for what is not one."""
    try:
        then = datetime.fromisoformat(at)
    except ValueError:
        return None
    return then if then.tzinfo else None


def counted(number: int, noun: str) -> str:
    """`1 service`, `3 services`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def capitalised(words: str) -> str:
    """Words as a sentence begins."""
    return words[:1].upper() + words[1:]


def clipped(words: str, most: int = SHORT) -> str:
    """Words cut at a space, with an ellipsis where something is left out."""
    if len(words) <= most:
        return words
    kept = words[: most - 1]
    return (kept.rsplit(" ", 1)[0] if " " in kept[most // 2 :] else kept).rstrip(" ,;:[(") + "…"


def short_digest(digest: str) -> str:
    """The eight hex digits by which a release's revision is named."""
    return digest.removeprefix(DIGEST_PREFIX)[:REVISION_HEX]


def under(weight: int | None) -> str:
    """What judged at a weight: a load test while dark, users' traffic above."""
    return f"users' own traffic at {weight} % of users" if weight else "load test"


def decided(entry: Entry) -> str:
    """A decision in a sentence, without its reason."""
    other = f" {short_digest(entry.baseline)}" if entry.baseline else " nothing"
    match entry.action:
        case Action.CUT:
            return f"cut into {entry.environment}, without users yet"
        case Action.ADMIT:
            return f"came to {entry.environment}, without users yet"
        case Action.GATE:
            return f"judged by {under(entry.weight)}"
        case Action.SHIFT if entry.weight == FULL:
            return "given all users"
        case Action.SHIFT:
            return f"given {entry.weight} % of users" if entry.weight else "taken from its users"
        case Action.ROLLBACK:
            return f"taken back; all users have{other}"
        case Action.RETIRE:
            return f"alone now;{other} is no longer kept warm"


def reason(entry: Entry) -> str:
    """Why, short: of a pass only how many questions it answered."""
    if entry.action is Action.GATE and entry.verdict == "pass":
        judgement = read_judgement(entry.evidence.get("judgement"))
        if judgement and judgement.findings:
            return f"{counted(len(judgement.findings), 'question')} put, all passed"
    return clipped(entry.why)


def trouble(one: Attention, now: datetime) -> str:
    """What happened to a release that needs somebody, where and when."""
    entry = one.decision.entry
    return _TROUBLE[one.trouble].format(
        environment=entry.environment, weight=entry.weight, by=entry.by, ago=ago(entry.at, now)
    )


def state_of(board: Board) -> tuple[str, str]:
    """The verdict on everything (pass, inconclusive or fail) and the sentences that say so."""
    if not board.services:
        return "none", "Nothing is released yet: `liftlock train NAME`, commit, `liftlock release NAME`."
    told = [f"{counted(len(board.services), 'service')}; {_users(board)}.", *_troubles(board)]
    if not board.open:
        told.append("Nothing needs anybody.")
    if board.proof.problems:
        told.insert(0, f"The evidence does not hold: {counted(len(board.proof.problems), 'problem')}.")
    bad = any(one.trouble is not Trouble.ROLLING_OUT for one in board.open)
    if board.proof.problems or bad:
        return "fail", " ".join(told)
    return ("inconclusive" if board.open else "pass"), " ".join(told)


def _users(board: Board) -> str:
    """What users of the last environment have."""
    last = board.environments[-1].name
    here = [place for (environment, _), place in board.places.items() if environment == last]
    rolling = [place for place in here if place.rolling_out]
    served = sum(place.served for place in here)
    if rolling:
        names = ", ".join(f"{place.rows[0].weight} % of the users of {place.service}" for place in rolling[:3])
        more = f" and some of {counted(len(rolling) - 3, 'other service')}" if len(rolling) > 3 else ""
        return f"in {last}, {names}{more} have a release that is still being judged"
    if not served:
        return f"none of them has users in {last}"
    which = "all" if served == len(here) else f"{served} of them"
    return f"{which} {'serves' if served == 1 and which != 'all' else 'serve'} {last}, every user on a verified release"


def _troubles(board: Board) -> list[str]:
    """The newest three of what is open, in a sentence each."""
    shown = [one for one in board.open if one.trouble is not Trouble.ROLLING_OUT]
    told = [f"{one.decision.entry.revision} {trouble(one, board.at)}." for one in shown[:3]]
    return told + ([f"{counted(len(shown) - 3, 'more release')} in the list below."] if len(shown) > 3 else [])
