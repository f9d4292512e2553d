"""The small signs used all over the page. Each says what it means in a shape, a word and a colour."""

from __future__ import annotations

from datetime import datetime

from liftlock.board.markup import Markup, join, tag
from liftlock.board.words import moment, parsed, short_digest

# A shape per verdict, drawn once and used by name: a disc, an octagon, a diamond, a ring.
_SHAPES = {
    "pass": ("M8 .5a7.5 7.5 0 1 0 0 15a7.5 7.5 0 0 0 0-15z", "M4.5 8.2l2.5 2.5L11.6 5.6"),
    "fail": ("M5 .5h6L15.5 5v6L11 15.5H5L.5 11V5z", "M5.3 5.3l5.4 5.4M10.7 5.3l-5.4 5.4"),
    "inconclusive": ("M8 .2L15.8 8L8 15.8L.2 8z", "M6.2 6.6q0-1.9 1.8-1.9t1.8 1.7q0 1.2-1.8 2.1M8 10.9v.4"),
    "none": ("M8 1.2a6.8 6.8 0 1 0 0 13.6a6.8 6.8 0 0 0 0-13.6z", "M5 8h6"),
}
_OUTLINED = "none"


def shapes() -> Markup:
    """The shapes, to be put into the page once."""
    drawn = [
        tag(
            "symbol",
            tag("path", d=edge, fill="none" if name == _OUTLINED else "currentColor", stroke="currentColor"),
            tag("path", d=inner, fill="none", stroke=_inner(name), stroke_width=1.8, stroke_linecap="round"),
            id=f"sign-{name}",
            viewBox="0 0 16 16",
        )
        for name, (edge, inner) in _SHAPES.items()
    ]
    return tag("svg", *drawn, width=0, height=0, aria_hidden="true")


def _inner(name: str) -> str:
    return "currentColor" if name == _OUTLINED else "var(--card)"


def shape(verdict: str) -> Markup:
    """A verdict's shape; whoever uses it says the word."""
    name = verdict if verdict in _SHAPES else _OUTLINED
    return tag("svg", tag("use", href=f"#sign-{name}"), viewBox="0 0 16 16", aria_hidden="true")


def badge(verdict: str, words: str = "") -> Markup:
    """A verdict: pass, fail, inconclusive, or anything else for none. `words` say more than the verdict itself."""
    css = verdict if verdict in _SHAPES else _OUTLINED
    return tag("span", shape(verdict), words or verdict, class_=f"badge {css}")


def time_of(at: str, now: datetime, *, fine: bool = True) -> Markup:
    """A time in UTC."""
    return tag("time", moment(at, now, fine=fine), " UTC", datetime=at if parsed(at) else None)


def release_of(digest: str) -> Markup:
    """A release by the digits its revision is named by."""
    return tag("code", short_digest(digest))


def commit_of(commit: str) -> Markup:
    """A commit by its first digits."""
    return join("commit ", tag("code", commit[:8])) if commit else Markup("")
