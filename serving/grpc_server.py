"""The V2 protocol over gRPC, with KServe's own messages. Imported only where a gRPC port is asked for."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import grpc  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]

from serving import names, v2
from serving.endpoints import EXTENSIONS, SERVER_NAME
from serving.errors import InvalidInput, Malformed, Refused
from serving.logs import Log
from serving.service import ModelService, Outputs
from serving.tensors import Array, Tensor, check_header, datatype_of, flat, from_raw, to_raw

if TYPE_CHECKING:
    from serving.settings import Settings

ROUTE = "grpc_infer"
CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    421: grpc.StatusCode.FAILED_PRECONDITION,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    502: grpc.StatusCode.UNAVAILABLE,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


def load_messages() -> ModuleType:
    """KServe's generated messages, from their file: `import kserve` would bring 1,500 modules and 120 MB along."""
    name = "kserve.protocol.grpc.grpc_predict_v2_pb2"
    if name in sys.modules:
        return sys.modules[name]
    package = importlib.util.find_spec("kserve")
    if package is None or not package.submodule_search_locations:
        raise ImportError("kserve is not installed")
    path = Path(package.submodule_search_locations[0]) / "protocol" / "grpc" / "grpc_predict_v2_pb2.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module


def _tensor(item: Any, raw: bytes | None) -> Tensor:
    name, datatype, shape = check_header(item.name, item.datatype, list(item.shape))
    if raw is not None:
        if item.HasField("contents"):
            raise InvalidInput(f"{name}: contents and raw contents are both given")
        return from_raw(name, datatype, shape, raw)
    contents = CONTENTS.get(datatype)
    if contents is None:
        raise InvalidInput(f"{name}: {datatype} travels as raw contents only")
    data = list(getattr(item.contents, contents))
    if datatype == "BYTES":
        data = [_text(name, value) for value in data]
    return Tensor(name, datatype, shape, flat(name, shape, data))


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{name}: texts are UTF-8") from None


def decode(request: Any) -> v2.InferRequest:
    """A ModelInferRequest as ours. Raises InvalidInput."""
    raw: Sequence[bytes | None] = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        raise InvalidInput(f"{len(request.inputs)} inputs and {len(raw)} raw contents")
    tensors = [
        _tensor(item, part) for item, part in zip(request.inputs, raw or [None] * len(request.inputs), strict=True)
    ]
    if not tensors:
        raise InvalidInput("inputs: a list of tensors is wanted")
    outputs = {output.name: False for output in request.outputs} or None
    return v2.InferRequest(request.id or None, tensors, outputs, binary=bool(raw))


def encode(messages: Any, asked: v2.InferRequest, outputs: Mapping[str, Array], model: str, revision: str) -> Message:
    """The answer as a ModelInferResponse: raw contents where the request had them, or where FP16 leaves no choice."""
    selected = v2.select(asked, outputs)
    answer = messages.ModelInferResponse(model_name=model, model_version=revision, id=asked.id or "")
    use_raw = asked.binary or any(datatype_of(array) == "FP16" for array in selected.values())
    for name, array in selected.items():
        datatype = datatype_of(array)
        output = answer.outputs.add(name=name, datatype=datatype, shape=array.shape)
        if use_raw:
            answer.raw_output_contents.append(to_raw(array))
        elif datatype == "BYTES":
            output.contents.bytes_contents.extend(_bytes(value) for value in array.ravel())
        else:
            getattr(output.contents, CONTENTS[datatype]).extend(array.ravel().tolist())
    return answer


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


