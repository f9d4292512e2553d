"""Valid documents broken at random, in text, structure and values: they end in a value or in problems."""

from __future__ import annotations

import copy
import time

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from liftlock.environment import Environment
from liftlock.errors import InvalidInput
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.source import parse, parse_exactly

from .builders import SERVICE

FEATURES = {
    "features": [
        {"name": "age", "type": "integer", "min": 0, "max": 120, "missing": True},
        {"name": "city", "type": "string", "values": ["Bonn", "Ulm"]},
        {"name": "image", "type": "tensor", "shape": [-1, 8, 8]},
    ]
}
ENVIRONMENT = {
    "name": "prod",
    "after": "staging",
    "stacks": ["prod-eks"],
    "replicas": {"min": 2, "max": 50},
    "rollout": {"gate": {"margin": 0.25, "error_rates": [0.05, 0.05]}, "weights": [5, 100], "keep_warm": "1h"},
}
FULL = SERVICE | {
    "handler": "handler.py",
    "gpu": {"class": "h100", "count": 1, "sharing": "mig", "slice": "1g.10gb"},
    "batching": {"size": 8, "delay": "2ms"},
    "rollout": {"gate": {"margin": 0.1}, "weights": [1, 100], "keep_warm": "2h"},
}
DOCUMENTS = st.sampled_from([(SERVICE, Spec), (FULL, Spec), (FEATURES, FeatureSchema), (ENVIRONMENT, Environment)])
WORDS = """NO 0755 12:30 ~ null -1 0 1e309 30d 250ms 0s 200/s 512Mi 500m 1g.10gb vllm openai train hf://a/b@c ../x -x
s3://b/k oci://x/y mlflow:a@b {} [] 99.9 100 inf nan"""
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([*WORDS.split(), "\x00", "\ud800"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner), max_leaves=6
)
NOISE = st.sampled_from(
    [":", " ", "\n", "\t", "- ", "{", "}", "[", "]", ",", "#", "&a ", "*a", "!x ", "'", '"', "|", ">", "%",
     "---\n", "...", "? ", "\r", "\x00", "\ufeff", "\u2028", "\x85", "\\", "<<: ", "é", "0", "~", "@", "`"]
)  # fmt: skip


def settles(raw: bytes, model) -> None:
    """Parsing ends soon, in a value or in problems with places; the fast way accepts nothing the exact one refuses."""
    started = time.process_time()  # of a core: the machine may be busy with other tests
    try:
        value = parse(raw, model, "f.yaml")
    except InvalidInput as refused:
        for problem in refused.problems:
            text = str(problem)
            assert "\n" not in text, text
            assert (problem.file, problem.line > 0, problem.column > 0) == ("f.yaml", True, True), text
    else:
        assert parse_exactly(raw, model, "f.yaml") == value
    assert time.process_time() - started < 1


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS, st.data())
def test_noise_in_the_text_ends_in_a_value_or_in_problems(document, data):
    text = yaml.safe_dump(document[0], sort_keys=False)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        gone = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(NOISE) + text[at + gone :]
    settles(text.encode("utf-8", "surrogatepass"), document[1])


@settings(max_examples=400, deadline=None)
@given(DOCUMENTS, st.data())
def test_other_values_end_in_a_value_or_in_problems(document, data):
    tree = copy.deepcopy(document[0])
    for _ in range(data.draw(st.integers(1, 3))):
        place = tree
        while True:
            key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
            below = place[key]
            if not isinstance(below, dict | list) or not below or data.draw(st.booleans()):
                break
            place = below
        if data.draw(st.booleans()):
            place[key] = data.draw(VALUES)
        elif isinstance(place, dict) and len(place) > 1:
            place[data.draw(st.text(max_size=8))] = place.pop(key)
    settles(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"), document[1])


@settings(max_examples=200, deadline=None)
@given(DOCUMENTS, st.binary(max_size=6), st.data())
def test_noise_in_the_bytes_ends_in_a_value_or_in_problems(document, noise, data):
    raw = yaml.safe_dump(document[0]).encode()
    at = data.draw(st.integers(0, len(raw)))
    settles(raw[:at] + noise + raw[at:], document[1])
