"""The ClusterServingRuntime of our own model server: one per cluster, named by all InferenceServices of our formats."""

from __future__ import annotations

from typing import Any

from liftlock.release import OWN_FORMATS
from liftlock.render import pods, servers
from liftlock.render.inference import MODEL_DIRECTORY
from liftlock.render.stacks import Stack

Manifest = dict[str, Any]


def serving_runtime(stack: Stack) -> Manifest:
    """The runtime `liftlock-server` of a stack.

    An InferenceService adds its own `--model_name` and `--revision`; of a repeated argument the last wins.
    """
    return {
        "apiVersion": "serving.kserve.io/v1alpha1",
        "kind": "ClusterServingRuntime",
        "metadata": {"name": servers.OUR_RUNTIME},
        "spec": {
            "supportedModelFormats": [
                {"name": name, "version": "1", "autoSelect": False} for name in sorted(OWN_FORMATS)
            ],
            "protocolVersions": ["v1", "v2", "grpc-v2"],
            "containers": [_container(stack)],
            "volumes": [pods.TMP_VOLUME],
        },
    }


def _container(stack: Stack) -> Manifest:
    return {
        "name": "kserve-container",
        "image": stack.server_image,
        "args": [
            f"--model_dir={MODEL_DIRECTORY}",
            "--model_name={{.Name}}",
            "--host=0.0.0.0",
            f"--http_port={servers.HTTP_PORT}",
            f"--drain_seconds={servers.DRAIN_S}",
        ],
        "securityContext": pods.container_security(read_only=True),
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "volumeMounts": [pods.TMP_MOUNT],
        **servers.probes(servers.OURS, servers.HTTP_PORT),
    }
