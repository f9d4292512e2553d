"""The exact reading of a YAML file: every key and value with its place, and nothing that two readers could read
differently. Slow (about a millisecond a file) and final: what it refuses is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import yaml

from liftlock.canonical import DOUBTFUL
from liftlock.errors import Problem
from liftlock.spec.places import WHOLE, Path, Step, printable, spell
from liftlock.spec.source import MOST_BYTES

# Limits that no file a person writes comes near; they bound time and memory before anything is built.
LONGEST_LINE = 64 * 1024
MOST_NODES = 20_000
DEEPEST = 32

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MANY_DIGITS = 18
_TEXT_TAG = "tag:yaml.org,2002:str"
_RESOLVER = yaml.resolver.Resolver()


class Mark(Protocol):
    """A position in the text, counted from 0."""

    index: int
    line: int
    column: int


@dataclass(frozen=True)
class Doubtful:
    """A plain scalar that YAML readers disagree on (`NO`, `0755`, `12:30`, `~`): never valid until it is quoted."""

    text: str


Scalar = str | int | float | bool | None | Doubtful
Value = Scalar | dict[str, "Value"] | tuple["Value", ...]


@dataclass
class Node:
    """A value with the place it starts at; `line` and `column` count from 1."""

    line: int
    column: int
    value: Scalar = None
    entries: dict[str, Entry] | None = None
    elements: list[Node] | None = None
    key: tuple[str, int, int] | None = None  # a mapping's key still waiting for its value
    reading: Step | None = None  # the entry or element being read, for the path of a problem

    def child(self, step: Step) -> Node | None:
        if isinstance(step, int):
            return self.elements[step] if self.elements is not None and 0 <= step < len(self.elements) else None
        entry = (self.entries or {}).get(step)
        return entry.node if entry else None

    def plain(self) -> Value:
        """The value without its places; sequences become tuples."""
        if self.entries is not None:
            return {key: entry.node.plain() for key, entry in self.entries.items()}
        if self.elements is not None:
            return tuple(element.plain() for element in self.elements)
        return self.value


@dataclass(frozen=True)
class Entry:
    """A key's place and its value."""

    line: int
    column: int
    node: Node


@dataclass
class Document:
    """One file read exactly: its root (None where it could not be read to the end) and what is wrong with its form."""

    file: str
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, line: int, column: int, wanted: str, where: str = WHOLE) -> None:
        self.problems.append(Problem(self.file, line, column, where, wanted))

    def place(self, path: Path) -> tuple[int, int]:
        """Where the value at `path` starts, or the nearest thing around it that exists."""
        node, place = self.root, (1, 1)
        for step in path:
            node = node.child(step) if node else None
            if node is None:
                break
            place = (node.line, node.column)
        return place

    def key_place(self, path: Path) -> tuple[int, int]:
        """Where the key at the end of `path` stands."""
        node = self.root
        for step in path[:-1]:
            node = node.child(step) if node else None
        entry = (node.entries or {}).get(path[-1]) if node and path and isinstance(path[-1], str) else None
        return (entry.line, entry.column) if entry else self.place(path)


def read_exactly(raw: bytes, file: str) -> Document:
    """Read `raw`, refusing whatever is not one plain YAML document. Never raises for what a file contains."""
    document = Document(file)
    text = _decode(raw, document)
    if text is None:
        return document
    try:
        _Builder(document, text).build()
    except yaml.YAMLError as error:
        document.root = None
        _syntax(error, text, document)
    except _TooMuchError:
        document.root = None
    if document.root is None and not document.problems:
        document.refuse(1, 1, "the file is empty: it must hold one YAML mapping")
    return document


def _decode(raw: bytes, document: Document) -> str | None:
    """The text without its byte-order mark, or None with the problem noted."""
    if len(raw) > MOST_BYTES:
        document.refuse(*_first_long_line(raw), f"at most {MOST_BYTES // 1024} KiB")
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        document.refuse(line, column, f"UTF-8 text; byte 0x{raw[error.start]:02x} is not")
        return None
    for number, line_text in enumerate(text.split("\n"), 1):
        if len(line_text) > LONGEST_LINE:
            document.refuse(number, LONGEST_LINE + 1, f"a line of at most {LONGEST_LINE} characters")
            return None
    return text


