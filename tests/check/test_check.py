"""What check finds in a checkout: every listed fault, with its file, line, column and field."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from liftlock.check.report import check
from liftlock.errors import LiftlockError
from liftlock.spec.scaffold import FORMATS

from .conftest import make_tree


def found(tree: Path) -> list[str]:
    return [str(problem) for problem in check(tree).problems]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_every_scaffold_passes_check_at_once(tmp_path):
    report = check(make_tree(tmp_path / "all", FORMATS))
    assert report.problems == ()
    assert report.services == len(FORMATS)
    examined = {"services": len(FORMATS), "ensembles": len(FORMATS), "environments": 1, "schemas": 3}
    assert {name: report.passes[name] for name in examined} == examined


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("name: xgboost", "name: xgbost", "service.yaml:2:7: name: xgboost, as its directory is called"),
        ("tier: 3", "teir: 3", "service.yaml:4:1: teir: unknown key; did you mean `tier`?"),
        ("rate: 50/s", "rate: 1/h", "service.yaml:15:3: slo: establishing 99.5 % takes"),
        ("handler: handler.py", "handler: absent.py", "service.yaml:11:10: handler: a file of this service"),
        ("features: features.yaml", "features: f.yaml", "service.yaml:20:11: features: a file of this service"),
        ("requests: requests.jsonl", "requests: r.jsonl", "service.yaml:19:30: load.requests: a file of this service"),
        ("# yaml-language-server", "# other", "service.yaml:1:1: (file): this first line, for editors: # yaml-"),
        ("name: xgboost", "name: NO", "service.yaml:2:7: name: text; YAML readers disagree about NO"),
    ],
)  # fmt: skip
def test_a_fault_in_the_spec_is_found_at_its_place(tree, service, old, new, expected):
    edit(service / "service.yaml", old, new)
    assert any(one.startswith(f"model_services/xgboost/{expected}") for one in found(tree)), found(tree)


@pytest.mark.parametrize(
    ("line", "old", "new", "expected"),
    [
        (3, '"data":[', '"data":["x",', ":3:71: inputs[0].data: 1 values, as shape [1] says, not 2"),
        (2, '"mean_radius"', '"mean_raduis"', ":2:20: inputs[0].name: a feature of this service: mean_radius"),
        (1, '"FP64"', '"FP63"', ":1:45: inputs[0].datatype: a V2 datatype such as FP32"),
        (5, '{"inputs"', "{inputs", ":5:2: (file): a JSON body"),
    ],
)
def test_a_request_that_does_not_match_the_features_is_found_by_line_and_column(
    tree, service, line, old, new, expected
):
    path = service / "requests.jsonl"
    lines = path.read_text().splitlines()
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_text("\n".join(lines))
    assert any(one.startswith(f"model_services/xgboost/requests.jsonl{expected}") for one in found(tree)), found(tree)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import absent_module\nclass Handler: ...", "handler.py:1:1: handler: imports, not ModuleNotFoundError:"),
        ("class Handler:\n    x = 1 / 0", "handler.py:2:9: handler: imports, not ZeroDivisionError: division by zero"),
        ("class Handler(:", "handler.py:1:15: handler: imports, not SyntaxError: invalid syntax"),
        ("x = 1", "handler.py:1:1: handler: a class named Handler"),
        ("import sys; sys.exit(3)", "handler.py:1:13: handler: imports, not SystemExit: 3"),
        ("import os; os._exit(0)", "handler.py:1:1: handler: a module that does not end the interpreter"),
        ("print('x' * 10**5)\nclass Handler: ...\nraise OSError('a\\nb')", "handler.py:3:1: handler: imports, not OS"),
    ],
)  # fmt: skip
def test_a_handler_that_does_not_import_is_found_where_it_fails(tree, service, code, expected):
    (service / "handler.py").write_text(code)
    assert [one for one in found(tree) if one.startswith(f"model_services/xgboost/{expected}")], found(tree)


def test_a_handler_may_import_its_own_neighbours_and_not_anothers(tree, service):
    (service / "rules.py").write_text("LIMIT = 1\n")
    (service / "handler.py").write_text("from rules import LIMIT\nclass Handler: ...\n")
    other = tree / "model_services" / "onnx"
    (other / "handler.py").write_text("from rules import LIMIT\nclass Handler: ...\n")
    edit(other / "service.yaml", "protocol: v2\n", "protocol: v2\nhandler: handler.py\n")
    assert [one.split(":")[0] for one in found(tree)] == ["model_services/onnx/handler.py"]


@pytest.mark.parametrize("missing", ["train.py", "README.md"])
def test_what_a_trained_service_needs_is_asked_for(tree, service, missing):
    (service / missing).unlink()
    assert any(one.startswith(f"model_services/xgboost/{missing}:0:0: (file): is required") for one in found(tree))


@pytest.mark.parametrize("name", ["x" * 45, "chսrn", "-x", "UPPER", "a_b", "manifests"])
def test_a_directory_with_no_name_for_a_service_is_refused(tree, service, name):
    service.rename(service.parent / name)
    problems = found(tree)
    assert any(": name: a directory called: " in one for one in problems), problems
    assert all(one.isascii() for one in problems)


def test_a_link_out_of_the_service_is_refused(tree, service, tmp_path):
    (tmp_path / "secret.ubj").write_bytes(b"x")
    (service / "model.ubj").symlink_to(tmp_path / "secret.ubj")
    (service / "gone.bin").symlink_to("nowhere")
    assert found(tree) == [
        "model_services/xgboost/gone.bin:0:0: (file): a file; this link leads nowhere",
        "model_services/xgboost/model.ubj:0:0: (file): a file of this service; this link leads out of its directory",
    ]


def test_a_service_that_is_a_link_is_refused(tree, service):
    service.rename(tree / "elsewhere")
    service.symlink_to(tree / "elsewhere")
    assert "model_services/xgboost:0:0: (file): a directory, not a link" in found(tree)


def test_an_ensembles_members_exist_and_make_no_circle(tmp_path):
    tree = make_tree(tmp_path / "all", ("onnx", "xgboost", "ensemble"))
    spec = tree / "model_services" / "ensemble" / "service.yaml"
    edit(spec, "services: [onnx, xgboost]", "services: [onnx, absent]")
    assert found(tree) == [
        "model_services/ensemble/service.yaml:8:20: model.services[1]: a service of this checkout; `absent` is none"
    ]
    second = tree / "model_services" / "second"
    second.mkdir()
    for file in spec.parent.iterdir():
        (second / file.name).write_bytes(file.read_bytes())
    edit(spec, "absent", "second")
    edit(second / "service.yaml", "name: ensemble", "name: second")
    edit(second / "service.yaml", "absent", "ensemble")
    assert "no circle of ensembles: " in "".join(found(tree))


def test_a_check_of_nothing_is_no_pass(tree, service):
    for directory in (tree / "model_services").iterdir():
        for file in directory.iterdir():
            file.unlink()
        directory.rmdir()
    assert "model_services:0:0: (file): at least one service: nothing was examined (see `liftlock new`)" in found(tree)


def test_environments_and_schemas_are_checked_too(tree):
    edit(tree / "environments" / "dev" / "environment.yaml", "stacks", "stack")
    (tree / "docs" / "schema" / "service.json").write_text("{}")
    problems = found(tree)
    assert any(one.startswith("environments/dev/environment.yaml:3:1: stack: unknown key") for one in problems)
    assert any(one.startswith("docs/schema/service.json:0:0: (file): the current schema") for one in problems)


def test_all_faults_of_all_services_come_in_one_run(tree, service):
    edit(service / "service.yaml", "tier: 3", "tier: 9")
    edit(tree / "model_services" / "onnx" / "service.yaml", "protocol: v2", "protocol: v9")
    (service / "handler.py").write_text("x = (")
    assert len(found(tree)) >= 2


def test_a_path_restricts_the_check_to_its_service(tree, service, monkeypatch):
    monkeypatch.chdir(tree)
    edit(tree / "model_services" / "onnx" / "service.yaml", "protocol: v2", "protocol: v9")
    assert check(tree, (Path("model_services/xgboost/handler.py"),)).problems == ()
    assert len(check(tree, (Path("model_services/onnx"),)).problems) == 1
    with pytest.raises(LiftlockError, match=r"docs: a service's directory"):
        check(tree, (Path("docs"),))


def test_a_fault_costs_less_than_a_second_and_200_megabytes(tree, service):
    (service / "service.yaml").write_bytes(b"name: " + b"x" * 1_000_000)
    (service / "requests.jsonl").write_bytes(b"[" * 1_000_000)
    (tree / "model_services" / "onnx" / "service.yaml").write_bytes(b"a: " + b"[" * 200_000)
    before = {path: path.stat().st_mtime_ns for path in (tree / "model_services").rglob("*")}
    # The peak of this program alone: what `getrusage` tells of a child includes the process it was forked from.
    script = """
import re, sys
from pathlib import Path
from liftlock.cli import run
code = run(["check"])
print(code, re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], cwd=tree, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 2  # of which a second at most is the interpreter's start on a busy machine
    code, kilobytes = map(int, done.stdout.split())
    assert code == 2
    assert len(done.stderr.splitlines()) == 4, done.stderr
    assert kilobytes < 200 * 1024
    assert {path: path.stat().st_mtime_ns for path in (tree / "model_services").rglob("*")} == before
