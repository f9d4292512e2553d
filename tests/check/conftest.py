"""A small checkout that passes check, to be broken in one thing at a time."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftlock.check.schema import SCHEMAS, generate, schema_file
from liftlock.spec.scaffold import likely_members, scaffold, write_service

MODELINE = "# yaml-language-server: $schema=../../docs/schema/environment.json\n"


def make_tree(root: Path, formats: tuple[str, ...]) -> Path:
    """A checkout with one scaffolded service of each format, called like it."""
    for name in SCHEMAS:
        path = root / schema_file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generate(name))
    (root / "environments" / "dev").mkdir(parents=True)
    (root / "environments" / "dev" / "environment.yaml").write_text(f"{MODELINE}name: dev\nstacks: [dev-local]\n")
    (root / "model_services").mkdir()
    for kind in formats:
        members = likely_members(root) if kind == "ensemble" else ()
        write_service(root, kind, scaffold(kind, kind, "team-a", members))
    return root


@pytest.fixture
def tree(tmp_path):
    """A checkout with a table service and one with a handler."""
    return make_tree(tmp_path / "checkout", ("onnx", "xgboost"))


@pytest.fixture
def service(tree):
    """The directory of a service with a handler."""
    return tree / "model_services" / "xgboost"
