"""What the benchmark compares with is the schema KServe publishes, whole."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from bench.check import crd
from bench.check.tree import make_tree


def test_the_kept_copy_is_the_published_schema():
    try:
        published = crd.published()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
    assert crd.crd() == published


def test_the_usual_check_accepts_the_usual_files_and_no_others(tmp_path):
    make_tree(tmp_path, 4)
    validator = jsonschema.Draft202012Validator(crd.crd())
    files = sorted((tmp_path / "usual").glob("*.yaml"))
    services = [yaml.safe_load(file.read_text()) for file in files]
    assert [validator.is_valid(service) for service in services] == [True] * 4
    services[0]["spec"]["predictor"]["minReplicas"] = "one"
    assert not validator.is_valid(services[0])


def test_texts_are_dropped_and_properties_called_so_are_kept():
    schema = {"description": "text", "properties": {"description": {"type": "string", "description": "text"}}}
    assert crd.without_descriptions(schema) == {"properties": {"description": {"type": "string"}}}
