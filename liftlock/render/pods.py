"""What every pod of a revision gets: resources, GPUs, a place, and no rights it does not need."""

from __future__ import annotations

import math
from typing import Any

from liftlock.conventions import LABEL_REVISION
from liftlock.render.servers import DRAIN_S, SPARE_S, Server
from liftlock.spec.gpu import GPU_CLASSES
from liftlock.spec.model import Gpu, Spec

# The user every server we choose runs as; a custom image brings its own, which may not be root.
USER = 1000
GPU_TAINT = "nvidia.com/gpu"
# Where a model has write access to nothing else.
TMP = "/tmp"
TMP_VOLUME = {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}
TMP_MOUNT = {"name": "tmp", "mountPath": TMP}


def resources(spec: Spec) -> dict[str, Any]:
    """Limits equal to requests: a replica is as fast in prod as its gate measured it, whoever its neighbours are.

    Both are said, because KServe fills in what is missing from its own defaults, and those may contradict.
    """
    amounts = {"cpu": str(spec.resources.cpu), "memory": str(spec.resources.memory)}
    if spec.gpu is not None:
        amounts[gpu_resource(spec.gpu)] = str(spec.gpu.count)
    return {"requests": amounts, "limits": dict(amounts)}


def gpu_resource(gpu: Gpu) -> str:
    """The extended resource NVIDIA's device plugin offers: whole GPUs, shares of one, or slices of one.

    Shares are renamed (`renameByDefault`) and slices named by profile (strategy `mixed`), so that nobody gets a share
    who asked for a whole one: k8s-device-plugin README, "Shared Access to GPUs" and "MIG support".
    """
    match gpu.sharing:
        case "exclusive":
            return "nvidia.com/gpu"
        case "time-sliced":
            return "nvidia.com/gpu.shared"
        case "mig":
            return f"nvidia.com/mig-{gpu.slice}"


def placement(spec: Spec) -> dict[str, Any]:
    """Onto nodes with its class of GPU, whose taint keeps everything else away."""
    if spec.gpu is None:
        return {}
    return {
        "nodeSelector": {"nvidia.com/gpu.product": GPU_CLASSES[spec.gpu.kind].product},
        "tolerations": [{"key": GPU_TAINT, "operator": "Exists", "effect": "NoSchedule"}],
    }


def spread(revision: str) -> list[dict[str, Any]]:
    """Replicas over zones and nodes where that can be had, so that one node's loss is nobody's outage."""
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {LABEL_REVISION: revision}},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def pod_security(server: Server) -> dict[str, Any]:
    """The pod's part of the Pod Security Standard `restricted`."""
    user = {} if server.runtime is None else {"runAsUser": USER, "runAsGroup": USER}
    return {"runAsNonRoot": True, **user, "fsGroup": USER, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security(*, read_only: bool) -> dict[str, Any]:
    """The container's part; our own server's file system is read-only too."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": True}
    return {**security, "readOnlyRootFilesystem": True} if read_only else security


def ending(spec: Spec, server: Server) -> tuple[int, dict[str, Any]]:
    """Seconds from the first signal to the kill, and the container's `lifecycle`.

    Ours goes on answering for DRAIN_S by itself; others close their listener at SIGTERM, so that waits (preStop).
    """
    grace = DRAIN_S + math.ceil(spec.timeout.seconds) + SPARE_S
    return grace, {} if server.ours else {"lifecycle": {"preStop": {"sleep": {"seconds": DRAIN_S}}}}


def common(spec: Spec, revision: str, service_account: str, server: Server) -> dict[str, Any]:
    """The pod-level fields of a component."""
    grace, _ = ending(spec, server)
    return {
        "serviceAccountName": service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace,
        "securityContext": pod_security(server),
        "topologySpreadConstraints": spread(revision),
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
    }
