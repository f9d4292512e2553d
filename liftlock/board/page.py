"""The page: one file that needs nothing but itself, and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib.resources import files

from liftlock.board import plots
from liftlock.board.board import Board
from liftlock.board.judged import gates
from liftlock.board.markup import Markup, join, tag
from liftlock.board.matrix import matrix, revisions_told
from liftlock.board.signs import badge, shape, shapes
from liftlock.board.story import Story
from liftlock.board.timeline import attention, timelines
from liftlock.board.told import steps, users
from liftlock.board.words import counted, state_of

_STYLE = plots.STYLE + files("liftlock.board").joinpath("page.css").read_text(encoding="utf-8")
_SCRIPT = files("liftlock.board").joinpath("page.js").read_text(encoding="utf-8")

Section = tuple[str, str, Markup]


def render_board(board: Board, story: Story | None = None) -> str:
    """The board as one self-contained HTML page, with a story above it where one was told."""
    title = story.title if story else "Liftlock board"
    sections = tuple(_sections(board, story))
    body = tag(
        "body",
        shapes(),
        tag("a", "Skip to what runs where", href="#runs", class_="skip"),
        _header(board, title),
        _navigation(sections),
        tag("main", *(_section(*one) for one in sections)),
        _footer(board),
        tag("script", Markup(_SCRIPT)),
    )
    return f"<!doctype html>\n{tag('html', _head(title), body, lang='en')}\n"


def _head(title: str) -> Markup:
    policy = (
        f"default-src 'none'; style-src '{_hash(_STYLE)}'; script-src '{_hash(_SCRIPT)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width,initial-scale=1"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        tag("style", Markup(_STYLE)),
    )


def _hash(text: str) -> str:
    """A Content-Security-Policy source that allows this very text and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _header(board: Board, title: str) -> Markup:
    verdict, told = state_of(board)
    at = f"{board.at:%Y-%m-%d %H:%M:%S} UTC"
    return tag(
        "header",
        tag("h1", title),
        tag("p", shape(verdict), tag("span", told), class_=f"state {verdict}"),
        tag("p", f"As of {at}, from commit ", tag("code", board.commit[:12]), ". All times are UTC.", class_="soft"),
        tag("p", "", class_="old", id="old", hidden=True, data_at=board.at.isoformat(), role="status"),
    )


def _navigation(sections: tuple[Section, ...]) -> Markup:
    links = [tag("li", tag("a", heading, href=f"#{name}")) for name, heading, _ in sections]
    return tag("nav", tag("ul", *links), aria_label="On this page")


def _sections(board: Board, story: Story | None) -> Iterator[Section]:
    if story:
        yield "story", "What was done", steps(story)
    if story and story.users:
        yield "users", "What users saw", users(story)
    runs = join(tag("p", revisions_told(board), class_="lead"), matrix(board)) if board.services else Markup("")
    yield "runs", "What runs where", runs or tag("p", "Nothing is released yet.")
    yield "attention", "What needs somebody", attention(board)
    yield "decisions", "What was decided", timelines(board) or tag("p", "Nothing yet.")
    yield "gates", "Why: the gates", gates(board)
    yield "proof", "The proof", _proof(board)


def _section(name: str, heading: str, content: Markup) -> Markup:
    title = tag("h2", heading, id=f"{name}-heading")
    return tag("section", title, content, id=name, aria_labelledby=f"{name}-heading", tabindex=-1)


def _proof(board: Board) -> Markup:
    proof = board.proof
    if proof.problems:
        listed = tag("ul", *(tag("li", str(problem)) for problem in proof.problems), class_="problems")
        found = f" {counted(len(proof.problems), 'problem')}: what is told above cannot be relied on."
        return join(tag("p", badge("fail", "the evidence does not hold"), found), listed)
    if not proof.entries:
        return tag("p", badge("none", "nothing to prove"), " No ledger has an entry yet.")
    told = (
        f" {counted(proof.entries, 'decision')} about {counted(proof.services, 'service')}, "
        f"made in {counted(proof.commits, 'commit')}. Every ledger is a whole chain of hashes, and history only ever "
        f"added to it. What runs in {counted(proof.releases, 'place')} is byte for byte what the ledger says was let "
        "through; nothing came to an environment without having passed in the one before it, and no users were moved "
        "without a pass."
    )
    again = tag("p", "Prove it again from a clone, without this page: ", tag("code", "liftlock ledger verify"))
    return join(tag("p", badge("pass", "proved from git alone"), told), again)


def _footer(board: Board) -> Markup:
    return tag("footer", "Made by ", tag("code", "liftlock board"), f" from commit {board.commit}.")
