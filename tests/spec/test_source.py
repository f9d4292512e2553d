"""What the YAML loader accepts, and what it says of the rest."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liftlock.errors import InvalidInput
from liftlock.spec.document import Document, read_exactly
from liftlock.spec.source import Written, load, parse, parse_exactly, problem_at, read_fast


class Objective(Written):
    quantile: float
    within: str


class Slo(Written):
    latency: tuple[Objective, ...] = ()


class Thing(Written):
    name: str
    count: int = 1
    ratio: float = 0.5
    exact: bool = True
    kind: Literal["alpha", "beta"] = "alpha"
    slo: Slo | None = None
    free: dict[str, str] = {}  # noqa: RUF012 (pydantic copies it)

    def faults(self):
        if self.count > 5 and self.kind == "beta":
            yield "count", "at most 5 for a beta"


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        parse(text if isinstance(text, bytes) else text.encode(), Thing, "thing.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: x\nnaem: 3", "2:1: naem: unknown key; did you mean `name`?"),
        ("name: x\nname: y", "2:1: name: each key once; it is already on line 1"),
        ("name: x\ncount: many", "2:8: count: a whole number, not 'many'"),
        ("name: x\ncount: '3'", "2:8: count: a whole number, not '3'"),
        ("name: x\ncount: 0755", "2:8: count: a whole number, plainly written; YAML readers disagree about 0755"),
        ("name: x\nexact: yes", "2:8: exact: true or false, plainly written; YAML readers disagree about yes"),
        ("name: x\nkind: alpa", "2:7: kind: one of 'alpha' or 'beta'; did you mean alpha?, not 'alpa'"),
        ("name: x\nkind: beta\ncount: 6", "3:8: count: at most 5 for a beta"),
        ("count: 2", "1:1: name: is required"),
        ("name: 12", '1:7: name: text; write it in quotes: "12"'),
        ("name: true", '1:7: name: text; write it in quotes: "true"'),
        ("name: NO", '1:7: name: text; YAML readers disagree about NO: write it in quotes, "NO"'),
        ("name: 0755", '1:7: name: text; YAML readers disagree about 0755: write it in quotes, "0755"'),
        ("name: 12:30", '1:7: name: text; YAML readers disagree about 12:30: write it in quotes, "12:30"'),
        ("name: on", '1:7: name: text; YAML readers disagree about on: write it in quotes, "on"'),
        ("name: 1_000", '1:7: name: text; YAML readers disagree about 1_000: write it in quotes, "1_000"'),
        ("name:", "1:6: name: text; a value is missing here: give one or remove the key"),
        ("name: ~", "1:7: name: text; a value is missing here: give one or remove the key"),
        ("name: null", "1:7: name: text, not null"),
        ("slo: {latency: [{quantile: 1.0, within: 5}]}\nname: x",
         '1:41: slo.latency[0].within: text; write it in quotes: "5"'),
        ("name: x\nfree:\n  a: b\n  c: [1]", "4:6: free.c: text, not a list"),
        ("", "1:1: (file): the file is empty: it must hold one YAML mapping"),
        ("# nothing\n", "1:1: (file): the file is empty: it must hold one YAML mapping"),
        ("- name: x", "1:1: (file): a mapping, not a list"),
        ("name: x\n---\nname: y", "2:1: (file): one document in a file; put the second in its own file"),
        ("name: x\n\tcount: 2", "2:1: (file): spaces; YAML does not allow a tab here"),
        ("name:\tx", "1:6: (file): spaces instead of a tab"),
        ("name: &a x", "1:7: name: no anchors: remove `&a`"),
        ("name: !py x", "1:7: name: no tags: remove `!py`"),
        ("name: !!str x", "1:7: name: no tags: remove `!!str`"),
        ("name: x\nslo: *a", "2:6: slo: no aliases: write the value out instead of `*a`"),
        ("name: x\nyes: 1", '2:1: yes: a text key: write it in quotes, "yes"'),
        ("name: x\nslo: [", "3:1: (file): valid YAML (did not find expected node content, while parsing a flow node)"),
        ("name: x\u2028count: 2", "1:8: (file): ordinary line breaks instead of U+2028"),
        ("name: x\x00", "1:8: (file): no control characters (U+0000)"),
        (b"name: x\ncount: \xff", "2:8: (file): UTF-8 text; byte 0xff is not"),
        ("name: x\nslo: {a: {latency: [[[&b 1]]]}}", "2:23: slo.a.latency[0][0][0]: no anchors: remove `&b`"),
    ],
)  # fmt: skip
def test_a_bad_file_is_refused_with_the_place_the_field_and_what_is_wanted(text, expected):
    assert f"thing.yaml:{expected}" in problems(text)


def test_all_problems_of_a_file_are_told_at_once():
    text = "name: NO\ncount: x\nkind: c\nslo: {latency: [{quantile: a}]}\nextra: 1\nkind: alpha"
    assert len(problems(text)) == 7


@pytest.mark.parametrize(
    "text",
    [
        b"name: x\r\ncount: 2\r\n",
        b"\xef\xbb\xbfname: x\ncount: 2\n",
        b"# first\nname: x # here\n# between\ncount: 2 # and\tthere\n# last",
        b"name: 'x'\ncount: 2",
        b'{"name": "x", "count": 2}',
        b"---\nname: x\ncount: 2\n...\n",
        b"name: x\ncount: +2",
    ],
)
def test_what_is_merely_another_habit_is_accepted(text):
    assert parse(text, Thing, "thing.yaml") == Thing(name="x", count=2)


@pytest.mark.parametrize("text", ['"123"', "'NO'", '"0755"', '"12:30"', '"~"', '"a\tb"', "|-\n  a\tb"])
def test_text_in_quotes_is_text_whatever_it_looks_like(text):
    assert isinstance(parse(f"name: {text}".encode(), Thing, "thing.yaml").name, str)


BOMBS = {
    "a line of a megabyte": "name: " + "x" * 1_000_000,
    "a line of a hundred kilobytes": "name: " + "x" * 100_000,
    "a comment of a megabyte": "name: x # " + "x" * 1_000_000,
    "many short lines": "name: x\n" + "# c\n" * 400_000,
    "deep lists": "name: " + "[" * 100_000,
    "deep mappings": "name: " + "{a: " * 10_000,
    "deep blocks": "".join(" " * depth + "a:\n" for depth in range(400)),
    "compact deep blocks": "name: " + "- " * 5_000 + "x",
    "many values": "name: x\nfree: [\n" + "1,\n" * 60_000 + "]",
    "many keys": "".join(f"k{index}: 1\n" for index in range(25_000)),
    "laughing aliases": "a: &a [x,x]\n"
    + "".join(f"{chr(97 + i)}: &{chr(97 + i)} [{','.join(['*' + chr(96 + i)] * 9)}]\n" for i in range(1, 20)),
    "an alias to itself": "name: &a [*a]",
    "open quotes": 'name: "' + "\n" * 200_000,
    "question marks": "? " * 20_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_within_a_second(bomb):
    started = time.process_time()  # of a core: the machine may be busy with other tests
    found = problems(BOMBS[bomb])
    assert time.process_time() - started < 1
    assert found
    assert all("\n" not in problem and len(problem) < 1000 for problem in found[:50])


def test_all_bombs_together_need_less_than_200_megabytes(tmp_path):
    for number, bomb in enumerate(BOMBS.values()):
        (tmp_path / f"{number}.yaml").write_text(bomb)
    # The peak of this program alone: what `getrusage` tells of a child includes the process it was forked from.
    script = """
