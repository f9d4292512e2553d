"""What is rendered, held against goldens, strict schemas and what the objects have to do together.

The goldens are written anew by `LIFTLOCK_GOLDEN=write python -m pytest tests/render/test_manifests.py`; read the diff.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from liftlock.render import render_runtime
from liftlock.render.stacks import Stack

from .builders import HEX, LLM, environment, file_of, release, scene

GOLDEN = Path(__file__).parent / "golden"
ENVOY = "stacks: [{name: prod-eks, gateway: {class: envoy}, store: 'oci://registry.models.internal/bundles'}]\n"
A100 = {"class": "a100", "sharing": "mig", "slice": "1g.10gb"}
TRITON = {"format": "triton", "source": f"oci://registry.example.com/models/ranker@sha256:{HEX}"}
CUSTOM = {"format": "custom", "image": f"registry.example.com/team/scorer@sha256:{HEX}", "port": 9090}
HUGGING = {"format": "huggingface", "source": LLM["model"]["source"]}
ENSEMBLE = {"format": "ensemble", "services": ["digits", "tumour"]}
RATE = {"min": 0, "max": 4, "metric": "rate", "target": 50}
NO_FLOOR = environment(replicas={"min": 0, "max": 4})
OLD, NEW = release(), release(timeout="20s")

SCENES = {
    "sklearn": scene(release(model={"format": "sklearn", "source": f"oci://registry.example.com/m@sha256:{HEX}"})),
    "lightgbm": scene(release(model={"format": "lightgbm", "source": f"hf://acme/churn@{'0' * 40}"})),
    "onnx-grpc": scene(
        release(model={"format": "onnx", "source": "s3://models/a.onnx?versionId=1"}, protocol="grpc-v2")
    ),
    "xgboost-v1-onprem": scene(release(protocol="v1"), where=environment(stacks=["prod-onprem"])),
    "ensemble": scene(release(model=ENSEMBLE, handler="handler.py")),
    "huggingface": scene(release(model=HUGGING, features=None)),
    "triton": scene(release(model=TRITON, features=None, protocol="grpc-v2")),
    "custom": scene(release(model=CUSTOM, features=None)),
    "vllm-exclusive": scene(release(**LLM)),
    "vllm-time-sliced": scene(release(**{**LLM, "gpu": {"class": "t4", "sharing": "time-sliced"}})),
    "vllm-mig": scene(release(**{**LLM, "gpu": A100})),
    "vllm-handler": scene(release(**LLM, handler="handler.py")),
    "gpu-metric": scene(release(**{**LLM, "scaling": {"min": 1, "max": 4, "metric": "gpu", "target": 80}})),
    "hpa": scene(release(scaling={"min": 1, "max": 5, "metric": "cpu", "target": 70})),
    "fixed": scene(release(scaling={"min": 2, "max": 2})),
    "scale-to-zero": scene(release(scaling=RATE), where=NO_FLOOR),
    "two-releases": scene(OLD, NEW, weights=(95, 5)),
    "mirror": scene(OLD, NEW, weights=(100, 0), mirror=NEW, stacks=ENVOY),
}


def held_against(name: str, text: bytes) -> None:
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("LIFTLOCK_GOLDEN") == "write":
        path.write_bytes(text)
    assert path.read_text() == text.decode(), f"{name} is rendered differently; see this file's docstring"


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_is_rendered_as_its_golden_says(name):
    held_against(name, file_of(SCENES[name])[1])


def test_the_runtime_is_rendered_as_its_golden_says():
    held_against("runtime", render_runtime(Stack(name="prod-eks")))


def test_there_is_no_golden_that_nothing_renders():
    assert {path.stem for path in GOLDEN.iterdir()} == {*SCENES, "runtime"}
