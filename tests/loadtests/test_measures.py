"""What a run says of itself: resolution, facts, the clock, the page."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from liftlock.board.plots import linear_scale, log_scale_s
from loadtests import vitals
from loadtests.facts import quantile
from loadtests.plan import Plan
from loadtests.priority import real_time
from loadtests.profiles import PROFILES
from loadtests.recording import Recording
from loadtests.report import report_page
from loadtests.resolution import bucket_ms
from loadtests.schedule import arrivals
from tests.loadtests.conftest import plan


def test_response_times_keep_three_digits_at_every_size():
    draw = random.Random(1)
    for _ in range(5000):
        value = 10 ** draw.uniform(-3, 6)
        assert bucket_ms(value) == pytest.approx(value, rel=0.0005)


def test_buckets_are_few_and_in_order():
    values = [1 + n / 1000 for n in range(9000)]
    buckets = [bucket_ms(value) for value in values]
    assert buckets == sorted(buckets)
    assert len(set(buckets)) < 4 * 1024
    assert bucket_ms(0) == 0


@pytest.mark.parametrize(("value", "share"), [(1, 0.0), (1, 0.25), (2, 0.26), (3, 0.75), (4, 0.99), (4, 1.0)])
def test_a_quantile_is_an_observed_value(value: int, share: float):
    assert value == quantile([1, 2, 3, 4], share)


@pytest.mark.parametrize("step_s", [3600.0, -3600.0])
def test_a_stepped_clock_is_noted_and_a_slewed_one_is_not(step_s: float, monkeypatch: pytest.MonkeyPatch):
    moved = 0.0
    real = vitals.time
    monkeypatch.setattr(vitals, "time", lambda: real() + moved)
    watch = vitals.Vitals()
    moved = 0.0005
    watch.tick()
    assert watch.clock_steps == []
    moved = step_s
    watch.tick()
    watch.tick()
    (step,) = watch.clock_steps
    assert step["by_s"] == pytest.approx(step_s, abs=0.01)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_inverts_its_own_area(name: str):
    profile = PROFILES[name]
    shares = [n / 97 for n in range(98)]
    found = profile.share_at([profile.area(share) for share in shares])
    assert found == pytest.approx(shares, abs=1e-9)


def test_scales_have_round_ticks_that_hold_the_values():
    assert [label for _, label in linear_scale(0, 47).ticks] == ["0", "10", "20", "30", "40"]
    scale = log_scale_s([0.0004, 0.7])
    assert [label for _, label in scale.ticks] == ["100 µs", "1 ms", "10 ms", "100 ms", "1 s"]
    assert scale.place(0.01) == pytest.approx(0.5)


def _recording(directory: Path, **changes: Any) -> tuple[Plan, Recording]:
    """Two arms, the candidate failing one request in ten."""
    arms = [{"name": name, "url": "http://127.0.0.1:1"} for name in ("baseline", "candidate")]
    content = plan("", directory, arms=arms, **changes)
    made = Plan.model_validate(content)
    recording = Recording(arrivals(made, 1), made.arms)
    for number, arrival in enumerate(recording.arrivals):
        failed = arrival.arm == 1 and number % 10 == 1
        recording.sent_s[number] = arrival.at_s + 1e-5
        recording.latency_s[number] = 0.001 + (number * 7919 % 100) / 5000
        recording.kinds[number] = "status 503 <busy>" if failed else ""
        recording.revisions[number] = "m,1"
    return made, recording


FACTS: dict[str, object] = {"started": "2026-11-21T10:00:00", "seconds": 2.0, "stopped": ""}


def test_samples_are_written_to_their_last_digit(tmp_path: Path):
    _, recording = _recording(tmp_path)
    recording.write_samples(tmp_path / "samples.csv")
    header, *rows = (tmp_path / "samples.csv").read_text().splitlines()
    assert header == "arm,intended_start_s,latency_s,ok,kind,revision"
    for row, sample in zip(rows, recording.samples(), strict=True):
        arm, start, latency, ok, _, revision = row.split(",")
        assert (arm, float(start), float(latency)) == (sample.arm, sample.intended_start_s, sample.latency_s)
        assert (ok == "1", revision) == (sample.ok, "m 1")


def test_the_page_needs_nothing_but_itself_and_escapes_what_it_shows(tmp_path: Path):
    page = report_page(*_recording(tmp_path, service="<churn>"), FACTS)
    assert "Load test of &lt;churn&gt;" in page
    assert "status 503 &lt;busy&gt;" in page
    assert not any(word in page for word in ("<script", "http://", "https://", "nan", "inf,"))


def test_an_empty_run_has_a_page_too(tmp_path: Path):
    assert "none" in report_page(*_recording(tmp_path, requests=0, warmup=0), FACTS)


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_fits_its_window_and_its_text_can_be_read(width: int, scheme: Any, tmp_path: Path):
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("Chromium is not installed")
    path = tmp_path / "report.html"
    path.write_text(report_page(*_recording(tmp_path), FACTS), encoding="utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        faults: list[str] = []
        page.on("console", lambda message: faults.append(message.text))
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.locator("svg").count() == 4
        heights = page.evaluate("[...document.querySelectorAll('svg text')].map(t => t.getBoundingClientRect().height)")
        assert min(heights) >= 9
        boxes = page.evaluate(
            "[...document.querySelectorAll('svg')].every(s => [...s.querySelectorAll('text')].every(t => {"
            "const a = t.getBoundingClientRect(), b = s.getBoundingClientRect();"
            "return a.left >= b.left - 1 && a.right <= b.right + 1 && a.bottom <= b.bottom + 1}))"
        )
        assert boxes
        assert faults == []
        browser.close()


def test_facts_are_json_a_gate_can_read(tmp_path: Path):
    assert orjson.loads(orjson.dumps(_recording(tmp_path)[1].counts(1)))["errors"].keys() == {"status 503 <busy>"}


def test_real_time_is_given_back_and_never_insisted_on(monkeypatch: pytest.MonkeyPatch):
    before = os.sched_getscheduler(0)
    with real_time() as granted:
        assert os.sched_getscheduler(0) == (os.SCHED_RR if granted else before)
    assert os.sched_getscheduler(0) == before

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with real_time() as granted:
        assert not granted
