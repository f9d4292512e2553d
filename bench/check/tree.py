"""A checkout of many realistic services, and the same services as InferenceServices written by hand."""

from __future__ import annotations

import json
import random
from pathlib import Path

from liftlock.check.schema import SCHEMAS, generate, schema_file

FEATURES = 12
_SERVICE = """\
# yaml-language-server: $schema=../../docs/schema/service.json
name: {name}
owner: team-{team}
tier: {tier}
description: Scores {name}'s customers every night and on request, for the team that calls them.
model:
  format: {format}
  source: train
  evaluation: {{metric: roc_auc, at_least: 0.8}}
protocol: v2
{handler}resources: {{cpu: 500m, memory: 512Mi}}
scaling: {{min: 1, max: 10, metric: concurrency, target: 8}}
slo:
  window: 30d
  availability: 99.9            # percent
  latency:
    - {{quantile: 0.5, within: 50ms}}
    - {{quantile: 0.99, within: 250ms}}
load: {{rate: {rate}/s, requests: requests.jsonl}}
features: features.yaml
alerts: {{team: team-{team}}}
"""
_HANDLER = """\
import numpy as np

from serving import Handler as Base
from serving import InvalidInput

LIMIT = {limit}


class Handler(Base):
    def preprocess(self, inputs):
        if (inputs["feature_0"] < 0).any():
            raise InvalidInput("feature_0: a number of years is wanted")
        return inputs

    def postprocess(self, outputs, inputs):
        return {{"score": np.minimum(np.asarray(outputs), LIMIT)}}
"""
_INFERENCE_SERVICE = """\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
  namespace: models
  labels: {{team: team-{team}, tier: "{tier}"}}
  annotations:
    serving.kserve.io/deploymentMode: Standard
    serving.kserve.io/autoscalerClass: hpa
    serving.kserve.io/metric: cpu
    serving.kserve.io/targetUtilizationPercentage: "80"
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 10
    timeout: 30
    serviceAccountName: {name}
    securityContext: {{runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000}}
    model:
      modelFormat: {{name: {format}}}
      protocolVersion: v2
      storageUri: s3://models/{name}/model
      resources:
        requests: {{cpu: 500m, memory: 512Mi}}
        limits: {{cpu: "1", memory: 512Mi}}
      env:
        - {{name: OMP_NUM_THREADS, value: "1"}}
        - {{name: LOG_LEVEL, value: info}}
      readinessProbe:
        httpGet: {{path: /v2/models/{name}/ready, port: 8080}}
        periodSeconds: 5
        failureThreshold: 3
    affinity:
      podAntiAffinity:
        preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            podAffinityTerm:
              topologyKey: kubernetes.io/hostname
              labelSelector: {{matchLabels: {{app: {name}}}}}
    tolerations:
      - {{key: models, operator: Exists, effect: NoSchedule}}
"""


def make_tree(root: Path, count: int) -> None:
    """A checkout of `count` services that passes check, and `usual/` with an InferenceService for each."""
    for name in SCHEMAS:
        path = root / schema_file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generate(name))
    environment = root / "environments" / "dev" / "environment.yaml"
    environment.parent.mkdir(parents=True)
    modeline = "# yaml-language-server: $schema=../../docs/schema/environment.json\n"
    environment.write_text(f"{modeline}name: dev\nstacks: [dev-local]\n")
    (root / "usual").mkdir()
    chance = random.Random(7)
    for number in range(count):
        _make_service(root, number, chance)


def _make_service(root: Path, number: int, chance: random.Random) -> None:
    name = f"service-{number:04}"
    words = {
        "name": name,
        "team": number % 23,
        "tier": number % 3 + 1,
        "format": ("sklearn", "xgboost", "lightgbm", "onnx")[number % 4],
        "rate": chance.choice((20, 50, 200)),
        "limit": 0.9,
        "handler": "" if number % 4 else "handler: handler.py\n",
    }
    directory = root / "model_services" / name
    directory.mkdir(parents=True)
    (directory / "service.yaml").write_text(_SERVICE.format(**words))
    (directory / "features.yaml").write_text(_features())
    (directory / "requests.jsonl").write_text("".join(_request(chance) for _ in range(chance.randint(20, 30))))
    (directory / "README.md").write_text(f"# {name}\n\nA model card.\n")
    (directory / "train.py").write_text('"""Trains it."""\n')
    if words["handler"]:
        (directory / "handler.py").write_text(_HANDLER.format(**words))
    (root / "usual" / f"{name}.yaml").write_text(_INFERENCE_SERVICE.format(**words))


def _features() -> str:
    lines = [
        f"  - {{name: feature_{index}, type: {('float', 'integer')[index % 2]}, min: 0, max: {100 * (index + 1)}}}\n"
        for index in range(FEATURES)
    ]
    return "# yaml-language-server: $schema=../../docs/schema/features.json\nfeatures:\n" + "".join(lines)


def _request(chance: random.Random) -> str:
    inputs = [
        {
            "name": f"feature_{index}",
            "datatype": "INT64" if index % 2 else "FP64",
            "shape": [1],
            "data": [chance.randint(0, 99) if index % 2 else round(chance.random() * 100, 3)],
        }
        for index in range(FEATURES)
    ]
    return json.dumps({"inputs": inputs}) + "\n"
