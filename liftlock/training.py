"""Training a service's model: run its `train.py`, hold the result against its bound, and register it by content.

`train.py --out DIR` writes the model's file and `evaluation.json` ({"metrics": {name: number}, "data": {…}}) into DIR.
What passed is stored, and `model.yaml` beside the spec says which digest it is; a person commits that file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from math import isfinite
from pathlib import Path, PurePosixPath
from threading import Timer
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from liftlock import paths
from liftlock.atomic import write_whole
from liftlock.canonical import generated_yaml
from liftlock.errors import GateFailed, InvalidInput, LiftlockError
from liftlock.spec.model import Evaluation, Spec
from liftlock.spec.read import load_spec
from liftlock.spec.source import Written, load, problem_at
from liftlock.store import BlobStore, put_tree
from liftlock.store.tree import read_directory

REGISTRATION = "model.yaml"
EVALUATION = "evaluation.json"
# The longest a training on this machine may take, in seconds; longer ones belong in a training system of their own.
LONGEST_S = 3600.0


class Registration(Written):
    """`model.yaml`: the model that passed, by digest."""

    service: str
    digest: str
    metrics: dict[str, float]
    data: dict[str, Any] = Field(default_factory=dict)


class _Evaluated(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    metrics: dict[str, float]
    data: dict[str, Any] = {}


def registration_file(service: str) -> PurePosixPath:
    return paths.service_directory(service) / REGISTRATION


def read_registration(root: Path, service: str) -> Registration | None:
    """What `train` registered for a service, if anything. Raises InvalidInput."""
    path = root / registration_file(service)
    return load(path, Registration, root=root) if path.is_file() else None


def train(root: Path, service: str, store: BlobStore, say: Callable[[str], None]) -> Registration:
    """Train, evaluate and register. Raises GateFailed below the bound, LiftlockError where train.py fails."""
    spec = load_spec(root, service)
    evaluation = _bound(root, spec)
    with tempfile.TemporaryDirectory(prefix="liftlock-train-") as scratch:
        out = Path(scratch)
        _run(root / paths.service_directory(service), out, say)
        files = read_directory(out)
    evaluated = _evaluated(files, spec)
    _hold(evaluated, evaluation, service)
    digest, _ = put_tree(store, {path: data for path, data in files.items() if path != EVALUATION})
    registration = Registration(service=service, digest=digest, metrics=evaluated.metrics, data=evaluated.data)
    text = generated_yaml(registration.model_dump(mode="json"), f"liftlock train {service}")
    write_whole(root / registration_file(service), text)
    return registration


def _bound(root: Path, spec: Spec) -> Evaluation:
    if spec.model.source is None or spec.model.source.scheme != "train" or spec.model.evaluation is None:
        file = paths.service_file(spec.name)
        wanted = "train, to be trained here; this model comes from elsewhere"
        raise InvalidInput([problem_at((root / file).read_bytes(), str(file), "model.source", wanted)])
    return spec.model.evaluation


def _run(directory: Path, out: Path, say: Callable[[str], None]) -> None:
    """Run train.py, passing on what it prints. Raises LiftlockError where it fails or takes too long."""
    command = [sys.executable, "train.py", "--out", str(out)]
    env = {**os.environ, "PYTHONHASHSEED": "0"}  # set order must not change a model
    last, started = "no word", time.monotonic()
    with subprocess.Popen(
        command, cwd=directory, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as running:
        assert running.stdout is not None  # a pipe was asked for
        overdue = Timer(LONGEST_S, running.kill)  # one that hangs says nothing, so reading cannot notice it
        overdue.start()
        try:
            for line in running.stdout:
                last = line.rstrip()
                say(last)
        finally:
            overdue.cancel()
    if running.returncode == 0:
        return
    if time.monotonic() - started >= LONGEST_S:
        raise LiftlockError(f"{directory.name}/train.py was not done within {LONGEST_S:g} s, and was ended: {last}")
    raise LiftlockError(f"{directory.name}/train.py ended with exit code {running.returncode}: {last}")


def _evaluated(files: dict[str, bytes], spec: Spec) -> _Evaluated:
    """What train.py left. Raises LiftlockError for a missing model or an evaluation that is none."""
    if spec.model.file_name and spec.model.file_name not in files:
        found = ", ".join(files) or "nothing"
        raise LiftlockError(
            f"{spec.name}/train.py: it should write {spec.model.file_name} into --out; it wrote {found}"
        )
    try:
        return _Evaluated.model_validate(orjson.loads(files[EVALUATION]))
    except (KeyError, ValueError) as error:
        wanted = f'{EVALUATION} as {{"metrics": {{"name": number}}, "data": {{…}}}}'
        raise LiftlockError(f"{spec.name}/train.py: it should write {wanted} into --out") from error


def _hold(evaluated: _Evaluated, bound: Evaluation, service: str) -> None:
    """Raises GateFailed unless the metric reaches its bound."""
    value = evaluated.metrics.get(bound.metric)
    if value is None or not isfinite(value):
        raise GateFailed(f"{service}: {EVALUATION} has no finite metric {bound.metric!r}; nothing was registered")
    if not bound.accepts(value):
        wanted = f"at least {bound.at_least}" if bound.at_least is not None else f"at most {bound.at_most}"
        raise GateFailed(f"{service}: {bound.metric} is {value:.4g}, {wanted} is wanted; nothing was registered")
