"""The model servers that run each format: their runtime, ports, probes and what they tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from liftlock.conventions import METRIC_INFLIGHT, METRIC_REQUESTS
from liftlock.spec.model import Spec

OUR_RUNTIME = "liftlock-server"
HTTP_PORT, GRPC_PORT, TRITON_METRICS_PORT = 8080, 9000, 8002
# The port of the Kubernetes Service that KServe makes for a component's first port.
SERVICE_PORT = 80
# Seconds from SIGTERM until no gateway sends anything more: endpoints are withdrawn in that time. In Standard mode
# nothing stands before the server, and a listener that closes at once refuses those requests.
DRAIN_S = 10
# Seconds after the last request may have ended until a container is killed.
SPARE_S = 10


@dataclass(frozen=True)
class Server:
    """One kind of model server."""

    runtime: str | None
    """The ClusterServingRuntime; None for an image of the team's own."""
    ready: str | None
    """Path that answers 200 once this model does; None: the port is open."""
    live: str | None = None
    metrics_port: str | None = "http"
    """The named port with `/metrics`; None where there are none."""
    in_flight: str | None = None
    """PromQL of requests in flight, by `{pods}`, a selector of one revision's pods."""
    served: str | None = None
    """PromQL of requests a second, by `{pods}`."""
    takes_name: str | None = None
    """The argument that names the model in paths; the last occurrence wins."""
    load_s: int = 300
    """Seconds a replica may take until it is ready; models of many gigabytes take minutes to load."""

    @property
    def ours(self) -> bool:
        return self.runtime == OUR_RUNTIME


OURS = Server(
    OUR_RUNTIME,
    ready="/v2/health/ready",
    live="/v2/health/live",
    in_flight=f"sum({METRIC_INFLIGHT}{{pods}})",
    served=f"sum(rate({METRIC_REQUESTS}{{pods}}[1m]))",
    takes_name="--model_name",
    load_s=120,
)
_VLLM_IN_FLIGHT = "sum(vllm:num_requests_running{pods}) + sum(vllm:num_requests_waiting{pods})"
_VLLM_SERVED = "sum(rate(vllm:request_success_total{pods}[1m]))"
SERVERS: dict[str, Server] = {
    **dict.fromkeys(("sklearn", "xgboost", "lightgbm", "onnx", "ensemble"), OURS),
    "huggingface": Server(
        "kserve-huggingfaceserver",
        ready="/v2/health/ready",
        live="/v2/health/live",
        in_flight=_VLLM_IN_FLIGHT,
        served=_VLLM_SERVED,
        takes_name="--model_name",
        load_s=1800,
    ),
    "vllm": Server(
        "kserve-vllmserver",
        ready="/v1/models",
        live="/health",
        in_flight=_VLLM_IN_FLIGHT,
        served=_VLLM_SERVED,
        takes_name="--served-model-name",
        load_s=1800,
    ),
    "triton": Server(
        "kserve-tritonserver",
        ready="/v2/health/ready",
        live="/v2/health/live",
        metrics_port="metrics",
        in_flight="sum(nv_inference_pending_request_count{pods})",
        served="sum(rate(nv_inference_request_success{pods}[1m]))",
        load_s=900,
    ),
    "custom": Server(None, ready=None, metrics_port=None, load_s=600),
}
# The name KServe's runtimes know a format by.
MODEL_FORMATS = {"vllm": "vLLM"}
RUNTIMES = frozenset(server.runtime for server in SERVERS.values() if server.runtime)


def server_of(spec: Spec) -> Server:
    """The server that runs a spec's model."""
    return SERVERS[spec.model.format]


def has_transformer(spec: Spec) -> bool:
    """Whether the handler runs in front of the model's server: ours runs it inside."""
    return spec.handler is not None and not server_of(spec).ours


def entry_service(spec: Spec, revision: str) -> str:
    """The Kubernetes Service, made by KServe, that a revision's requests enter by."""
    return f"{revision}-{'transformer' if has_transformer(spec) else 'predictor'}"


def http_port(spec: Spec) -> int:
    """Where the model's server listens for HTTP."""
    return spec.model.port if spec.model.format == "custom" else HTTP_PORT


def ports(spec: Spec) -> list[dict[str, Any]]:
    """The container's named ports, the one users reach by HTTP first."""
    named = [{"name": "http", "containerPort": http_port(spec), "protocol": "TCP"}]
    if spec.protocol == "grpc-v2":
        named.append({"name": "h2c", "containerPort": GRPC_PORT, "protocol": "TCP"})
    if spec.model.format == "triton":
        named.append({"name": "metrics", "containerPort": TRITON_METRICS_PORT, "protocol": "TCP"})
    return named


def probes(server: Server, port: int) -> dict[str, Any]:
    """Ready when this model answers; killed only when the process does not; given its time to load."""
    ready = {"httpGet": {"path": server.ready, "port": port}} if server.ready else {"tcpSocket": {"port": port}}
    live = {"httpGet": {"path": server.live, "port": port}} if server.live else {"tcpSocket": {"port": port}}
    tries = -(-server.load_s // 5)
    return {
        "startupProbe": {**ready, "periodSeconds": 5, "failureThreshold": tries, "timeoutSeconds": 5},
        "readinessProbe": {**ready, "periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 2},
        "livenessProbe": {**live, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
    }
