"""Request files against protocol and feature schema."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liftlock.spec import requests
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.requests import MOST_FAULTY, request_problems
from liftlock.spec.source import parse

from .builders import REMOVED, service

SCHEMA = parse(
    b"""features:
  - {name: age, type: integer, min: 0, max: 120}
  - {name: income, type: float, missing: true}
  - {name: member, type: boolean}
""",
    FeatureSchema,
    "features.yaml",
)
MIXED = parse(
    b"features:\n  - {name: city, type: string}\n  - {name: image, type: tensor, shape: [-1, 2, 2]}\n",
    FeatureSchema,
    "f",
)
IMAGE = parse(b"features:\n  - {name: image, type: tensor, shape: [-1, 2, 2]}\n", FeatureSchema, "f")
V2 = parse(service(), Spec, "service.yaml")
V1 = parse(service(protocol="v1"), Spec, "service.yaml")
CHAT = {
    "model": {"format": "vllm", "source": "hf://acme/chat@" + "a" * 40},
    "gpu": {"class": "l4"},
    "features": REMOVED,
    "protocol": "openai",
    "load__traffic": "stream",
}
OPENAI = parse(service(**CHAT), Spec, "service.yaml")


def tensor(name, datatype, data, shape=None):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def body(**changes):
    tensors = {
        "age": tensor("age", "INT64", [33]),
        "income": tensor("income", "FP64", [1200.5]),
        "member": tensor("member", "BOOL", [True]),
    }
    return {"inputs": [one for one in (tensors | changes).values() if one is not None]}


def told(spec, schema, *lines) -> list[str]:
    raw = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
    return [str(problem).removeprefix("r:") for problem in request_problems(raw, spec, schema, "r")]


@pytest.mark.parametrize(
    ("spec", "schema", "line"),
    [
        (V2, SCHEMA, body()),
        (V2, SCHEMA, body(income=None)),
        (V2, SCHEMA, body(age=tensor("age", "INT64", [500]))),  # out of range is a request, too
        (V2, SCHEMA, body(age=tensor("age", "FP32", [33.0]))),
        (V2, SCHEMA, body(income=tensor("income", "FP64", [None]))),
        (V2, SCHEMA, body(income=tensor("income", "FP64", [float("nan")]))),
        (V2, SCHEMA, body(member=tensor("member", "INT64", [1], [1, 1]))),
        (V2, SCHEMA, {"inputs": [tensor("x", "FP64", [1, 2.5, 0, 3, 4, 1], [2, 3])]}),
        (V2, SCHEMA, {"inputs": [tensor("x", "FP64", [[1, 2.5, 0], [3, 4, 1]], [2, 3])]}),
        (V2, MIXED, {"inputs": [tensor("city", "BYTES", ["Bonn"]), tensor("image", "FP32", [1, 2, 3, 4], [1, 2, 2])]}),
        (V1, SCHEMA, {"instances": [{"age": 3, "income": 2.5, "member": False}, {"age": 3, "member": True}]}),
        (V1, SCHEMA, {"instances": [[3, None, 1]]}),
        (V1, IMAGE, {"instances": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}),
        (OPENAI, None, {"messages": [{"role": "user", "content": "Hello"}], "stream": True}),
        (OPENAI, None, {"prompt": "Hello", "stream": True}),
    ],
)
def test_a_request_the_service_would_answer_is_accepted(spec, schema, line):
    assert told(spec, schema, line, line) == []


@pytest.mark.parametrize(
    ("spec", "schema", "line", "expected"),
    [
        (V2, SCHEMA, "{", "1:2: (file): a JSON body"),
        (V2, SCHEMA, "[]", "1:1: inputs: a list of tensors"),
        (V2, SCHEMA, {"inputs": []}, "1:12: inputs: a list of tensors"),
        (V2, SCHEMA, {"inputs": [3]}, "1:13: inputs[0]: a tensor"),
        (V2, SCHEMA, body(age=None), "1:12: inputs: feature `age` too; it may not be missing"),
        (V2, SCHEMA, body(age=tensor("aeg", "INT64", [3])), "1:22: inputs[0].name: a feature of this service:"),
        (V2, SCHEMA, body(age=tensor("age", ["INT64"], [3])), "1:41: inputs[0].datatype: a V2 datatype"),
        (V2, SCHEMA, body(age=tensor("age", "BYTES", ["3"])), "1:41: inputs[0].datatype: numbers for"),
        (V2, SCHEMA, body(age=tensor("age", "INT64", ["3"])), "1:72: inputs[0].data: whole numbers for"),
        (V2, SCHEMA, body(age=tensor("age", "FP64", [3.5])), "1:71: inputs[0].data: whole numbers for"),
        (V2, SCHEMA, body(age=tensor("age", "INT64", [None])), "1:72: inputs[0].data: a value for feature `age`"),
        (V2, SCHEMA, body(age=tensor("age", "INT64", [3, 4], [1])), "1:72: inputs[0].data: 1 values, as shape"),
        (V2, SCHEMA, body(age=tensor("age", "INT64", [3, 4])), ": inputs[1].shape: 2 rows, as the first tensor"),
        (V2, SCHEMA, body(age=tensor("age", "INT64", [3], [1.0])), "1:59: inputs[0].shape: a list of lengths"),
        (V2, SCHEMA, body(member=tensor("member", "INT64", [7])), ": inputs[2].data: true or false for"),
        (V2, SCHEMA, {"inputs": [tensor("x", "FP64", [1, 2], [1, 2])]}, "1:56: inputs[0].shape: [rows, 3], a column"),
        (V2, MIXED, {"inputs": [tensor("city", "BYTES", ["B"]), tensor("image", "FP32", [1, 2], [1, 2])]},
         ": inputs[1].shape: shape [-1, 2, 2] for feature `image`"),
        (V1, SCHEMA, {"instances": []}, "1:15: instances: a list of rows"),
        (V1, SCHEMA, {"instances": [[1, 2]]}, "1:16: instances[0]: 3 values, one for each feature, not 2"),
        (V1, SCHEMA, {"instances": [{"age": "x", "member": True}]}, "1:24: instances[0].age: whole numbers"),
        (V1, SCHEMA, {"instances": [{"agee": 1}]}, ": instances[0].agee: a feature of this service"),
        (V1, IMAGE, {"instances": [[[1, 2], [3]]]}, "1:16: instances[0]: shape [-1, 2, 2] for feature `image`"),
        (OPENAI, None, {"messages": [], "stream": True}, "1:14: messages: a list of messages"),
        (OPENAI, None, {"messages": [{"role": "user"}], "stream": True}, ": messages[0].content: text"),
        (OPENAI, None, {"prompt": "x"}, "1:1: stream: true, as load.traffic is stream"),
    ],
)  # fmt: skip
def test_a_request_the_service_would_refuse_is_told_with_its_place(spec, schema, line, expected):
    found = told(spec, schema, line)
    assert any(expected in one for one in found), found


def test_the_faulty_line_is_named_among_good_ones():
    assert told(V2, SCHEMA, body(), "", body(), body(age=None))[0].startswith("4:12: inputs: feature `age` too")


def test_a_file_with_no_request_is_refused():
    assert told(V2, SCHEMA, "", " ") == ["1:1: (file): at least one request: a JSON body on each line"]


def test_after_many_faulty_lines_the_rest_is_left():
    assert len(told(V2, SCHEMA, *["{"] * 500)) == MOST_FAULTY + 1


def test_another_habit_is_accepted_here_too():
    raw = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(body()).encode() for _ in range(3)) + b"\r\n\r\n"
    assert request_problems(raw, V2, SCHEMA, "r") == []


KINDS = [(V2, SCHEMA), (V1, SCHEMA), (V2, MIXED), (V1, IMAGE), (OPENAI, None)]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.floats(), st.text("aN1", max_size=2), st.just([1]), st.just({})
)
TENSORS = st.builds(
    tensor,
    st.sampled_from(["age", "income", "member", "x", "city", "image", 3, None]),
    st.sampled_from(["INT64", "FP64", "BOOL", "BYTES", "FP63", None, 1]),
    st.lists(VALUES, max_size=3),
    st.one_of(st.none(), st.lists(st.one_of(st.integers(-1, 3), st.just(1.0), st.just(True)), max_size=3)),
)
BODIES = st.one_of(
    VALUES,
    st.builds(lambda one: {"inputs": one}, st.one_of(VALUES, st.lists(st.one_of(TENSORS, VALUES), max_size=4))),
    st.builds(lambda one: {"instances": one}, st.one_of(VALUES, st.lists(st.one_of(VALUES, st.lists(VALUES))))),
    st.builds(lambda one: {"messages": one}, st.one_of(VALUES, st.lists(VALUES))),
    st.just(body()),
)


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(BODIES, max_size=3),
    st.sampled_from([(V2, SCHEMA), (V1, SCHEMA), (V2, MIXED), (V1, IMAGE), (OPENAI, None)]),
)
def test_any_body_is_in_order_or_told_and_never_a_traceback(bodies, kind):
    told(*kind, *[json.dumps(one) for one in bodies])


CHANGES = st.sampled_from(
    [(b"33", new) for new in (b"34", b"33.5", b'"33"', b"33,1", b"null", b"true", b"", b"[33]", b"3 3")]
    + [(b"\n", new) for new in (b"\n\n", b"\r\n", b"", b",\n")]
    + [(b"}]}", new) for new in (b"}]} ", b'}],"id":"x"}', b"}]}}")]
    + [(b"[1]", b"[2]"), (b"1200.5", b"NaN"), (b"1200.5", b"1e999"), (b"age", b"aeg"), (b"INT64", b"INT65")]
    + [(b"true", b"2"), (b'"inputs"', b'"Inputs"'), (b'"data": [33]', b'"data": [33], "data": [34]')]
)


@settings(max_examples=600, deadline=None)
@given(st.integers(1, 4), st.lists(CHANGES, max_size=3), st.booleans())
def test_the_look_at_all_lines_at_once_never_accepts_what_the_look_at_each_refuses(count, changes, last):
    raw = b"\n".join([json.dumps(body()).encode()] * count)
    for old, new in changes:
        at = raw.rfind(old) if last else raw.find(old)
        raw = raw if at < 0 else raw[:at] + new + raw[at + len(old) :]
    rule = requests._rule(V2, SCHEMA)
    if requests._all_alike(raw, rule, SCHEMA):
        assert requests._problems_by_line(raw.split(b"\n"), rule, "r") == []


def test_the_look_at_all_lines_at_once_says_yes_where_it_should():
    raw = b"\n".join([json.dumps(body()).encode()] * 30)
    assert requests._all_alike(raw, requests._rule(V2, SCHEMA), SCHEMA)


@pytest.mark.parametrize(
    ("line", "column", "key"),
    [
        ('{"inputs": [], "inputs": []}', 16, "inputs"),
        ('{"a": {"b": 1, "c": [1, {"b": 2, "b" : 3}]}, "inputs": []}', 34, "b"),
        ('{"\\u0061": 1, "a": 2, "inputs": []}', 15, "a"),
    ],
)
def test_a_key_twice_in_one_object_is_refused_at_its_second_place(line, column, key):
    [problem] = request_problems(line.encode(), V2, None, "r.jsonl")
    assert (problem.line, problem.column, problem.field) == (1, column, key)
    assert "each key once" in problem.wanted


def test_a_key_twice_in_a_line_like_all_others_is_refused_too():
    line = json.dumps(body()).replace('"shape"', '"name": "age", "shape"', 1)
    problems = request_problems((line + "\n").encode() * 3, V2, SCHEMA, "r.jsonl")
    assert [(problem.line, problem.field) for problem in problems] == [(1, "name"), (2, "name"), (3, "name")]


def test_a_text_that_looks_like_keys_is_only_text():
    line = json.dumps({"messages": [{"role": "user", "content": '{"a": 1, "a": 2} "role":'}], "stream": True})
    assert request_problems(line.encode(), OPENAI, None, "r.jsonl") == []


def test_a_body_the_server_would_answer_413_is_refused():
    line = b'{"stream": true, "prompt": "' + b"x" * requests.LONGEST_BODY + b'"}'
    [problem] = request_problems(b"\n" + line, OPENAI, None, "r.jsonl")
    assert (problem.line, problem.wanted) == (2, "a body of at most 10 MiB")


def test_a_bomb_of_depth_is_one_problem():
    line = '{"inputs": ' + '{"a": ' * 900 + "1" + "}" * 900 + ', "inputs": 1}'
    [problem] = request_problems(line.encode(), V2, None, "r.jsonl")
    assert problem.line == 1
