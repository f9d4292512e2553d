"""What a spec may say, and the rules between its fields."""

from __future__ import annotations

import pytest

from liftlock.errors import InvalidInput
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.source import parse

from .builders import REMOVED, service

IMAGE = "ghcr.io/acme/scorer@sha256:" + "0" * 64
TRAINED = {"model__evaluation": REMOVED}
VLLM = {
    "model": {"format": "vllm", "source": "hf://acme/chat@" + "a" * 40},
    "protocol": "openai",
    "gpu": {"class": "l4"},
    "features": REMOVED,
}
ENSEMBLE = {"model": {"format": "ensemble", "services": ["a", "b"]}, "handler": "handler.py"}


def spec(**changes) -> Spec:
    return parse(service(**changes), Spec, "service.yaml")


def refusals(**changes) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        spec(**changes)
    assert all(problem.line > 0 and problem.column > 0 for problem in caught.value.problems)
    return [f"{problem.field}: {problem.wanted}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        VLLM,
        ENSEMBLE,
        {**VLLM, "load__traffic": "stream"},
        {**VLLM, "gpu": {"class": "h100", "sharing": "mig", "slice": "1g.10gb"}},
        {"model": {"format": "custom", "image": IMAGE, "port": 9000}, "protocol": "grpc-v2", "features": REMOVED},
        {
            "model": {"format": "triton", "source": "s3://models/ranker"},
            "gpu": {"class": "t4", "sharing": "time-sliced"},
        },
        {"scaling": {"min": 0, "max": 3, "metric": "rate", "target": 50}},
        {"rollout": {"gate": {"margin": 0.1}, "weights": [1, 10, 100], "keep_warm": "2h"}},
        {"batching": {"size": 32, "delay": "2ms"}, "concurrency": 100, "timeout": "1s", "placement": "onprem"},
        {"resources": {"cpu": 2, "memory": "1Gi"}},
    ],
)
def test_a_spec_that_hangs_together_is_accepted(changes):
    assert spec(**changes).name == "churn"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"name": "../x"}, "name: 1 to 44 lower-case"),
        ({"name": "/etc"}, "name: 1 to 44 lower-case"),
        ({"name": "-x"}, "name: 1 to 44 lower-case"),
        ({"name": "x" * 45}, "name: 1 to 44 lower-case"),
        ({"name": "chսrn"}, "name: 1 to 44 lower-case"),
        ({"name": "churn\n"}, "name: 1 to 44 lower-case"),
        ({"name": "manifests"}, "name: another name; `manifests` is kept"),
        ({"tier": 4}, "tier: 3 or less, not 4"),
        ({"tier": True}, "tier: a whole number, not true"),
        ({"handler": "../handler.py"}, "handler: a file inside the service's directory"),
        ({"handler": "handler.txt"}, "handler: a Python file"),
        ({"model__format": "xgbost"}, "model.format: one of 'sklearn'"),
        ({"model__source": "http://x"}, "model.source: train, s3://bucket/key"),
        ({"model__source": "s3://models/../x"}, "model.source: train, s3://bucket/key"),
        ({"model__source": "s3://models/x"}, "model.evaluation: nothing here"),
        ({"model__evaluation": REMOVED}, "model.evaluation: is required with source train"),
        ({"model__evaluation": {"metric": "auc"}}, "model.evaluation: exactly one of at_least and at_most"),
        ({"model__image": IMAGE}, "model.image: nothing here: format xgboost has no image"),
        ({"model__source": REMOVED, **TRAINED}, "model.source: is required for format xgboost"),
        ({"protocol": "openai"}, "protocol: v1 or v2 or grpc-v2 for format xgboost, not openai"),
        ({"features": REMOVED}, "features: is required for format xgboost"),
        ({"gpu": {"class": "l4"}}, "gpu: nothing here"),
        ({**VLLM, "gpu": REMOVED}, "gpu: is required for format vllm"),
        ({**VLLM, "protocol": "v2"}, "protocol: openai for format vllm, not v2"),
        ({**VLLM, "gpu": {"class": "v100"}}, "gpu.class: one of 't4'"),
        ({**VLLM, "gpu": {"class": "l4", "sharing": "mig"}}, "gpu.sharing: exclusive or time-sliced: l4 has no MIG"),
        ({**VLLM, "gpu": {"class": "a100", "sharing": "mig"}}, "gpu.slice: one of 1g.10gb"),
        ({**VLLM, "gpu": {"class": "l4", "count": 2, "sharing": "time-sliced"}}, "gpu.count: 1"),
        ({**ENSEMBLE, "handler": REMOVED}, "handler: is required for format ensemble"),
        ({**ENSEMBLE, "model": {"format": "ensemble", "services": ["churn"]}}, "model.services: services other than"),
        ({"resources__memory": "512m"}, "resources.memory: memory such as 512Mi"),
        ({"resources__cpu": "lots"}, "resources.cpu: cores such as 500m"),
        ({"resources__cpu": "500"}, "resources.cpu: between 10m and 256"),
        ({"scaling": {"min": 5, "max": 2}}, "scaling.max: 5 or more, the min"),
        ({"scaling": {"min": 0, "max": 2}}, "scaling.min: 1 or more, or metric rate"),
        (
            {"scaling": {"min": 0, "max": 2, "metric": "rate"}, "protocol": "grpc-v2"},
            "scaling.min: 1 or more: a grpc-v2",
        ),
        ({"scaling": {"metric": "cpu", "target": 300}}, "scaling.target: percent of cpu in use"),
        ({"scaling": {"metric": "gpu"}}, "scaling.metric: a metric this service has"),
        ({"slo__availability": 100}, "slo.availability: less than 100"),
        ({"slo__window": "30"}, "slo.window: a duration such as 250ms"),
        ({"slo__window": "1h"}, "slo.window: between 1d and 90d"),
        ({"slo__latency": [{"quantile": 99, "within": "1s"}]}, "slo.latency[0].quantile: less than 1"),
        (
            {"slo__latency": [{"quantile": 0.9, "within": "1m"}]},
            "slo.latency[0].within: no more than the timeout of 30s",
        ),
        (
            {"slo__latency": [{"quantile": 0.99, "within": "1s"}, {"quantile": 0.9, "within": "2s"}]},
            "slo.latency[0].within: 2s or more",
        ),
        ({"load__rate": "0/s"}, "load.rate: a rate above zero"),
        ({"load__rate": 200}, "load.rate: a rate above zero"),
        ({"load__traffic": "stream"}, "load.traffic: prediction or batch"),
        ({"rollout": {"weights": [50, 5, 100]}}, "rollout.weights: weights that rise"),
        ({"rollout": {"weights": [5, 50]}}, "rollout.weights: weights that rise"),
        ({"alerts": {"team": "x y"}}, "alerts.team: a team"),
        ({"description": ""}, "description: at least 1 characters"),
        ({"extra": 1}, "extra: unknown key"),
    ],
)
def test_what_does_not_hang_together_is_refused_at_its_field(changes, expected):
    assert any(refusal.startswith(expected) for refusal in refusals(**changes)), refusals(**changes)


