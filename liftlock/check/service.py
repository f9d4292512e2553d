"""One service, examined alone: its spec, features, requests, and the files they name. Reads its directory only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liftlock.check import artifacts
from liftlock.check.memory import content_digest
from liftlock.check.tree import MODELINE, MOST_FILES, Directory, File, ServiceFacts
from liftlock.errors import InvalidInput, Problem
from liftlock.paths import SERVICES
from liftlock.slo import LatencyObjective, Objectives, why_untestable
from liftlock.spec.model import FeatureSchema, Spec, check_name
from liftlock.spec.places import WHOLE
from liftlock.spec.requests import MOST_BYTES as REQUEST_BYTES
from liftlock.spec.requests import request_problems
from liftlock.spec.source import MOST_BYTES, parse, problem_at

# The longest gate we accept: half an hour at the declared rate.
LONGEST_GATE_S = 1800.0
MODEL_CARD = "README.md"


@dataclass(frozen=True)
class Outcome:
    """One service examined: its facts, or None where its spec could not be read, and every problem found."""

    service: str
    facts: ServiceFacts | None
    problems: tuple[Problem, ...]
    parsed: int
    """Files parsed for it."""
    content: str
    """The digest of the bytes it was examined by."""


class _Examination:
    """Collects the problems of one service."""

    def __init__(self, root: Path, directory: Directory) -> None:
        self.root = root
        self.directory = directory
        self.base = f"{SERVICES}/{directory.service}"
        self.path = f"{root}/{self.base}/"
        self.files = {file.name: file for file in directory.files}
        self.problems: list[Problem] = []
        self.read_already: dict[str, bytes] = {}

    def named(self, name: str) -> str:
        return f"{self.base}/{name}"

    def refuse(self, name: str, wanted: str, line: int = 0, column: int = 0, field: str = WHOLE) -> None:
        self.problems.append(Problem(self.named(name), line, column, field, wanted))

    def read(self, name: str, most: int = MOST_BYTES) -> bytes:
        """A file's bytes, at most one more than `most`. Raises InvalidInput where it cannot be read."""
        size = self.files[name].size
        try:
            with open(self.path + name, "rb") as file:  # noqa: PTH123 (thousands of these a run)
                data = file.read(min(size, most) + 1)
                if size < len(data) <= most:  # grown since it was looked at
                    data += file.read(most)
        except OSError as error:
            wanted = f"a readable file ({error.strerror or error})"
            raise InvalidInput([Problem(self.named(name), 0, 0, WHOLE, wanted)]) from error
        self.read_already[name] = data
        return data

    def outcome(self, facts: ServiceFacts | None) -> Outcome:
        parsed = len(self.read_already)
        handler = facts is not None and facts.handler is not None
        content = content_digest(self.root, self.directory, self.read_already, handler)
        return Outcome(self.directory.service, facts, tuple(self.problems), parsed, content)


def examine(root: Path, directory: Directory) -> Outcome:
    """Everything about one service that its own directory can show, except that its handler imports."""
    work = _Examination(root, directory)
    work.problems += _directory_problems(root, directory)
    spec = _spec(work) if not work.problems else None
    if spec is None:
        return work.outcome(None)
    schema = _features(work, spec)
    _requests(work, spec, schema)
    _trained(work, spec)
    work.problems += artifacts.problems(root / work.base, directory, spec, work.base)
    asked = spec.rollout.model_dump_json(exclude_none=True) if spec.rollout.model_fields_set else None
    facts = ServiceFacts(spec.name, spec.model.format, spec.model.services, _handler(work, spec), asked)
    return work.outcome(facts)


def _directory_problems(root: Path, directory: Directory) -> Iterator[Problem]:
    name = f"{SERVICES}/{directory.service}"
    try:
        check_name(directory.service)
    except ValueError as error:
        yield Problem(ascii(name)[1:-1], 0, 0, "name", f"a directory called: {error}")
    if os.path.islink(f"{root}/{name}"):  # noqa: PTH114 (a thousand of these a run)
        yield Problem(name, 0, 0, WHOLE, "a directory, not a link")
    if len(directory.files) > MOST_FILES:
        yield Problem(name, 0, 0, WHOLE, f"at most {MOST_FILES} files: data and models belong in a store")
    yield from _links(root, directory)