def _first_long_line(raw: bytes) -> tuple[int, int]:
    for number, line in enumerate(raw[: MOST_BYTES + 1].split(b"\n"), 1):
        if len(line) > LONGEST_LINE:
            return number, LONGEST_LINE + 1
    return raw[:MOST_BYTES].count(b"\n") + 1, 1


def _syntax(error: yaml.YAMLError, text: str, document: Document) -> None:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:  # a character YAML forbids; the reader gives its position alone
        at = int(getattr(error, "position", 0))
        position = _position(text, at)
        letter = f"U+{ord(text[at]):04X}" if at < len(text) else "a control character"
        document.refuse(*position, f"no control characters ({letter})")
        return
    line = text.split("\n")[mark.line] if mark.line <= text.count("\n") else ""
    if "\t" in line[: mark.column + 1]:
        document.refuse(mark.line + 1, line.index("\t") + 1, "spaces; YAML does not allow a tab here")
        return
    wanted = ", ".join(str(part) for part in (getattr(error, "problem", None), getattr(error, "context", None)) if part)
    document.refuse(mark.line + 1, mark.column + 1, f"valid YAML ({wanted})")


def _position(text: str, index: int) -> tuple[int, int]:
    before = text[:index]
    return before.count("\n") + 1, index - before.rfind("\n")


class _TooMuchError(Exception):
    """A limit was passed; its problem is noted already."""


