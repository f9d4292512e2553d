"""A small company's repository: a remote, a clone, three environments, and services that train in a moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from liftlock.repository import Repository, run_git
from liftlock.sites.local import control
from liftlock.sites.local.layout import Layout
from liftlock.sites.local.replicas import free_port_base

SERVICE = """\
name: {name}
owner: growth
tier: 2
description: Whether the sum of two numbers is large.
model:
  format: xgboost
  source: train
  evaluation: {{metric: accuracy, at_least: 0.8}}
protocol: v2
handler: handler.py
resources: {{cpu: 100m, memory: 128Mi}}
slo:
  availability: 95
  latency: [{{quantile: 0.9, within: 500ms}}]
load: {{rate: 200/s, requests: requests.jsonl}}
features: features.yaml
alerts: {{team: growth}}
"""
FEATURES = "features: [{name: a, type: float, min: 0, max: 1}, {name: b, type: float, min: 0, max: 1}]\n"
TRAIN = """\
import argparse, json, pathlib
import numpy as np, xgboost as xgb
out = pathlib.Path([*argparse.ArgumentParser().parse_known_args()[1]][1])
table = np.random.default_rng(1).random((500, 2))
label = table.sum(axis=1) > 1
model = xgb.train({"objective": "binary:logistic", "nthread": 1, "seed": 1}, xgb.DMatrix(table, label=label), 5)
model.save_model(out / "model.ubj")
said = model.predict(xgb.DMatrix(table)) > 0.5
(out / "evaluation.json").write_text(json.dumps({"metrics": {"accuracy": float((said == label).mean())}}))
"""
HANDLER = '''\
"""Release {mark}."""

from serving import Handler as Base


class Handler(Base):
    def preprocess(self, inputs):
        {body}
        return inputs
'''
ENVIRONMENTS = {
    "dev": "name: dev\nstacks: [dev-eks]\nrollout: {gate: {margin: 1}, keep_warm: 1h}\n",
    "staging": "name: staging\nafter: dev\nstacks: [staging-eks]\nrollout: {gate: {margin: 1}, keep_warm: 1h}\n",
    "prod": (
        "name: prod\nafter: staging\nstacks: [prod-eks]\nreplicas: {min: 1, max: 4}\n"
        "rollout: {gate: {margin: 1}, weights: [20, 100], live: {requests: 40, within: 20s}}\napproval: required\n"
    ),
}


def row(a: float, b: float) -> dict[str, object]:
    """One V2 request."""
    tensor = {"shape": [1], "datatype": "FP64"}
    return {"inputs": [{"name": "a", "data": [a], **tensor}, {"name": "b", "data": [b], **tensor}]}


def service_files(name: str, mark: str = "1", body: str = "pass") -> dict[str, str]:
    """A service's directory. `body` runs before each prediction; `mark` makes a release of its own."""
    requests = "".join(json.dumps(row(n / 10, 1 - n / 20)) + "\n" for n in range(10))
    return {
        "service.yaml": SERVICE.format(name=name),
        "features.yaml": FEATURES,
        "train.py": TRAIN,
        "handler.py": HANDLER.format(mark=mark, body=body),
        "requests.jsonl": requests,
        "README.md": f"# {name}\n",
    }


@dataclass(frozen=True)
class Company:
    """A clone with a bare remote, and the commands a person would type in it."""

    root: Path
    env: dict[str, str]

    @property
    def repository(self) -> Repository:
        return Repository.open(self.root)

    @property
    def layout(self) -> Layout:
        return Layout(self.root.resolve(), int(self.env["LIFTLOCK_PORT_BASE"]))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`liftlock …` in the background, its words on a pipe."""
        command = [sys.executable, "-uP", "-c", "from liftlock.cli import main; main()", *arguments]
        return subprocess.Popen(
            command, cwd=self.root, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """`liftlock …` to its end, which should be `code`; what it said."""
        running = self.start(*arguments)
        said, _ = running.communicate(timeout=110)
        assert running.returncode == code, said
        return said

    def write(self, name: str, files: dict[str, str], message: str = "a change") -> None:
        """Commit and push files of a service."""
        for file, text in files.items():
            path = self.root / "model_services" / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.push(message)

    def push(self, message: str) -> None:
        run_git(self.root, "pull", "-q", "--no-rebase", "--no-edit", "origin", "main")
        run_git(self.root, "add", "-A")
        run_git(self.root, "commit", "-qm", message)
        run_git(self.root, "push", "-q", "origin", "HEAD:main")

    def release(self, name: str, mark: str, body: str = "pass") -> None:
        """A new release in dev."""
        self.write(name, {"handler.py": HANDLER.format(mark=mark, body=body)}, f"{name}: release {mark}")
        self.run("release", name)

    def down(self) -> None:
        control.down(self.layout)


def found_company(directory: Path, services: tuple[str, ...] = ("sums",)) -> Company:
    """A remote and a clone of it with these services, each trained and registered."""
    remote, root = directory / "remote.git", directory / "clone"
    run_git(directory, "init", "-q", "--bare", "-b", "main", str(remote))
    run_git(directory, "clone", "-q", str(remote), str(root))
    run_git(root, "checkout", "-q", "-B", "main")
    for key, value in {"user.name": "Sam", "user.email": "sam@localhost"}.items():
        run_git(root, "config", key, value)
    (root / ".gitignore").write_text(".liftlock/\n__pycache__/\n")
    for name, text in ENVIRONMENTS.items():
        path = root / "environments" / name / "environment.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "environments")
    run_git(root, "push", "-q", "origin", "HEAD:main")
    company = Company(root, {**os.environ, "LIFTLOCK_PORT_BASE": str(free_port_base())})
    for name in services:
        company.write(name, service_files(name))
        company.run("train", name)
        company.push(f"{name}: model")
    return company