def _links(root: Path, directory: Directory) -> Iterator[Problem]:
    base = root / SERVICES / directory.service
    for file in directory.files:
        if not file.link:
            continue
        path, shown = base / file.name, f"{SERVICES}/{directory.service}/{file.name}"
        try:
            target = path.resolve(strict=True)
        except (OSError, RuntimeError):
            yield Problem(shown, 0, 0, WHOLE, "a file; this link leads nowhere")
            continue
        if not target.is_relative_to(base.resolve()):
            yield Problem(shown, 0, 0, WHOLE, "a file of this service; this link leads out of its directory")


def _yaml_head(work: _Examination, name: str, text: bytes, schema: str) -> None:
    line = MODELINE.format(schema)
    if not text.removeprefix(b"\xef\xbb\xbf").startswith(line.encode()):
        work.refuse(name, f"this first line, for editors: {line}", 1, 1)


def _spec(work: _Examination) -> Spec | None:
    name = "service.yaml"
    if name not in work.files:
        work.refuse(name, "is required: the service's spec (see `liftlock new`)")
        return None
    try:
        text = work.read(name)
        _yaml_head(work, name, text, "service")
        spec = parse(text, Spec, work.named(name))
    except InvalidInput as refused:
        work.problems += refused.problems
        return None
    if spec.name != work.directory.service:
        work.problems.append(
            problem_at(text, work.named(name), "name", f"{work.directory.service}, as its directory is called")
        )
    if wanted := untestable(spec):
        work.problems.append(problem_at(text, work.named(name), "slo", wanted))
    return spec


def objectives(spec: Spec) -> Objectives:
    """A spec's promises as the gate judges them."""
    latency = tuple(LatencyObjective(one.quantile, one.within.seconds) for one in spec.slo.latency)
    return Objectives(spec.slo.availability, latency)


def untestable(spec: Spec) -> str:
    """Why no load test of half an hour at the declared rate could establish the SLO; empty where one can."""
    return why_untestable(objectives(spec), spec.load.rate.per_second, LONGEST_GATE_S)


def _present(work: _Examination, name: str, field: str, why: str) -> File | None:
    """The file a field of the spec names; a problem at that field where it is absent."""
    file = work.files.get(name)
    if file is None:
        text = (work.root / work.base / "service.yaml").read_bytes()
        wanted = f"a file of this service; {work.named(name)}, {why}, does not exist"
        work.problems.append(problem_at(text, work.named("service.yaml"), field, wanted))
    return file


def _features(work: _Examination, spec: Spec) -> FeatureSchema | None:
    if spec.features is None or _present(work, spec.features, "features", "the feature schema") is None:
        return None
    try:
        text = work.read(spec.features)
        _yaml_head(work, spec.features, text, "features")
        return parse(text, FeatureSchema, work.named(spec.features))
    except InvalidInput as refused:
        work.problems += refused.problems
        return None


def _requests(work: _Examination, spec: Spec, schema: FeatureSchema | None) -> None:
    name = spec.load.requests
    if _present(work, name, "load.requests", "the requests of its load test") is None:
        return
    if spec.features is not None and schema is None:
        return  # the schema's own problems come first
    try:
        raw = work.read(name, REQUEST_BYTES)
    except InvalidInput as refused:
        work.problems += refused.problems
        return
    work.problems += request_problems(raw, spec, schema, work.named(name))


def _trained(work: _Examination, spec: Spec) -> None:
    if spec.model.source is None or spec.model.source.scheme != "train":
        return
    if "train.py" not in work.files:
        work.refuse("train.py", "is required with source train: run as `python train.py --out DIR`")
    card = work.files.get(MODEL_CARD)
    if card is None or card.size == 0:
        work.refuse(MODEL_CARD, "is required: the model card (what it is for, its data, its limits)")


def _handler(work: _Examination, spec: Spec) -> str | None:
    if spec.handler is None or _present(work, spec.handler, "handler", "the handler") is None:
        return None
    return spec.handler
