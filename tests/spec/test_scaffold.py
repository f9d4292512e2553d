"""Scaffolds: written whole or not at all, trainable, and asked for by a name that can be one."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from liftlock.errors import InvalidInput, LiftlockError
from liftlock.spec.model import MODEL_FILES, Spec
from liftlock.spec.scaffold import check_new_name, scaffold, write_service
from liftlock.spec.source import parse


@pytest.fixture
def root(tmp_path):
    (tmp_path / "model_services").mkdir()
    return tmp_path


@pytest.mark.parametrize("kind", MODEL_FILES)
def test_a_scaffold_trains_and_reaches_its_own_bound(root, kind, tmp_path):
    directory = write_service(root, "demo", scaffold("demo", kind))
    spec = parse((directory / "service.yaml").read_bytes(), Spec, "service.yaml")
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run([sys.executable, "train.py", "--out", out], cwd=directory, check=True)
    evaluation = json.loads((out / "evaluation.json").read_text())
    assert spec.model.evaluation.accepts(evaluation["metrics"][spec.model.evaluation.metric])
    assert evaluation["data"]["rows"] > 30
    assert sorted(path.name for path in out.iterdir()) == sorted(["evaluation.json", spec.model.file_name])


@pytest.mark.parametrize("name", ["../x", "/etc/x", "-x", "x" * 45, "chսrn", "X", "", "a\nb", "manifests", "a/b"])
def test_a_name_that_cannot_be_one_is_refused_before_anything_is_written(root, name):
    with pytest.raises(InvalidInput, match="name: "):
        write_service(root, name, scaffold("demo", "onnx"))
    assert list((root / "model_services").iterdir()) == []


def test_a_service_that_exists_is_left_alone(root):
    directory = write_service(root, "demo", {"service.yaml": b"mine"})
    with pytest.raises(InvalidInput, match="exists already"):
        write_service(root, "demo", scaffold("demo", "onnx"))
    assert (directory / "service.yaml").read_bytes() == b"mine"
    with pytest.raises(InvalidInput):
        check_new_name(root, "demo")


def test_a_write_that_fails_leaves_nothing(root):
    with pytest.raises(OSError, match="absent"):
        write_service(root, "demo", {"service.yaml": b"x", "absent/file": b"y"})
    assert list((root / "model_services").iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(LiftlockError, match="one of sklearn, xgboost"):
        scaffold("demo", "pickle")
