"""A release as an InferenceService, in Standard mode, and what guards its replicas."""

from __future__ import annotations

import math
from typing import Any

from liftlock.conventions import LABEL_REVISION
from liftlock.environment import Environment
from liftlock.release import Release
from liftlock.render import pods, scaling, servers
from liftlock.render.bundles import bundle_uri, model_uri
from liftlock.render.stacks import Stack
from liftlock.spec.model import Spec

Manifest = dict[str, Any]

MODEL_DIRECTORY = "/mnt/models"
# An ensemble's handler calls other services here; `{service}` becomes the name (serving/names.py).
GATEWAY_VARIABLE = "LIFTLOCK_GATEWAY"


def inference_service(
    release: Release, environment: Environment, stack: Stack, metadata: Manifest, standing: scaling.Standing
) -> Manifest:
    """The release's InferenceService. `metadata` is every object's of this revision: namespace, labels, annotations."""
    spec = release.spec
    annotations = {
        **metadata["annotations"],
        "serving.kserve.io/deploymentMode": "Standard",
        "serving.kserve.io/autoscalerClass": scaling.autoscaler(spec, environment.replicas),
    }
    components = {"predictor": _predictor(release, environment, stack, standing)}
    if servers.has_transformer(spec):
        components["transformer"] = _transformer(release, environment, stack, standing)
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {**metadata, "name": release.revision, "annotations": annotations},
        "spec": components,
    }


def _predictor(release: Release, environment: Environment, stack: Stack, standing: scaling.Standing) -> Manifest:
    spec, server = release.spec, servers.server_of(release.spec)
    component = {
        **pods.common(spec, release.revision, release.service, server),
        **pods.placement(spec),
        "timeout": math.ceil(spec.timeout.seconds),
        **scaling.component_scaling(spec, environment.replicas, stack, standing),
    }
    if server.runtime is None:
        image = {"name": "kserve-container", "image": spec.model.image}
        return {**component, "containers": [{**image, **_container(release, stack, environment)}]}
    return {**component, "model": _model(release, stack, environment)}


def _model(release: Release, stack: Stack, environment: Environment) -> Manifest:
    spec = release.spec
    kind = spec.model.format
    return {
        "modelFormat": {"name": servers.MODEL_FORMATS.get(kind, kind)},
        "runtime": servers.server_of(spec).runtime,
        **({"protocolVersion": spec.protocol} if spec.protocol != "openai" else {}),
        "storageUri": model_uri(release, stack),
        **_container(release, stack, environment),
    }


def _container(release: Release, stack: Stack, environment: Environment) -> Manifest:
    """The container that serves the model, or what is added to its runtime's."""
    spec, server = release.spec, servers.server_of(release.spec)
    _, lifecycle = pods.ending(spec, server)
    fields = {
        "args": _arguments(release),
        "env": _variables(spec, stack, environment),
        "ports": servers.ports(spec),
        "resources": pods.resources(spec),
        "securityContext": pods.container_security(read_only=server.ours),
        **({} if server.ours else servers.probes(server, servers.http_port(spec))),
        **lifecycle,
    }
    return {key: value for key, value in fields.items() if value}


def _arguments(release: Release) -> list[str]:
    """What follows the runtime's own arguments; of a repeated one the last occurrence wins."""
    spec, server = release.spec, servers.server_of(release.spec)
    named = [f"{server.takes_name}={release.service}"] if server.takes_name else []
    if server.ours:
        named.append(f"--revision={release.revision}")
        if spec.protocol == "grpc-v2":
            named.append(f"--grpc_port={servers.GRPC_PORT}")
    return [*named, *spec.model.arguments]


def _variables(spec: Spec, stack: Stack, environment: Environment) -> list[dict[str, str]]:
    values = dict(spec.model.variables)
    if spec.model.format == "ensemble":
        values[GATEWAY_VARIABLE] = f"http://{{service}}.{stack.domain_in(environment.name)}"
    if spec.model.format in ("huggingface", "vllm"):
        # The images expect to run as root: as another user they need a place to write, and a name in no passwd.
        values = {"HOME": pods.TMP, "USER": "liftlock", **values}
    return [{"name": name, "value": values[name]} for name in sorted(values)]


def _transformer(release: Release, environment: Environment, stack: Stack, standing: scaling.Standing) -> Manifest:
    """The handler in our server, before a server that is not ours; KServe adds `--predictor_host`."""
    spec, server = release.spec, servers.OURS
    assert release.contents.handler is not None  # cut stores the handler a spec names
    container = {
        "name": "kserve-container",
        "image": stack.server_image,
        "args": [
            f"--model_dir={MODEL_DIRECTORY}",
            f"--model_name={release.service}",
            f"--revision={release.revision}",
            "--host=0.0.0.0",
            f"--http_port={servers.HTTP_PORT}",
            f"--drain_seconds={servers.DRAIN_S}",
        ],
        "env": [{"name": "STORAGE_URI", "value": bundle_uri(stack, release.service, release.contents.handler)}],
        "ports": [{"name": "http", "containerPort": servers.HTTP_PORT, "protocol": "TCP"}],
        "resources": TRANSFORMER_RESOURCES,
        "securityContext": pods.container_security(read_only=True),
        "volumeMounts": [pods.TMP_MOUNT],
        **servers.probes(server, servers.HTTP_PORT),
    }
    return {
        **pods.common(spec, release.revision, release.service, server),
        "timeout": math.ceil(spec.timeout.seconds),
        **scaling.transformer_scaling(spec, environment.replicas, stack, standing),
        "containers": [container],
        "volumes": [pods.TMP_VOLUME],
    }


# A handler's own share, beside the model's: text in, text out.
TRANSFORMER_RESOURCES: Manifest = {
    "requests": {"cpu": "500m", "memory": "512Mi"},
    "limits": {"cpu": "500m", "memory": "512Mi"},
}


def disruption_budget(revision: str, metadata: Manifest) -> Manifest:
    """At most a quarter of a revision's replicas, and of few one, may be drained at once.

    A bound on what is missing, not on what is there: one replica must not keep its node from ever being drained.
    """
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {**metadata, "name": revision},
        "spec": {
            "maxUnavailable": "25%",
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {LABEL_REVISION: revision}},
        },
    }
