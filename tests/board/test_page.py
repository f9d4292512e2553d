"""What the page says of every state, and how it is written."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from liftlock.board.board import Board
from liftlock.board.page import render_board
from liftlock.board.words import state_of
from liftlock.errors import GateFailed, Inconclusive, Problem
from liftlock.promote.rollback import Rollback
from liftlock.promote.site import Convergence
from tests.company import ENVIRONMENTS
from tests.promote.doubles import InstantSite

from .builders import A_MOMENT, Killed, a_story, crowded, found

_VOID = {"meta", "link", "input"}
ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&"


class Page(HTMLParser):
    """A page read strictly: every element closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def having(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def page_of(board: Board, **options) -> Page:
    return Page(render_board(board, **options))


def test_nothing_released_says_what_to_do_first(firm):
    page = page_of(firm.board())
    assert "Nothing is released yet: `liftlock train NAME`" in page.text
    assert "Nothing was judged yet." in page.text
    assert "nothing to prove" in page.text


def test_one_environment_is_a_page_too(tmp_path):
    firm = found(tmp_path, {"dev": ENVIRONMENTS["dev"]})
    firm.cut("1")
    firm.promote("dev")
    assert (
        "1 service; all serve dev, every user on a verified release. Nothing needs anybody."
        in page_of(firm.board()).text
    )


def test_a_first_release_in_dev_leaves_prod_without_users(firm):
    firm.cut("1")
    page = page_of(firm.board())
    assert "1 service; none of them has users in prod." in page.text
    assert "waits without users" in page.text


def test_a_rollout_under_way_shows_both_shares(firm):
    firm.cut("1")
    firm.promote("prod")
    firm.cut("2")
    with pytest.raises(Killed):
        firm.promote("prod", live_errors=None)
    board = firm.board()
    page = page_of(board)
    assert "in prod, 20 % of the users of sums have a release that is still being judged" in page.text
    assert "got 20 % of users in prod less than a minute ago and is still being judged" in page.text
    bars = [(one["class"], one["width"]) for tag, one in page.tags if tag == "rect" and one["class"] in ("new", "rest")]
    assert bars == [("new", "20"), ("rest", "80")]
    assert state_of(board)[0] == "inconclusive"


def test_a_failed_release_is_told_with_its_reason_and_the_way_to_its_gate(eventful):
    page = page_of(eventful)
    assert "failed in prod on users' traffic and was taken back from 20 % of them" in page.text
    assert "50 % of requests failed" in page.text
    assert "was stopped in staging by its gate, before any user had it" in page.text
    assert "times the baseline's" in page.text
    assert state_of(eventful)[0] == "fail"


def test_a_pass_is_told_with_the_number_of_its_questions(eventful):
    most = max(len(gate.judgement.findings) for gate in eventful.gates)
    text = page_of(eventful).text
    assert f"{most} questions put, all passed" in text
    assert f"All {most} questions passed." in text


def test_every_link_in_the_page_leads_somewhere(eventful):
    page = page_of(eventful, story=a_story())
    ids = page.having("id")
    assert len(ids) == len(set(ids))
    links = [link for link in page.having("href") if link.startswith("#")]
    assert len(links) > 20
    assert {link[1:] for link in links} <= set(ids)


def test_headings_go_down_one_level_at_a_time(eventful):
    levels = [int(tag[1]) for tag, _ in page_of(eventful, story=a_story()).tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_an_inconclusive_gate_says_what_is_not_known(firm):
    firm.cut("1")
    with pytest.raises(Inconclusive):
        firm.promote("dev", requests=60)
    page = page_of(firm.board())
    assert "waits in dev: its gate could not decide" in page.text
    assert "Not known well enough" in page.text
    assert "fewer than" in page.text


def test_a_release_that_never_answered_has_a_gate_without_numbers(firm):
    class Unready(InstantSite):
        def converge(self, commit, environment, service):
            return Convergence(dict.fromkeys(_running(firm), "no such table"))

    firm.cut("1")
    with pytest.raises(GateFailed):
        firm.promote("dev", site=Unready())
    assert "Nothing was measured: never became ready: no such table" in page_of(firm.board()).text


def _running(firm) -> list[str]:
    return [row.revision for place in firm.board().places.values() for row in place.rows]


def test_a_rollback_by_a_person_names_them(firm):
    for mark in "12":
        firm.cut(mark)
        firm.promote("dev")
    Rollback(firm.repository, InstantSite(), "Kim", lambda _: None).roll_back("sums", "dev", why="the pager")
    page = page_of(firm.board())
    assert "was rolled back in dev by Kim" in page.text
    assert "Kim: again," in page.text


def test_missing_samples_are_said_where_the_plot_would_be(firm):
    firm.cut("1")
    firm.promote("dev")
    for path in (firm.store.root / "sha256").rglob("*"):
        if path.is_file():
            path.unlink()
    page = page_of(firm.board())
    assert "No distribution can be drawn from the recorded samples: they are not in the store" in page.text
    assert "p99" in page.text


def test_what_people_wrote_is_text_and_nothing_else(tmp_path):
    firm = found(tmp_path, by=ATTACK)
    for mark in "12":
        firm.cut(mark)
        firm.promote("prod", approval=ATTACK)
    Rollback(firm.repository, InstantSite(), ATTACK, lambda _: None).roll_back("sums", "prod", why=ATTACK)
    story = a_story(title=ATTACK, mark_s=((6.0, ATTACK),))
    story = replace(story, steps=(replace(story.steps[0], title=ATTACK, outcome=ATTACK, lines=(ATTACK,)),))
    page = page_of(firm.board(), story=story)
    assert page.text.count("<script>alert(1)</script>") > 8
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_a_service_by_any_name_is_escaped(eventful):
    [timeline] = eventful.timelines.values()
    strange = {
        (name, ATTACK): replace(place, service=ATTACK) for (name, _), place in eventful.places.items()
    }  # no spec allows it; a page must not rely on that
    page = page_of(replace(eventful, places=strange, timelines={ATTACK: timeline}))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in [tag for tag, _ in page.tags]


def test_the_page_allows_no_script_and_no_style_but_its_own(eventful):
    text = render_board(eventful, a_story())
    policy = next(one["content"] for tag, one in Page(text).tags if "http-equiv" in one)
    for element in ("script", "style"):
        [inside] = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "style=" not in re.sub(r"<(style|script)>.*?</\1>", "", text, flags=re.DOTALL)


def test_the_page_refers_to_nothing_outside_itself(eventful):
    page = page_of(eventful, story=a_story())
    outside = [link for name in ("href", "src", "data", "action") for link in page.having(name)]
    assert all(link.startswith("#") or link == "data:," for link in outside)


def test_the_same_board_is_the_same_page(eventful):
    assert render_board(eventful, a_story()) == render_board(replace(eventful), a_story())


def test_times_are_utc_and_told_from_when_the_page_was_made(eventful):
    entry = eventful.attention[0].decision.entry
    later = replace(eventful, at=A_MOMENT.replace(year=A_MOMENT.year + 1))
    text = page_of(later).text
    assert f"As of {A_MOMENT.year + 1}-11-21 12:00:00 UTC" in text
    assert "days ago" in text or entry.at[:4] == str(A_MOMENT.year + 1)


def test_evidence_that_does_not_hold_is_said_first(eventful):
    problem = Problem("environments/ledger/sums.jsonl", 3, 1, "hash", "the hash of this very line")
    broken = replace(eventful, proof=replace(eventful.proof, problems=(problem,)))
    assert state_of(broken)[1].startswith("The evidence does not hold: 1 problem.")
    assert "environments/ledger/sums.jsonl:3:1: hash" in page_of(broken).text


def test_a_story_is_told_step_by_step_with_what_went_wrong(eventful):
    text = page_of(eventful, story=a_story()).text
    assert "1 of 2 steps went as they should, in 12 s." in text
    assert "Not as it should be: it was <stopped> in dev" in text


def test_what_users_saw_is_counted_by_revision(eventful):
    story = a_story()
    page = page_of(eventful, story=story)
    failed = sum(one.status != 200 for one in story.users)
    assert f"{failed} of 400 requests failed" in page.text
    for revision in ("sums-8e21e63f", "sums-166e65b2", "no answer"):
        assert revision in page.text


def test_a_story_without_users_or_marks_has_no_such_part(eventful):
    assert "What users saw" not in page_of(eventful, story=a_story(users=(), mark_s=())).text
    assert "What users saw" in page_of(eventful, story=a_story(mark_s=())).text


def test_two_hundred_services_stay_small_and_can_be_searched(eventful):
    board = crowded(eventful, 200)
    text = render_board(board)
    assert len(text.encode()) < 2_000_000
    page = Page(text)
    assert page.having("data-service").count("service-123") == 2
    assert "Find a service" in page.text
    assert "older ones: liftlock ledger show service-123" in page.text