import re, sys
from pathlib import Path
from liftlock.errors import InvalidInput
from liftlock.spec.model import Spec
from liftlock.spec.source import load
refused = 0
for path in Path(sys.argv[1]).iterdir():
    try:
        load(path, Spec, root=path.parent)
    except InvalidInput:
        refused += 1
print(refused, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, check=True, text=True)
    refused, kilobytes = map(int, done.stdout.split())
    assert refused == len(BOMBS)
    assert kilobytes < 200 * 1024


def test_a_missing_file_is_a_problem_with_its_name(tmp_path):
    with pytest.raises(InvalidInput, match=r"^a/thing\.yaml:0:0: \(file\): a readable file \(No such file"):
        load(tmp_path / "a" / "thing.yaml", Thing, root=tmp_path)


def test_a_loaded_file_is_named_from_the_root(tmp_path):
    (tmp_path / "thing.yaml").write_bytes(b"name: NO")
    with pytest.raises(InvalidInput, match=r"^thing\.yaml:1:7: name: "):
        load(tmp_path / "thing.yaml", Thing, root=tmp_path)


def test_a_problem_found_later_still_has_its_place():
    text = b"name: x\nslo:\n  latency:\n    - {quantile: 0.5, within: 5s}\n"
    assert str(problem_at(text, "t.yaml", "slo.latency[0].within", "more")).startswith("t.yaml:4:31: slo.latency[0]")
    assert problem_at(text, "t.yaml", "slo.absent.deep", "more").line == 3


