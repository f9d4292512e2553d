"""Whatever a team may write and an environment may ask is rendered, is valid, and is the same bytes every time."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liftlock.render import render_manifests
from liftlock.render.text import as_yaml
from liftlock.spec.gpu import GPU_CLASSES
from liftlock.spec.rules import FORMATS, ZERO_PROTOCOLS

from .builders import COMMIT, HEX, environment, release, scene
from .test_manifests import SCENES

NAMES = st.from_regex(r"[a-z](?:[a-z0-9-]{0,40}[a-z0-9])?", fullmatch=True).filter(lambda name: name != "manifests")
TEAMS = st.from_regex(r"[a-z][a-z0-9-]{0,61}[a-z0-9]", fullmatch=True)
SOURCES = st.sampled_from(
    ["train", f"hf://acme/m@{COMMIT}", f"oci://registry.example.com/m@sha256:{HEX}", "s3://models/m", "oci://r.io/m:v1"]
)


@st.composite
def gpus(draw) -> dict[str, Any]:
    name = draw(st.sampled_from(list(GPU_CLASSES)))
    if GPU_CLASSES[name].mig and draw(st.booleans()):
        return {"class": name, "sharing": "mig", "slice": draw(st.sampled_from(GPU_CLASSES[name].mig))}
    return draw(
        st.sampled_from([{"class": name, "count": n} for n in (1, 8)] + [{"class": name, "sharing": "time-sliced"}])
    )


@st.composite
def specs(draw) -> dict[str, Any]:
    """A valid spec of any format."""
    kind = draw(st.sampled_from(list(FORMATS)))
    rules = FORMATS[kind]
    ours = "train" in rules.sources or kind == "ensemble"
    model: dict[str, Any] = {"format": kind}
    if rules.sources:
        model["source"] = draw(SOURCES.filter(lambda source: source != "train" or "train" in rules.sources))
    if model.get("source") == "train":
        model["evaluation"] = {"metric": "roc_auc", "at_least": 0.5}
    if kind == "custom":
        model |= {"image": f"registry.example.com/team/x@sha256:{HEX}", "port": draw(st.integers(1024, 65535))}
    if kind == "ensemble":
        model["services"] = ["another-service"]
    if not ours:
        model["arguments"] = draw(st.lists(st.text("abc: -=#'\"no", min_size=1, max_size=12), max_size=3))
        model["variables"] = draw(
            st.dictionaries(st.sampled_from(["A", "HOME", "NO"]), st.text("aé:#' no-", max_size=9), max_size=2)
        )
    protocol = draw(st.sampled_from(rules.protocols))
    gpu = draw(gpus()) if kind == "vllm" or (not ours and draw(st.booleans())) else None
    metrics = ["concurrency", "rate", "cpu", "memory", *(["gpu"] if gpu else [])]
    metric = draw(st.sampled_from(metrics))
    least = draw(st.integers(0 if metric == "rate" and protocol in ZERO_PROTOCOLS else 1, 60))
    return {
        "name": draw(NAMES),
        "owner": draw(TEAMS),
        "tier": draw(st.integers(1, 3)),
        "model": model,
        "protocol": protocol,
        "handler": "handler.py" if kind == "ensemble" or draw(st.booleans()) else None,
        "features": "features.yaml" if "features" in rules.needs else None,
        "resources": {"cpu": draw(st.sampled_from(["10m", 0.5, 256])), "memory": draw(st.sampled_from(["16Mi", "1G"]))},
        "gpu": gpu,
        "scaling": {
            "min": least,
            "max": max(1, least + draw(st.integers(0, 40))),
            "metric": metric,
            "target": draw(st.integers(1, 100_000)) / 1000,
        },
        "slo": {"availability": 99, "latency": []},
        "timeout": f"{draw(st.integers(10, 3_600_000))}ms",
    }


@st.composite
def environments(draw):
    least = draw(st.integers(0, 20))
    stacks = draw(st.lists(st.sampled_from(["prod-eks", "prod-onprem", "metal"]), min_size=1, unique=True))
    return environment(stacks=stacks, replicas={"min": least, "max": max(1, least + draw(st.integers(0, 30)))})


@given(specs(), environments(), st.integers(0, 100), st.sampled_from(["traefik", "envoy"]))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_valid_spec_renders_validly_in_any_environment_and_alike_when_repeated(changes, where, weight, gateway):
    stacks = (
        "stacks: [" + ", ".join(f"{{name: {name}, gateway: {{class: {gateway}}}}}" for name in where.stacks) + "]\n"
    )
    old, new = release(**changes), release(**{**changes, "description": "Another release."})
    of = scene(old, new, weights=(100 - weight, weight), where=where, stacks=stacks)
    first = render_manifests(of)  # validates every object before it gives any
    assert set(where.stacks) == {path.parent.name for path in first}
    assert render_manifests(of) == first


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["no", "0755", "12:30", "1e3", "~", ""])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@given(st.lists(st.dictionaries(st.text(), VALUES, min_size=1, max_size=5), min_size=1, max_size=3))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_reads_back_the_same(objects):
    assert list(yaml.safe_load_all(as_yaml(objects))) == objects


def test_a_rendering_does_not_depend_on_the_hash_seed():
    script = (
        "import hashlib; from tests.render.test_manifests import SCENES; from liftlock.render import render_manifests;"
        "print(hashlib.sha256(b''.join(t for s in SCENES.values() for t in render_manifests(s).values())).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(said) == 1
    assert len(SCENES) > 10
