"""What Liftlock generates its own strict reader takes back, unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from liftlock.canonical import generated_yaml
from liftlock.spec.document import read_exactly
from liftlock.spec.source import Written, parse

# From 18 digits on two readers could disagree on a number, and the reader refuses it.
_NUMBERS = some.integers(1 - 10**17, 10**17 - 1) | some.floats(allow_nan=False, allow_infinity=False)
_WORDS = some.sampled_from(
    ["y", "N", "no", "0o17", "0755", "089", "1e3", ".5e3", "-.5", "12:30", "~", "", "<<", "=", "-"]
)
_TEXTS = (
    _WORDS | some.text(some.characters(exclude_categories=["Cs"]), max_size=40) | some.from_regex(r"[-+.0-9eExo_:]+\Z")
)
_VALUES = some.recursive(
    _NUMBERS | some.booleans() | some.none() | _TEXTS,
    lambda below: some.lists(below, max_size=4) | some.dictionaries(_TEXTS, below, max_size=4),
    max_leaves=12,
)


class Anything(Written):
    """A file with one text, as model.yaml has many."""

    text: str
    number: float


def plain(value: Any) -> Any:
    """`value` as the reader gives it: tuples for lists."""
    if isinstance(value, dict):
        return {key: plain(below) for key, below in value.items()}
    return tuple(map(plain, value)) if isinstance(value, list) else value


@given(some.dictionaries(_TEXTS, _VALUES, min_size=1, max_size=6))
@example({"a": "\u2028x", "b": "x\x85", "c": " \n x\n", "d": "\tx", "e": "#", "f": "a\tb: c"})
def test_any_mapping_survives_being_written_and_read(value):
    text = generated_yaml(value, "a test")
    document = read_exactly(text, "generated.yaml")
    assert document.problems == []
    assert document.root.plain() == plain(value)
    assert generated_yaml(value, "a test") == text


@given(_TEXTS, _NUMBERS.map(float))
def test_any_text_and_number_survive_the_reader_of_model_files(text, number):
    written = generated_yaml({"text": text, "number": number}, "a test")
    assert parse(written, Anything, "generated.yaml") == Anything(text=text, number=number)


@pytest.mark.parametrize("text", ["roc_auc", "500m", "30d", "sha256:00ff", "s3://bucket/model", "a sentence, as is"])
def test_what_nobody_doubts_stays_plain(text):
    assert generated_yaml({"a": text}, "a test").endswith(f"\na: {text}\n".encode())
