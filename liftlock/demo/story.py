"""The story: promoted, stopped by a gate, stopped by users' traffic and rolled back. Each step says what it expects."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from liftlock import paths
from liftlock.board.story import Step, Story, UserRequest
from liftlock.demo.releases import HANDLER, SERVICE, SLOWDOWN, brittle, slower, user_bodies
from liftlock.demo.scratch import Scratch, make_scratch
from liftlock.demo.users import Users
from liftlock.environment import load_ladder
from liftlock.errors import ExitCode, LiftlockError
from liftlock.ledger import Action, Entry, parse
from liftlock.release import OWN_FORMATS
from liftlock.spec.read import load_spec

APPROVAL = "demo: the story needs it"
# Users of prod, in requests a second.
USER_RATE = 100.0
PROD = "prod"
MEDIAN = 0.5
# The gate's name for its comparison of the latencies' bodies.
BODY = "slowdown"
# Between what the slow release has to measure to count as SLOWDOWN, and how often it is made before the last will do.
CLOSE, ATTEMPTS = (0.27, 0.4), 3


@dataclass
class Telling:
    """A story as it is told."""

    scratch: Scratch
    say: Callable[[str], None]
    handler: str  # the service's own, which every later release starts from
    began: float = field(default_factory=time.monotonic)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    steps: list[Step] = field(default_factory=list)
    marks: list[tuple[float, str]] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return time.monotonic() - self.began

    def step(self, title: str, expectation: str, act: Callable[[Callable[[str], None]], str]) -> None:
        """Do one step and keep what came of it: what `act` gives, or why it is not as told (LiftlockError)."""
        begin, lines = self.now_s, list[str]()
        self.say(f"[{begin:5.1f} s] {title}")

        def hear(line: str) -> None:
            lines.append(line)
            self.say(f"          {line}")

        try:
            outcome, ok = act(hear), True
        except LiftlockError as error:
            outcome, ok = str(error), False
        self.say(f"          {'as it should be' if ok else 'NOT AS IT SHOULD BE'}: {outcome}")
        self.steps.append(Step(title, expectation, outcome, self.now_s - begin, ok, tuple(lines)))

    def mark(self, words: str) -> None:
        """Note the moment something happened, for the picture of what users saw."""
        self.marks.append((self.now_s, words))

    def entries(self) -> tuple[Entry, ...]:
        """The ledger of the story's service as it stands."""
        return parse(self.scratch.repository.head().read(paths.ledger(SERVICE)))


@dataclass(frozen=True)
class Told:
    """How it went, and the story for the page."""

    scratch: Scratch
    story: Story
    ok: bool


def tell(checkout: Path, say: Callable[[str], None]) -> Told:
    """Tell the whole story in a scratch clone of the checkout. Raises LiftlockError where it cannot begin."""
    scratch = make_scratch(checkout)
    telling = Telling(scratch, say, (scratch.root / HANDLER).read_text())
    services = _services(telling.scratch.root)
    telling.step(
        f"train and register {len(services)} services",
        "every model reaches its bound and is stored by its content",
        lambda hear: _train(telling, services, hear),
    )
    telling.step(
        "cut a release of each",
        "each runs dark in dev; support-llm is declared, and refused here for want of a GPU",
        lambda hear: _release_all(telling, services, hear),
    )
    telling.step(
        f"promote {SERVICE} through dev, staging and prod",
        "each environment's load test passes it, and all users of prod have it",
        lambda hear: _promote_first(telling, hear),
    )
    telling.step(
        f"promote a release that is {SLOWDOWN:.0%} slower",
        "the staging gate stops it, and prod never hears of it",
        lambda hear: _promote_slower(telling, hear),
    )
    seen = _brittle_with_users(telling)
    telling.step(
        "prove the evidence",
        "git alone shows that everything in prod passed in staging",
        lambda hear: _expect(telling.scratch, ("ledger", "verify"), ExitCode.DONE, hear),
    )
    telling.step("look at what runs where", "status says why", lambda hear: _status(telling, hear))
    story = Story(
        title="Liftlock demo",
        started=telling.started.isoformat(timespec="seconds"),
        seconds=telling.now_s,
        steps=tuple(telling.steps),
        users=tuple(seen),
        mark_s=tuple(telling.marks),
    )
    return Told(telling.scratch, story, all(step.ok for step in telling.steps))


def _services(root: Path) -> tuple[str, ...]:
    """Every service of the checkout, by name."""
    return tuple(sorted(path.parent.name for path in (root / paths.SERVICES).glob("*/service.yaml")))


def _expect(scratch: Scratch, arguments: Sequence[str], code: int, hear: Callable[[str], None]) -> str:
    """Run a command that should end in `code`; its last line. Raises LiftlockError where it does not."""
    last = [""]

    def listen(line: str) -> None:
        last.append(line)
        hear(line)

    ended = scratch.liftlock(*arguments, say=listen)
    if ended != code:
        raise LiftlockError(f"liftlock {' '.join(arguments)}: exit code {ended}, {code} was expected: {last[-1]}")
    return last[-1]


def _train(telling: Telling, services: tuple[str, ...], hear: Callable[[str], None]) -> str:
    """Train what is trained here, two at a time, and commit the registrations."""
    root = telling.scratch.root
    trained = [name for name in services if _is_trained_here(root, name)]
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(_expect, telling.scratch, ("train", name), 0, hear) for name in trained]
        for job in jobs:
            job.result()
    telling.scratch.commit(f"Register {', '.join(trained)}")
    return f"{len(trained)} models registered: {', '.join(trained)}"


def _is_trained_here(root: Path, name: str) -> bool:
    source = load_spec(root, name).model.source
    return source is not None and source.scheme == "train"


