"""The page as a person meets it: in Chromium, at a desk and on a phone, by day and by night."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from liftlock.board.page import render_board
from liftlock.errors import Inconclusive

from .builders import a_story, crowded

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = Path("/usr/bin/chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESK, PHONE = 1280, 390
OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true })"
# Text whose contrast with what is behind it is too low: (words, ratio). WCAG 2.2, 1.4.3.
LOW_CONTRAST = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1] };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.push(parse(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const light = (colour) => colour.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  let seen = 0;
  for (const element of document.querySelectorAll('body *')) {
    const words = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join('');
    if (!words || !element.getClientRects().length || ['SCRIPT', 'STYLE'].includes(element.tagName)) continue;
    const style = getComputedStyle(element), below = behind(element);
    const ink = over(parse(element instanceof SVGElement ? style.fill : style.color), below);
    const [a, b] = [light(ink), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    seen += 1;
    if (ratio < 4.5) found.push([words.slice(0, 40), ratio.toFixed(2)]);
  }
  return {seen, found};
}"""
# What is to be tapped and smaller than 24 px in a direction (WCAG 2.2, 2.5.8).
SMALL_TARGETS = """() => [...document.querySelectorAll('a:not(.skip), summary, input')]
  .filter(one => one.getClientRects().length)
  .map(one => [one.textContent.slice(0, 30), one.getBoundingClientRect()])
  .filter(([, box]) => box.height < 24 || box.width < 24).map(([words, box]) => [words, box.width, box.height])"""
# Text of a plot that leaves it, or is too small to be read.
UNREADABLE_PLOTS = """() => [...document.querySelectorAll('svg text')].filter(one => {
  const a = one.getBoundingClientRect(), b = one.ownerSVGElement.getBoundingClientRect();
  return a.height && (a.left < b.left - 1 || a.right > b.right + 1 || a.bottom > b.bottom + 1 || a.height < 9);
}).map(one => one.textContent)"""


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def file(eventful, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "board.html"
    path.write_text(render_board(eventful, a_story()), encoding="utf-8")
    return path


class Visit:
    """One page, and everything it asked for or complained about."""

    def __init__(self, browser, file: Path, width: int = DESK, scheme: str = "light", address: str = "") -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(file.as_uri() + address)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_) -> None:
        self.page.close()


EVERY = [(width, scheme) for width in (DESK, PHONE) for scheme in ("light", "dark")]


@pytest.mark.parametrize(("width", "scheme"), EVERY)
def test_it_fits_its_window_and_asks_for_nothing(browser, file, width, scheme):
    with Visit(browser, file, width, scheme) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert visit.page.evaluate("document.documentElement.scrollWidth") == width
        assert visit.complaints == []
        assert [url for url in visit.asked if not url.startswith("data:")] == [file.as_uri()]


@pytest.mark.parametrize(("width", "scheme"), EVERY)
def test_all_text_stands_out_from_what_is_behind_it(browser, file, width, scheme):
    with Visit(browser, file, width, scheme) as visit:
        visit.page.evaluate(OPEN_ALL)
        answer = visit.page.evaluate(LOW_CONTRAST)
        assert answer["seen"] > 300
        assert answer["found"] == []


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_fingers_and_eyes_find_what_they_need(browser, file, width):
    with Visit(browser, file, width) as visit:
        visit.page.evaluate(OPEN_ALL)
        assert visit.page.evaluate(SMALL_TARGETS) == []
        assert visit.page.locator("figure svg").count() > 5
        assert visit.page.evaluate(UNREADABLE_PLOTS) == []


def test_the_whole_of_every_number_is_seen_on_a_phone(browser, file):
    with Visit(browser, file, PHONE) as visit:
        visit.page.evaluate(OPEN_ALL)
        hidden = "[...document.querySelectorAll('.wide')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
        assert visit.page.evaluate(hidden) == 0


def test_the_keyboard_skips_to_what_runs_where(browser, file):
    with Visit(browser, file) as visit:
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.className") == "skip"
        assert visit.page.locator(".skip").bounding_box()["x"] >= 0
        visit.page.keyboard.press("Enter")
        visit.page.keyboard.press("Tab")
        assert visit.page.evaluate("document.activeElement.closest('section').id") == "runs"


def test_a_gate_opens_and_closes_by_the_keyboard(browser, file):
    with Visit(browser, file) as visit:
        gate = visit.page.locator("details.gate:not([open])").first
        name = gate.get_attribute("id")
        gate.locator("summary").first.focus()
        visit.page.keyboard.press("Enter")
        assert visit.page.locator(f"#{name}").evaluate("one => one.open")


def test_a_link_to_a_folded_gate_opens_it(browser, file):
    with Visit(browser, file) as visit:
        folded = visit.page.locator("details.gate:not([open])").first.get_attribute("id")
        visit.page.locator(f'a[href="#{folded}"]').first.click()
        visit.page.wait_for_function("name => document.getElementById(name).open", arg=folded)
    with Visit(browser, file, address=f"#{folded}") as visit:
        assert visit.page.locator(f"#{folded}").evaluate("one => one.open")


def test_an_old_page_says_so_and_a_fresh_one_does_not(browser, file, eventful):
    for hours, hidden in ((0, True), (5, False)):
        page = browser.new_page()
        page.clock.set_fixed_time(eventful.at + timedelta(hours=hours))
        page.goto(file.as_uri())
        assert page.locator("#old").is_hidden() == hidden
        assert ("made 5 h ago" in page.locator("#old").inner_text()) != hidden
        page.close()


def test_many_services_are_found_by_name(browser, eventful, tmp_path):
    path = tmp_path / "crowded.html"
    path.write_text(render_board(crowded(eventful, 30)), encoding="utf-8")
    with Visit(browser, path, PHONE) as visit:
        rows = visit.page.locator("tr[data-service]")
        assert rows.count() == 30
        visit.page.get_by_label("Find a service").fill("ervice-02")
        assert sum(row.is_visible() for row in rows.all()) == 10
        assert visit.page.evaluate("document.documentElement.scrollWidth") == PHONE


def test_printing_opens_what_is_folded(browser, file, tmp_path):
    with Visit(browser, file) as visit:
        assert visit.page.locator("details:not([open])").count() > 0
        visit.page.pdf(path=str(tmp_path / "board.pdf"))
        assert visit.page.locator("details:not([open])").count() == 0
        assert (tmp_path / "board.pdf").read_bytes().startswith(b"%PDF")


def test_nothing_covers_or_leaves_its_neighbour_whatever_the_verdict(browser, firm, tmp_path):
    firm.cut("1")
    with pytest.raises(Inconclusive):
        firm.promote("dev", requests=60)
    path = tmp_path / "board.html"
    path.write_text(render_board(firm.board()), encoding="utf-8")
    spilled = """[...document.querySelectorAll('summary > *, .finding > *, .decision > *, .matrix td *')]
      .filter(one => one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== 'inline')
      .map(one => one.textContent)"""
    for width in (DESK, PHONE):
        with Visit(browser, path, width) as visit:
            assert visit.page.locator(".badge.inconclusive").count() > 2
            assert visit.page.evaluate(spilled) == []