class Servicer:
    """The service's methods. Loading and unloading are not among them: they answer UNIMPLEMENTED."""

    def __init__(self, settings: Settings, service: ModelService, log: Log, version: str) -> None:
        self._messages: Any = load_messages()
        self._settings = settings
        self._service = service
        self._log = log
        self._version = version

    def handlers(self) -> grpc.GenericRpcHandler:
        """The methods, each under the names of its messages."""
        methods: dict[str, Callable[[Any, Any], Awaitable[Any]]] = {
            "ServerLive": self._server_live,
            "ServerReady": self._server_ready,
            "ModelReady": self._model_ready,
            "ServerMetadata": self._server_metadata,
            "ModelMetadata": self._model_metadata,
            "ModelInfer": self._model_infer,
        }
        return grpc.method_handlers_generic_handler(
            "inference.GRPCInferenceService",
            {
                name: grpc.unary_unary_rpc_method_handler(
                    partial(self._guarded, ROUTE if name == "ModelInfer" else "grpc_other", method),
                    request_deserializer=getattr(self._messages, f"{name}Request").FromString,
                    response_serializer=getattr(self._messages, f"{name}Response").SerializeToString,
                )
                for name, method in methods.items()
            },
        )

    async def _guarded(self, route: str, method: Any, request: Any, context: Any) -> Any:
        """Count, log and turn refusals into status codes."""
        started = time.monotonic()
        context.set_trailing_metadata(((names.REVISION_HEADER, self._settings.revision),))
        metrics = self._service.metrics
        metrics.inflight += 1
        status, reason, answer = 200, "", None
        try:
            answer = await method(request, context)
        except Refused as error:
            status, reason = error.status, error.reason
            if error.rejection is not None:
                metrics.reject(error.rejection)
            if error.__cause__ is not None and status >= 500:
                self._log.failure(route, error)
        except Exception as error:
            status, reason = 500, "the server failed; its log says how"
            self._log.failure(route, error)
        finally:
            metrics.inflight -= 1
        seconds = time.monotonic() - started
        metrics.answered(route, status, seconds)
        self._log.access(route, status, seconds, reason)
        if answer is None:
            await context.abort(CODES.get(status, grpc.StatusCode.INTERNAL), reason)
        return answer

    def _check_model(self, name: str, version: str) -> None:
        if name != self._settings.model_name:
            raise Malformed(f"this server's only model is {self._settings.model_name}", status=404)
        if version not in ("", self._settings.revision):
            raise Malformed(f"this is {self._settings.revision}, not the version asked for", status=404)

    async def _server_live(self, _: Any, __: Any) -> Any:
        return self._messages.ServerLiveResponse(live=True)

    async def _server_ready(self, _: Any, __: Any) -> Any:
        return self._messages.ServerReadyResponse(ready=self._service.ready)

    async def _model_ready(self, request: Any, _: Any) -> Any:
        self._check_model(request.name, request.version)
        return self._messages.ModelReadyResponse(ready=self._service.ready)

    async def _server_metadata(self, _: Any, __: Any) -> Any:
        return self._messages.ServerMetadataResponse(name=SERVER_NAME, version=self._version, extensions=EXTENSIONS)

    async def _model_metadata(self, request: Any, _: Any) -> Any:
        self._check_model(request.name, request.version)
        config = self._service.config
        described = v2.metadata(request.name, self._settings.revision, config.format, config.features)
        return self._messages.ModelMetadataResponse(**described)

    async def _model_infer(self, request: Any, context: Any) -> Any:
        self._check_model(request.model_name, request.model_version)
        headers = dict(context.invocation_metadata() or ())
        wanted = headers.get(names.REVISION_HEADER)
        if wanted not in (None, self._settings.revision):
            raise Malformed(f"this is {self._settings.revision}, not the revision asked for", status=421)
        asked = decode(request)

        def encoded(outputs: Outputs) -> Message:
            return encode(self._messages, asked, outputs, request.model_name, self._settings.revision)

        now = self._service.answer_now(lambda predict: encoded(predict(list(asked.tensors))))
        if now is not None:
            return now
        return await self._service.answer(lambda: list(asked.tensors), encoded)


async def start_grpc(settings: Settings, service: ModelService, log: Log, version: str) -> Any:
    """A started gRPC server on the event loop. Raises OSError where the address is taken."""
    limit = service.config.max_body_bytes
    options = [
        ("grpc.max_receive_message_length", limit),
        ("grpc.max_send_message_length", -1),
        ("grpc.so_reuseport", 0),
        ("grpc.max_metadata_size", settings.limits.head_bytes),
    ]
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers((Servicer(settings, service, log, version).handlers(),))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.grpc_port}")
    except RuntimeError as error:
        raise OSError(98, f"gRPC port {settings.grpc_port} cannot be had") from error
    await server.start()
    log.event("grpc", port=port)
    return server
