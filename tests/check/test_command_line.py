"""The command line's own behaviour: exit codes, one line per problem, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from liftlock import cli

from .conftest import make_tree


@pytest.fixture
def at(tree, monkeypatch):
    """In a checkout that passes check."""
    monkeypatch.chdir(tree)
    return tree


def test_a_checkout_in_order_passes_and_says_how_much_was_looked_at(at, capsys):
    assert cli.run(["check"]) == 0
    assert capsys.readouterr().out.startswith("checked 2 services (2 read, 6 files parsed); services 2")


def test_problems_go_to_standard_error_one_a_line_and_end_in_2(at, capsys):
    (at / "model_services" / "onnx" / "service.yaml").write_text("name: NO\n")
    assert cli.run(["check"]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "model_services/onnx/service.yaml:1:7: name: text; YAML readers disagree about NO" in output.err
    assert all(line.count(":") >= 4 for line in output.err.splitlines())


def test_json_tells_programs_the_same(at, capsys):
    (at / "model_services" / "onnx" / "train.py").unlink()
    assert cli.run(["check", "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert report["problems"][0]["file"] == "model_services/onnx/train.py"
    assert (report["ok"], report["services"], report["services_parsed"]) == (False, 2, ["onnx", "xgboost"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["chekc"], "no command 'chekc'; did you mean check?"),
        (["check", "--jsn"], "--jsn"),
        (["new"], "Missing argument"),
        (["new", "../x", "--format", "onnx"], "model_services:0:0: name: 1 to 44 lower-case"),
        (["new", "x", "--format", "pickle"], "--format: one of sklearn"),
        (["new", "onnx", "--format", "onnx"], "a new name; this service exists already"),
        (["new", "x", "--format", "onnx", "--owner", "A B"], "owner: a team"),
        (["check", "docs"], "docs: a service's directory"),
    ],
)
def test_wrong_use_is_told_and_ends_in_2(at, capsys, arguments, expected):
    before = sorted(at.rglob("*"))
    assert cli.run(arguments) == 2
    assert expected in capsys.readouterr().err
    assert sorted(path for path in at.rglob("*") if ".liftlock" not in path.parts) == before


def test_outside_a_checkout_check_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["check"]) == 2
    assert "no model_services/ here or above" in capsys.readouterr().err


def test_new_makes_a_service_that_passes(at, capsys):
    assert cli.run(["new", "churn", "--format", "lightgbm", "--owner", "growth"]) == 0
    assert cli.run(["new", "both", "--format", "ensemble", "--services", "onnx,churn"]) == 0
    assert cli.run(["check"]) == 0
    assert "checked 4 services" in capsys.readouterr().out


def test_a_bug_is_one_line_with_a_log(at, capsys, monkeypatch):
    monkeypatch.setattr("liftlock.check.report.check", lambda *_: 1 / 0)
    assert cli.run(["check"]) == cli.BUG
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    log = error.split("log: ")[1].split(";")[0]
    assert "ZeroDivisionError" in Path(log).read_text()
    Path(log).unlink()


def test_a_bug_shows_itself_to_those_who_look_for_it(at, capsys, monkeypatch):
    monkeypatch.setenv("LIFTLOCK_DEBUG", "1")
    monkeypatch.setattr("liftlock.check.report.check", lambda *_: 1 / 0)
    assert cli.run(["check"]) == cli.BUG
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupt_is_quiet_and_130(at, capsys, monkeypatch, error):
    def interrupted(*_):
        raise error

    monkeypatch.setattr("liftlock.check.report.check", interrupted)
    assert cli.run(["check"]) == 130
    assert capsys.readouterr().err.strip() == ""


def test_help_lists_every_command_and_imports_none(capsys):
    script = (
        "import sys, liftlock.cli as c; c.run(['--help']); sys.exit(bool({'typer', 'pydantic'} & set(sys.modules)))"
    )
    started = time.monotonic()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0
    assert all(f"  {name} " in done.stdout for name in cli.COMMANDS)
    assert time.monotonic() - started < 2


def test_a_reader_that_leaves_early_is_no_error(tmp_path):
    tree = make_tree(tmp_path / "checkout", ("onnx",))
    python = f"{sys.executable} -c 'from liftlock.cli import main; main([\"schema\"])'"
    script = f"cd {tree} && {python} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


def test_the_schema_is_printed_and_written(at, capsys):
    assert cli.run(["schema", "features"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Liftlock feature schema"
    (at / "docs" / "schema" / "service.json").unlink()
    assert cli.run(["check"]) == 2
    assert cli.run(["schema", "--write"]) == 0
    assert cli.run(["check"]) == 0
