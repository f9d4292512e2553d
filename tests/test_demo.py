"""The demo, as a newcomer runs it, and its report, as a person opens it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from liftlock.repository import run_git

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = [pytest.mark.alone, pytest.mark.timeout(500)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A clone in which the demo was run: the clone, and what it said."""
    clone = tmp_path_factory.mktemp("demo") / "clone"
    run_git(ROOT, "clone", "-q", str(ROOT), str(clone))
    env = {key: value for key, value in os.environ.items() if not key.startswith("LIFTLOCK_")}
    command = [str(ROOT / ".venv" / "bin" / "liftlock"), "demo"]
    done = subprocess.run(command, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return clone, done.stdout


def test_every_step_is_as_it_should_be(told):
    _, said = told
    assert "NOT AS IT SHOULD BE" not in said
    assert f"{said.count('as it should be')} steps in" in said.splitlines()[-1]


def test_the_checkout_stays_clean(told):
    clone, _ = told
    assert run_git(clone, "status", "--porcelain") == b""
    assert run_git(clone, "rev-list", "--count", "origin/HEAD..HEAD").strip() == b"0"


def test_nothing_is_left_running(told):
    clone, _ = told
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if _mentions(path, str(clone))]
    assert left == []


def _mentions(path: Path, words: str) -> bool:
    try:
        return words.encode() in path.read_bytes()
    except OSError:
        return False


def test_every_promotion_and_rollback_is_a_commit_in_the_scratch_clone(told):
    clone, _ = told
    log = run_git(clone / ".liftlock" / "demo" / "clone", "log", "--format=%s", "origin/main").decode()
    for words in ("prod: churn-", "100 % of users", "gate failed, taken back", "5 % of users"):
        assert words in log


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_report_is_whole_and_readable_in_a_browser(told, width, scheme):
    clone, said = told
    report = Path(said.strip().splitlines()[-1].partition("report: ")[2])
    assert report.is_relative_to(clone.resolve())
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        faults, asked = [], []
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(report.as_uri())
        assert faults == []
        assert asked == [report.as_uri()]
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        text = page.inner_text("body")
        for words in ("churn", "staging", "prod", "rolled back", "p99"):
            assert words in text
        browser.close()