def _release_all(telling: Telling, services: tuple[str, ...], hear: Callable[[str], None]) -> str:
    for name in services:
        _expect(telling.scratch, ("release", name), ExitCode.DONE, hear)
    foreign = [name for name in services if load_spec(telling.scratch.root, name).model.format not in OWN_FORMATS]
    refused = [
        _expect(telling.scratch, ("promote", name, "--to", "dev"), ExitCode.UNREACHABLE, hear) for name in foreign
    ]
    return "; ".join((f"{len(services)} releases cut", *refused))


def _promote(telling: Telling, to: str, code: int, hear: Callable[[str], None]) -> str:
    return _expect(telling.scratch, ("promote", SERVICE, "--to", to, "--approve", APPROVAL), code, hear)


def _cut(telling: Telling, handler: str, message: str, hear: Callable[[str], None]) -> None:
    """Merge a change of the service's handler, and release it."""
    (telling.scratch.root / HANDLER).write_text(handler)
    telling.scratch.commit(f"{SERVICE}: {message}")
    _expect(telling.scratch, ("release", SERVICE), ExitCode.DONE, hear)


def _promote_first(telling: Telling, hear: Callable[[str], None]) -> str:
    return _promote(telling, PROD, ExitCode.DONE, hear)


def _promote_slower(telling: Telling, hear: Callable[[str], None]) -> str:
    """Make a release that dev itself measures as so much slower, then promote it."""
    extra_s = SLOWDOWN * _median_s(telling.entries())
    for attempt in range(ATTEMPTS):
        _cut(telling, slower(telling.handler, extra_s), "compare every customer with all others", hear)
        _promote(telling, "dev", ExitCode.DONE, hear)
        measured = _measured_slowdown(telling.entries())
        hear(f"dev measures it {measured:.0%} slower than the running release")
        if CLOSE[0] <= measured <= CLOSE[1] or attempt + 1 == ATTEMPTS:
            break
        _expect(telling.scratch, ("rollback", SERVICE, "--in", "dev", "--why", "not what the story needs"), 0, hear)
        extra_s *= SLOWDOWN / max(measured, 0.05)
    _promote(telling, PROD, ExitCode.FAILED, hear)
    last = telling.entries()[-1]
    if last.environment != "staging" or any(_is_newest(entry, last) for entry in telling.entries()):
        raise LiftlockError(f"it was stopped in {last.environment}, not in staging")
    return f"stopped in staging: {last.why}"


def _measured_slowdown(entries: tuple[Entry, ...]) -> float:
    """How much slower dev's last gate found the candidate, as a share."""
    judgement: Any = [entry for entry in entries if entry.action is Action.GATE][-1].evidence["judgement"]
    return next(float(row["estimate"]) for row in judgement["findings"] if row["name"] == BODY) - 1


def _is_newest(entry: Entry, last: Entry) -> bool:
    return entry.environment == PROD and entry.release == last.release


def _median_s(entries: tuple[Entry, ...]) -> float:
    """What the running release takes in the middle: the least any of its gates measured, free of the others' noise."""
    judgements: list[Any] = [entry.evidence["judgement"] for entry in entries if entry.action is Action.GATE]
    rows = (row for judgement in judgements for row in judgement["arms"]["candidate"]["quantiles"])
    return min(float(row["value_s"]) for row in rows if row["quantile"] == MEDIAN)


def _brittle_with_users(telling: Telling) -> list[UserRequest]:
    """The release that breaks on some real customers, while users are there to notice."""
    names = [environment.name for environment in load_ladder(telling.scratch.root)]
    port = telling.scratch.layout.environment_port(names.index(PROD))
    path = f"/v2/models/{SERVICE}/infer"
    users = Users(port, path, user_bodies(telling.scratch.root), USER_RATE, telling.began)
    telling.step(
        "promote a release that breaks on customers no request file has",
        "it passes staging, is stopped at its first weight in prod and rolled back by a commit",
        lambda hear: _promote_brittle(telling, users, hear),
    )
    telling.step(
        "ask the users",
        "no more of them saw an error than had the new release",
        lambda _: _users_said(telling, users),
    )
    return users.seen


def _promote_brittle(telling: Telling, users: Users, hear: Callable[[str], None]) -> str:
    _cut(telling, brittle(telling.handler), "add the discount of the customer's size class", hear)

    def listen(line: str) -> None:
        hear(line)
        for words in ("live analysis", "fail:"):
            if line.startswith(f"{PROD}:") and words in line:
                telling.mark(words)

    with users:
        _promote(telling, PROD, ExitCode.FAILED, listen)
        telling.mark("rolled back")
        time.sleep(2)  # users go on: what they see after the rollback is part of the story
    last = telling.entries()[-1]
    if (last.environment, last.action) != (PROD, Action.ROLLBACK) or not last.weight:
        raise LiftlockError(f"it was stopped in {last.environment} at {last.weight} %, not in prod by users' traffic")
    return f"rolled back from {last.weight} % of users: {last.why}"


def _users_said(telling: Telling, users: Users) -> str:
    """Raises LiftlockError where users saw more errors than the candidate's weight."""
    last = telling.entries()[-1]
    asked, errors = len(users.seen), sum(one.status != 200 for one in users.seen)
    share = 100 * errors / max(asked, 1)
    if not asked or share > float(last.weight or 0):
        raise LiftlockError(f"{errors} of {asked} users' requests failed ({share:.2f} %)")
    return f"{errors} of {asked} users' requests failed ({share:.2f} %, at most {last.weight} % was at stake)"


def _status(telling: Telling, hear: Callable[[str], None]) -> str:
    _expect(telling.scratch, ("status",), ExitCode.DONE, hear)
    return "all of it from git"