WORDS = """
x NO no yes Yes on off y N ~ null Null true TRUE True 0755 0o17 0x1f 0b11 12:30 1:2:3 1_000 1. .5 -.5 + - . +1 -0 1e3
1e-3 1e400 1.5e3 .inf -.INF .nan 2026-01-01 = << <<x & * ! % @ ` ? 5e 30d 250ms 200/s 99.9 00 0 0. 0.5 -1 1, 08 - --
123456789012345678901 9223372036854775808 |x >x |- a#b 'q' "q" 'NO' [] {} [a,NO] {a:1} {a: no} null, é --- ... a:b a,
0: : 1: :: 0.5.5 _1 1_ 190:20:30 a ? b
"""
KEYS = "name count ratio exact kind slo free no 1 'a' ? <<"
SCALARS = st.one_of(
    st.sampled_from([*WORDS.split(), ""]),
    st.text(st.sampled_from("aN0 17:_-.e+,#[]{}&*!'\"\\?|>%@`~=\n\r\t\x85\u2028é"), max_size=8),
)
LINES = st.one_of(
    st.builds("{}: {}".format, st.sampled_from(KEYS.split()), SCALARS),
    st.builds("  {}: {}".format, st.sampled_from(["a", "latency", "no"]), SCALARS),
    st.builds("  - {}".format, SCALARS),
    st.builds("- {}: {}".format, SCALARS, SCALARS),
    SCALARS,
)


@settings(max_examples=3000, deadline=None)
@given(st.lists(LINES, max_size=5).map("\n".join))
@example("name: x\r\nfree:\r\n  a: b")
def test_the_fast_reader_never_differs_from_the_exact_one(text):
    raw = text.encode("utf-8", "surrogatepass")
    fast = read_fast(raw)
    if fast is None:
        return
    exact: Document = read_exactly(raw, "t.yaml")
    assert exact.root is not None, exact.problems
    assert not exact.problems
    assert repr(exact.root.plain()) == repr(fast)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_value_or_a_list_of_problems(text):
    raw = text.encode("utf-8", "surrogatepass")
    assert outcome(raw)


def outcome(raw):
    """The value, or the problems: never another exception."""
    try:
        return parse(raw, Thing, "t.yaml")
    except InvalidInput as refused:
        return refused.problems


def test_both_readers_give_the_same_value():
    raw = b"name: x\nratio: 2\nslo:\n  latency:\n    - {quantile: 0.99, within: 250ms}\nfree: {a: b}\n"
    assert read_fast(raw) is not None
    assert parse(raw, Thing, "t.yaml") == parse_exactly(raw, Thing, "t.yaml")
