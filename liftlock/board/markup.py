"""HTML by function calls: what is not Markup already is text, and is escaped."""

from __future__ import annotations

from html import escape

# Elements without an end.
_VOID = frozenset({"input", "link", "meta"})

Attribute = str | int | float | bool | None


class Markup(str):
    """HTML that is safe as it stands."""

    __slots__ = ()


def text(words: str) -> Markup:
    """Words as HTML."""
    return words if isinstance(words, Markup) else Markup(escape(words))


def join(*parts: str) -> Markup:
    """Parts one after the other, words among them escaped."""
    return Markup("".join(map(text, parts)))


def tag(name: str, /, *children: str, **attributes: Attribute) -> Markup:
    """An element. Attributes: `class_` for class, `aria_label` for aria-label; True has no value, False and None leave
    it out."""
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(opened if name in _VOID else f"{opened}{join(*children)}</{name}>")


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
