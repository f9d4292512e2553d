"""`liftlock board`."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftlock.cli import run

from .builders import found


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    firm = found(tmp_path)
    firm.cut("1")
    firm.promote("dev")
    monkeypatch.chdir(firm.repository.root)
    return firm.repository.root


def test_it_writes_the_page_and_says_where(here, capsys):
    assert run(["board"]) == 0
    said = Path(capsys.readouterr().out.strip())
    assert said == here / ".liftlock" / "board.html"
    assert "sums in dev" in said.read_text(encoding="utf-8")


def test_it_writes_where_it_is_told_in_folders_that_are_not_there_yet(here, tmp_path):
    out = tmp_path / "pages" / "board.html"
    assert run(["board", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_is_one_line_and_exit_two(here, capsys):
    (here / "taken").write_text("")
    assert run(["board", "--out", "taken/board.html"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_outside_a_checkout_it_says_where_to_be(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run(["board"]) == 2
    assert "not a git checkout" in capsys.readouterr().err