class _Builder:
    """Builds the tree from the parser's events: no recursion, so that depth is a number and not a crash."""

    def __init__(self, document: Document, text: str) -> None:
        self.document = document
        self.text = text
        self.stack: list[Node] = []
        self.nodes = 0
        self.documents = 0
        self.spans: list[tuple[int, int]] = []

    def build(self) -> None:
        for event in self._events():
            match event:
                case yaml.DocumentStartEvent():
                    self._start_document(event)
                case yaml.ScalarEvent():
                    self._scalar(event)
                case yaml.MappingStartEvent():
                    self._open(event, Node(*_place(event), entries={}))
                case yaml.SequenceStartEvent():
                    self._open(event, Node(*_place(event), elements=[]))
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._close()
                case yaml.AliasEvent():
                    self._refuse(
                        event, f"no aliases: write the value out instead of `*{printable(event.anchor or '')}`"
                    )
                    self._add(Node(*_place(event), value=Doubtful(f"*{event.anchor}")))
        self._tabs()
        self._line_breaks()

    def _events(self) -> Iterator[yaml.Event]:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return yaml.parse(self.text, Loader=loader)  # type: ignore[no-any-return, no-untyped-call, unused-ignore]

    def _refuse(self, event: yaml.Event, wanted: str) -> None:
        self.document.refuse(*_place(event), wanted, self._where())

    def _where(self) -> str:
        """The field being read now, for errors about form."""
        return spell(tuple(node.reading for node in self.stack if node.reading is not None))

    def _start_document(self, event: yaml.Event) -> None:
        self.documents += 1
        if self.documents > 1:
            self.document.refuse(*_place(event), "one document in a file; put the second in its own file")
            raise _TooMuchError

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, node: Node) -> None:
        self._form(event, event.tag, event.implicit)
        parent = self.stack[-1] if self.stack else None
        if parent is not None and parent.entries is not None and parent.key is None:
            self._refuse(event, "a plain key; a list or a mapping cannot be one")
            raise _TooMuchError
        self._add(node)
        if parent is not None and parent.elements is not None:
            parent.reading = len(parent.elements) - 1
        self.stack.append(node)
        node.reading = 0 if node.elements is not None else None
        if len(self.stack) > DEEPEST:
            self._refuse(event, f"at most {DEEPEST} levels of nesting")
            raise _TooMuchError

    def _close(self) -> None:
        self.stack.pop()
        if self.stack and (elements := self.stack[-1].elements) is not None:
            self.stack[-1].reading = len(elements)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._form(event, event.tag, any(event.implicit))
        if event.style:
            self.spans.append((_mark(event.start_mark).index, _mark(event.end_mark).index))
        parent = self.stack[-1] if self.stack else None
        if parent is not None and parent.entries is not None and parent.key is None:
            self._key(parent, event)
        else:
            self._add(Node(*_place(event), value=meaning(event.value) if not event.style else event.value))

    def _key(self, parent: Node, event: yaml.ScalarEvent) -> None:
        key = str(event.value)
        parent.key, parent.reading = (key, *_place(event)), key
        if not event.style and key == "<<":
            self._refuse(event, "no merge keys: write the keys out")
        elif not event.style and not isinstance(meaning(key), str):
            self._refuse(event, f'a text key: write it in quotes, "{printable(key)}"')

    def _form(self, event: yaml.NodeEvent, tag: str | None, implicit: bool) -> None:
        """Count the node; refuse anchors and tags."""
        self.nodes += 1
        if self.nodes > MOST_NODES:
            self._refuse(event, f"at most {MOST_NODES} values in a file")
            raise _TooMuchError
        if event.anchor is not None:
            self._refuse(event, f"no anchors: remove `&{printable(event.anchor)}`")
        if tag is not None and not (implicit and tag == "!"):
            self._refuse(event, f"no tags: remove `{printable(tag.replace('tag:yaml.org,2002:', '!!'))}`")

    def _add(self, node: Node) -> None:
        if not self.stack:
            self.document.root = node
            return
        parent = self.stack[-1]
        if parent.elements is not None:
            parent.elements.append(node)
            parent.reading = len(parent.elements)
            return
        if parent.key is None or parent.entries is None:  # an alias used as a key; refused where it was read
            raise _TooMuchError
        key, line, column = parent.key
        if key in parent.entries:
            first = parent.entries[key].line
            self.document.refuse(line, column, f"each key once; it is already on line {first}", self._where())
        else:
            parent.entries[key] = Entry(line, column, node)
        parent.key = None

    def _tabs(self) -> None:
        """Tabs may stand in comments and in quoted or block text; anywhere else they only look like spaces."""
        for index in _outside(self.spans, (match.start() for match in re.finditer("\t", self.text))):
            line, column = _position(self.text, index)
            start = index - column + 1
            if not re.search(r"(?:^|\s)#", self.text[start:index]):
                self.document.refuse(line, column, "spaces instead of a tab")

    def _line_breaks(self) -> None:
        """Editors do not show these as line breaks and YAML does: a key could hide behind one."""
        for match in re.finditer("[\x85\u2028\u2029]", self.text):
            self.document.refuse(
                *_position(self.text, match.start()), f"ordinary line breaks instead of U+{ord(match[0]):04X}"
            )


def meaning(text: str) -> Scalar:
    """What a plain (unquoted) scalar means; `Doubtful` where YAML 1.1 and 1.2, or two common readers, differ."""
    if text in _BOOL:
        return _BOOL[text]
    if text == "null":
        return None
    if _INT.fullmatch(text):
        return int(text) if len(text) <= _MANY_DIGITS else Doubtful(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else Doubtful(text)
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call, unused-ignore]
    if tag != _TEXT_TAG or DOUBTFUL.fullmatch(text):
        return Doubtful(text)
    return text


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = _mark(event.start_mark)
    return mark.line + 1, mark.column + 1


def _mark(mark: Mark | None) -> Mark:
    assert mark is not None, "the parser marks every event"
    return mark


def _outside(spans: list[tuple[int, int]], indices: Iterator[int]) -> Iterator[int]:
    """Those indices that lie in none of the spans; both come in rising order."""
    remaining = iter(spans)
    start, end = next(remaining, (math.inf, math.inf))
    for index in indices:
        while end <= index:
            start, end = next(remaining, (math.inf, math.inf))
        if index < start:
            yield index
