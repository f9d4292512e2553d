"""What runs where: a row for each service, a column for each environment."""

from __future__ import annotations

from liftlock.board.board import Board, Decision, Place
from liftlock.board.markup import Markup, join, tag
from liftlock.board.signs import badge, release_of, time_of
from liftlock.board.words import clipped, counted, short_digest
from liftlock.environment import Environment
from liftlock.ledger import FULL, Action
from liftlock.status import Row

# From so many services on, the page offers to look for one by name.
MANY = 12
_REASON = 90
_VERDICTS = {"pass": "passed", "fail": "failed", "inconclusive": "not decided"}


def matrix(board: Board) -> Markup:
    """The table; on a narrow page its rows become cards."""
    heads = [tag("th", "Service", scope="col"), *map(_head, board.environments)]
    rows = [_row(board, service) for service in board.services]
    return join(
        _find() if len(rows) >= MANY else "",
        tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="matrix"),
    )


def _find() -> Markup:
    field = tag("input", type="search", id="find", autocomplete="off", spellcheck="false")
    return tag("label", "Find a service", field, class_="find", hidden=True)


def _head(environment: Environment) -> Markup:
    gate, weights = environment.rollout.gate, environment.rollout.weights
    steps = f"users {', '.join(map(str, weights))} %" if len(weights) > 1 else "all users at once"
    told = f"{', '.join(environment.stacks)}. At most {gate.margin:.0%} slower; {steps}"
    approval = "; a person approves" if environment.approval == "required" else ""
    return tag("th", environment.name, tag("small", told, approval), scope="col")


def _row(board: Board, service: str) -> Markup:
    places = [board.places[environment.name, service] for environment in board.environments]
    name = tag("a", service, href=f"#decisions-{service}")
    cells = [_cell(board, place) for place in places]
    return tag("tr", tag("th", name, scope="row"), *cells, data_service=service)


def _cell(board: Board, place: Place) -> Markup:
    if not place.rows:
        nothing = tag("span", "nothing", class_="soft")
        return tag("td", nothing, data_environment=place.environment, class_="empty")
    listed = [_revision(board, place, row) for row in place.rows]
    return tag(
        "td",
        _bar(place) if place.served else "",
        tag("ul", *listed, class_="plain"),
        data_environment=place.environment,
    )


def _bar(place: Place) -> Markup:
    """Users as one bar, divided among the revisions, the newest first."""
    drawn, at = [], 0
    for row in (row for row in place.rows if row.weight):
        drawn.append(tag("rect", x=at, y=0, width=row.weight, height=8, class_=_colour(place, row)))
        at += row.weight
    return tag("svg", *drawn, class_="bar", viewBox="0 0 100 8", preserveAspectRatio="none", aria_hidden="true")


def _colour(place: Place, row: Row) -> str:
    if row.weight == FULL:
        return "full"
    return "new" if row is place.rows[0] else "rest"


def _revision(board: Board, place: Place, row: Row) -> Markup:
    users = tag("b", f"{row.weight} %") if row.weight else tag("b", "no users")
    key = tag("span", class_=f"key {_colour(place, row)}", aria_hidden="true") if row.weight else ""
    role = _role(place, row)
    at = time_of(row.since, board.at, fine=False)
    first = join(key, users, " ", release_of(row.release), " ", badge(row.verdict, _verdict(row)))
    since = join(role, "since ", at, ". ", _reason(board, row)) if row.since else role
    return tag("li", first, tag("div", since, class_="soft small"))


def _verdict(row: Row) -> str:
    return _VERDICTS.get(row.verdict, "not judged")


def _role(place: Place, row: Row) -> str:
    """What a revision without users is there for."""
    if row.weight:
        return ""
    return "waits without users " if row is place.rows[0] else "kept warm for rollback "


def _reason(board: Board, row: Row) -> str:
    """Who moved it last, and why."""
    moved = _moved(board, row)
    if moved and moved.entry.action is Action.ROLLBACK and moved.entry.baseline == row.release:
        return f"{row.by}: again, {short_digest(moved.entry.release)} was taken back: {clipped(row.why, _REASON)}"
    return f"{row.by}: {clipped(row.why, _REASON)}"


def _moved(board: Board, row: Row) -> Decision | None:
    """The decision that gave the revision the users it has."""
    for one in board.timelines.get(row.service, ()):
        same = (one.entry.environment, one.entry.at) == (row.environment, row.since)
        if same and one.entry.action is not Action.GATE:
            return one
    return None


def revisions_told(board: Board) -> str:
    """How much the table holds, in a sentence."""
    revisions = sum(len(place.rows) for place in board.places.values())
    environments = counted(len(board.environments), "environment")
    return f"{counted(revisions, 'revision')} of {counted(len(board.services), 'service')} in {environments}."