def test_two_spellings_of_one_value_are_equal():
    first = spec(timeout="60s", resources={"cpu": 0.5, "memory": "0.5Gi"}, load__rate="200.0/s")
    second = spec(timeout="1m", resources={"cpu": "500m", "memory": "512Mi"}, load__rate="200/s")
    assert first == second


def test_a_spec_survives_being_written_and_read_again():
    dumped = spec(timeout="90s").model_dump(mode="json", by_alias=True, exclude_none=True)
    assert dumped["timeout"] == "90s"
    assert dumped["resources"] == {"cpu": "500m", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ("name: a, type: float, min: 3, max: 1", "features[0].max: 3 or more, the min"),
        ("name: a, type: string, min: 3", "features[0].min: nothing here: a string has no range"),
        ("name: a, type: tensor", "features[0].shape: is required for a tensor"),
        ("name: a, type: tensor, shape: [8, 8]", "features[0].shape: rows first as -1"),
        ("name: a, type: float, shape: [-1]", "features[0].shape: nothing here"),
        ("name: a, type: integer, values: ['1']", "features[0].values: nothing here"),
        ("name: a b, type: float", "features[0].name: a feature's name"),
        ("name: NO, type: float", "features[0].name: text; YAML readers disagree about NO"),
        ("name: b, type: float", "features[1].name: each feature once"),
        ("name: a, type: double", "features[0].type: one of 'float'"),
    ],
)
def test_a_feature_that_makes_no_sense_is_refused(feature, expected):
    text = f"features:\n  - {{{feature}}}\n  - {{name: b, type: boolean}}\n"
    with pytest.raises(InvalidInput) as caught:
        parse(text.encode(), FeatureSchema, "features.yaml")
    assert any(f"{one.field}: {one.wanted}".startswith(expected) for one in caught.value.problems)


def test_features_are_handed_to_the_server_with_only_what_is_given():
    schema = parse(
        b"features:\n  - {name: a, type: float, min: 0, description: Age}\n  - {name: b, type: string, values: [x]}",
        FeatureSchema,
        "f",
    )
    assert schema.rows() == [
        {"name": "a", "type": "float", "min": 0.0, "missing": False},
        {"name": "b", "type": "string", "values": ["x"], "missing": False},
    ]
