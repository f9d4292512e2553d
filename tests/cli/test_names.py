"""Names and files typed at the command line: refused in one line with the nearest that exists, nothing written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from liftlock import cli
from liftlock.cli.names import known
from liftlock.errors import LiftlockError
from tests.check.conftest import make_tree

_AUTHOR = ("-c", "user.name=tester", "-c", "user.email=tester@localhost")
NO_SERVICE = "NAME: a service of this checkout is wanted, not "


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", root, *_AUTHOR, *arguments], check=True, capture_output=True)


def state(root: Path) -> list[str]:
    """Every path below `root` that is not git's own."""
    return sorted(str(path) for path in root.rglob("*") if ".git" not in path.relative_to(root).parts)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    root = make_tree(tmp_path_factory.mktemp("names") / "checkout", ("onnx", "xgboost"))
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=first")
    return root


def refusal(arguments, capsys):
    """The exit code of a command that writes nothing to standard output, and its words."""
    code = cli.run(arguments)
    said = capsys.readouterr()
    assert said.out == ""
    return code, said.err.splitlines()


@pytest.mark.parametrize("name", ["../onnx", "/etc", "-x", "ONNX", "оnnx", "x" * 400, "a\nb", ".", ""])
@pytest.mark.parametrize(
    "command",
    [
        ["train"],
        ["release"],
        ["promote", "--to", "dev"],
        ["rollback", "--in", "dev"],
        ["status"],
        ["ledger", "show"],
        ["loadtest", "--in", "dev"],
    ],
)
def test_a_name_that_is_no_service_never_becomes_a_path(checkout, monkeypatch, capsys, command, name):
    monkeypatch.chdir(checkout)
    before = state(checkout.parent)
    code, lines = refusal([*command, "--", name], capsys)
    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith(NO_SERVICE)
    assert len(lines[0]) < 300
    assert state(checkout.parent) == before


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "xgbost"], NO_SERVICE + "'xgbost'; did you mean xgboost?"),
        (["status", "nowhere"], NO_SERVICE + "'nowhere'; there are onnx, xgboost"),
        (["promote", "onnx", "--to", "../dev"], "--to: an environment of this checkout is wanted, not '../dev'"),
        (["promote", "onnx", "--to", "prod"], "there is dev"),
        (["rollback", "onnx", "--in", "dv"], "did you mean dev?"),
        (["loadtest", "onnx", "--in", "nowhere"], "--in: an environment of this checkout is wanted, not 'nowhere'"),
        (["gate", "judge", "x.csv", "--service", "../onnx"], "--service: a service of this checkout is wanted"),
        (["gate", "judge", "x.csv"], "x.csv:0:0: samples: No such file or directory"),
        (["gate", "judge", "."], "this is a directory"),
        (["promote", "onnx"], "liftlock promote: Missing option '--to'; see `liftlock promote --help`"),
        (["promote", "-x"], "liftlock promote: No such option: -x; see `liftlock promote --help`"),
        (["rollback"], "liftlock rollback: Missing argument 'name'"),
        (["local", "upp"], "liftlock local: No such command 'upp'"),
        (["preview", "--base", "nope"], "--base nope: no such commit here"),
        (["render", "--runtime", "nope"], "--runtime nope: no such stack"),
        (["local", "status"], "the local site is not up: run `liftlock local up`"),
    ],
)
def test_what_does_not_exist_is_told_in_one_line(checkout, monkeypatch, capsys, arguments, expected):
    monkeypatch.chdir(checkout)
    before = state(checkout.parent)
    code, lines = refusal(arguments, capsys)
    assert code == (4 if arguments[0] == "local" and arguments[1] == "status" else 2)
    assert len(lines) == 1
    assert expected in lines[0]
    assert state(checkout.parent) == before


@pytest.mark.parametrize("group", ["gate", "local", "ledger"])
def test_a_group_without_a_command_shows_its_help(capsys, group):
    assert cli.run([group]) == 2
    assert f"liftlock {group}" in capsys.readouterr().out


def test_a_service_without_releases_or_decisions_is_no_error(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    assert cli.run(["status", "onnx"]) == 0
    assert "onnx is not released yet" in capsys.readouterr().out
    assert cli.run(["ledger", "show", "onnx"]) == 0
    assert capsys.readouterr().out == "onnx: nothing was decided about it yet\n"
    assert cli.run(["ledger", "show", "onnx", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


_COMMANDS = [
    ["train", "onnx"],
    ["release", "onnx"],
    ["promote", "onnx", "--to", "dev"],
    ["rollback", "onnx", "--in", "dev"],
    ["status"],
    ["board"],
    ["ledger", "verify"],
    ["ledger", "show", "onnx"],
    ["loadtest", "onnx", "--in", "dev"],
    ["local", "up"],
    ["check"],
    ["render"],
    ["preview"],
    ["new", "x", "--format", "onnx"],
]


@pytest.mark.parametrize("arguments", _COMMANDS, ids=" ".join)
@pytest.mark.parametrize("place", ["no checkout", "no commit"])
def test_where_there_is_nothing_to_work_on_every_command_says_so(tmp_path, monkeypatch, capsys, place, arguments):
    if place == "no commit":
        git(tmp_path, "init", "--quiet", "--initial-branch=main")
    monkeypatch.chdir(tmp_path)
    code, lines = refusal(arguments, capsys)
    assert code in (2, 4)
    assert len(lines) == 1
    assert state(tmp_path) == []


@pytest.mark.parametrize("arguments", _COMMANDS[2:9], ids=" ".join)
def test_a_checkout_without_environments_is_told_what_it_lacks(tmp_path, monkeypatch, capsys, arguments):
    root = make_tree(tmp_path, ("onnx",))
    (root / "environments" / "dev" / "environment.yaml").unlink()
    git(root, "init", "--quiet", "--initial-branch=main")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=first")
    monkeypatch.chdir(root)
    code = cli.run(arguments)
    said = capsys.readouterr()
    assert code in (0, 2, 3, 4)
    assert said.err.count("\n") == (code != 0)


def test_a_detached_head_is_read_like_any_other(checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    git(checkout, "checkout", "--quiet", "--detach")
    assert cli.run(["status"]) == 0
    assert "nothing is released yet" in capsys.readouterr().out
    git(checkout, "checkout", "--quiet", "main")


def test_many_names_are_not_all_listed():
    with pytest.raises(LiftlockError, match=r"there are s0, .* and 992 more$"):
        known("NAME", "a service", "zzz", [f"s{number}" for number in range(1000)])
