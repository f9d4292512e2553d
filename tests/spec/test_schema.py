"""The JSON Schemas that editors use."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from liftlock.check.schema import SCHEMAS, generate, schema_file
from liftlock.spec.document import read_exactly
from liftlock.spec.scaffold import FORMATS, scaffold

from .builders import SERVICE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_the_one_the_types_give(name):
    assert (ROOT / schema_file(name)).read_bytes() == generate(name)


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_valid_one(name):
    jsonschema.Draft202012Validator.check_schema(json.loads(generate(name)))


def validator(name):
    return jsonschema.Draft202012Validator(json.loads(generate(name)))


def plain(value):
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "ensemble"])
def test_an_editor_finds_no_fault_in_a_scaffold(kind):
    made = scaffold("demo", kind)
    for name in ("service", "features"):
        if f"{name}.yaml" in made:
            document = read_exactly(made[f"{name}.yaml"], name)
            assert list(validator(name).iter_errors(plain(document.root.plain()))) == []


@pytest.mark.parametrize("wrong", [{"teir": 1}, {"tier": 9}, {"name": "../x"}, {"protocol": "v9"}, {"slo": {}}])
def test_an_editor_shows_a_wrong_value(wrong):
    assert not validator("service").is_valid(SERVICE | wrong)
