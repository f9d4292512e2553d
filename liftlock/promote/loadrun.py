"""Driving load: one plan, one run of `loadtests` in a process of its own, its samples and facts."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from liftlock.errors import LiftlockError, Unreachable
from liftlock.gate.facts import RunFacts, read_facts
from liftlock.gate.samples import Samples, read_samples
from liftlock.promote.site import Target
from liftlock.release import Release
from liftlock.slo import LatencyObjective, Objectives
from liftlock.spec.model import Slo

# Requests per arm that warm connections and caches before any is judged.
WARMUP = 20
# What a run may take beyond its schedule, in seconds, before it counts as stuck.
SLACK_S = 60.0
# Seconds after which a request that was not answered counts as failed, whatever the service's own timeout.
LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class ArmTarget:
    """One side of a run: `candidate`, `baseline` or `route`, where it answers, and who must."""

    name: str
    target: Target
    revision: str | None


@dataclass(frozen=True)
class LoadRun:
    """A finished run."""

    samples: Samples
    facts: RunFacts
    samples_file: Path
    report: Path


def objectives_of(release: Release) -> Objectives:
    """The objectives of a release's spec, in the gate's own terms."""
    return objectives_of_slo(release.spec.slo)


def objectives_of_slo(slo: Slo) -> Objectives:
    """A spec's objectives in the gate's own terms: seconds, and percent of availability."""
    latency = (LatencyObjective(one.quantile, one.within.seconds) for one in slo.latency)
    return Objectives(slo.availability, tuple(latency))


def request_path(release: Release) -> tuple[str, str]:
    """Protocol and path that load is sent by. A gRPC service of ours answers the same V2 requests over HTTP.

    Raises Unreachable for a protocol without a load generator here.
    """
    match release.spec.protocol:
        case "v1":
            return "v1", f"/v1/models/{release.service}:predict"
        case "v2" | "grpc-v2":
            return "v2", f"/v2/models/{release.service}/infer"
        case protocol:
            raise Unreachable(
                f"{release.revision}: there is no load generator for {protocol} yet, so no gate can pass it"
            )


def make_plan(
    release: Release,
    arms: tuple[ArmTarget, ...],
    requests_file: Path,
    out: Path,
    *,
    requests: int,
    profile: str,
    seed: int,
    web_port: int | None = None,
) -> dict[str, Any]:
    """The plan of one run, as loadtests/plan.py reads it. `requests` counts per arm."""
    protocol, path = request_path(release)
    rate = release.spec.load.rate.per_second
    return {
        "service": release.service,
        "protocol": protocol,
        "path": path,
        "arms": [
            {"name": arm.name, "url": arm.target.url, "headers": dict(arm.target.headers), "revision": arm.revision}
            for arm in arms
        ],
        "requests_file": str(requests_file),
        "rate": rate,
        "requests": requests,
        "warmup": WARMUP,
        "timeout_s": min(release.spec.timeout.seconds, LONGEST_WAIT_S),
        "profile": profile,
        "seed": seed,
        "out": str(out),
        "web_port": web_port,
        "max_seconds": 4 * (requests + WARMUP) / rate + SLACK_S,
    }


class Generator:
    """A load generator that has been started and waits for its plan: starting one takes as long as a model server."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the generator)
        command = [sys.executable, "-Pm", "loadtests", "-"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=self._errors)

    def close(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def drive(self, plan: dict[str, Any], say: Callable[[dict[str, Any]], None]) -> LoadRun:
        """Run the plan to its end; once only. Raises LiftlockError where it is refused, Unreachable where it fails."""
        out = Path(plan["out"])
        out.mkdir(parents=True, exist_ok=True)
        file = out / "plan.json"
        file.write_bytes(orjson.dumps(plan, option=orjson.OPT_INDENT_2))
        try:
            code = self._run(file, plan["max_seconds"] + SLACK_S, say)
            self._check(code)
        finally:
            self.close()
        samples = out / "samples.csv"
        return LoadRun(read_samples(samples), read_facts(out / "facts.json"), samples, out / "report.html")

    def _run(self, plan: Path, seconds: float, say: Callable[[dict[str, Any]], None]) -> int:
        assert self._process.stdin is not None  # both were asked for
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # it has ended already, and its exit code says why
            self._process.stdin.write(f"{plan}\n".encode())
            self._process.stdin.flush()
        for line in self._process.stdout:
            say(json.loads(line))
        return self._process.wait(seconds)

    def _check(self, code: int) -> None:
        self._errors.seek(0)
        lines = [line for line in self._errors.read().decode(errors="replace").splitlines() if line.strip()]
        said = lines[-1] if lines else f"exit code {code}"
        if code == 2:
            raise LiftlockError(f"the load test was refused: {said}")
        if code != 0:
            raise Unreachable(f"the load test could not run: {said}")
