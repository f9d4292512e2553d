"""What each path of the HTTP interface does. There is no loading or unloading of models: nothing to protect."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from serving import names, v1, v2
from serving.connection import Request, Response
from serving.errors import Malformed, Refused
from serving.gateway import MIRRORED
from serving.logs import Log
from serving.metrics import CONTENT_TYPE, Metrics
from serving.service import ModelService, Outputs

# Bodies above this are decoded on the worker's thread: a megabyte of JSON takes 10 ms.
LARGE_BODY = 64 << 10
SERVER_NAME = "liftlock"
EXTENSIONS = ["binary_tensor_data"]

Answer = Response | Awaitable[Response]
Action = Callable[[Request], Answer]


@dataclass(frozen=True)
class Route:
    """A path: its name in metrics, its method and its action."""

    name: str
    method: str
    action: Action


class Endpoints:
    """The HTTP interface of one service."""

    def __init__(self, model: str, revision: str, version: str, service: ModelService, log: Log) -> None:
        self._model = model
        self._revision = revision
        self._version = version
        self._service = service
        self._log = log
        self._metrics: Metrics = service.metrics
        self._revision_header = revision.encode()
        self._routes = self._table()

    def _table(self) -> Mapping[bytes, Route]:
        v1_path, v2_path = f"/v1/models/{self._model}", f"/v2/models/{self._model}"
        routes = {
            "/": Route("live", "GET", self._live),
            "/v1/models": Route("metadata", "GET", lambda _: _json({"models": [self._model]})),
            v1_path: Route("ready", "GET", self._model_ready),
            f"{v1_path}:predict": Route("v1_predict", "POST", self._predict),
            "/v2": Route("metadata", "GET", self._server_metadata),
            "/v2/health/live": Route("live", "GET", self._live),
            "/v2/health/ready": Route("ready", "GET", self._ready),
            "/metrics": Route("metrics", "GET", self._scrape),
        }
        for path in (v2_path, f"{v2_path}/versions/{self._revision}"):
            routes[path] = Route("metadata", "GET", self._model_metadata)
            routes[f"{path}/ready"] = Route("ready", "GET", self._model_ready)
            routes[f"{path}/infer"] = Route("v2_infer", "POST", self._infer)
        return {path.encode(): route for path, route in routes.items()}

    def answer(self, request: Request) -> Answer:
        """The answer, or a promise of one; either is counted and logged. Never raises."""
        route = "other"
        try:
            found = self._find(request)
            route = "mirror" if names.MIRROR_HEADER.encode() in request.headers else found.name
            MIRRORED.set(route == "mirror")
            self._check_address(request, found)
            answer = found.action(request)
        except Exception as error:
            return self._note(route, request, self._refusal(route, error))
        if isinstance(answer, Response):
            return self._note(route, request, answer)
        return self._later(route, request, answer)

    async def _later(self, route: str, request: Request, answer: Awaitable[Response]) -> Response:
        self._metrics.inflight += 1
        try:
            response = await answer
        except Exception as error:
            response = self._refusal(route, error)
        finally:
            self._metrics.inflight -= 1
        return self._note(route, request, response)

    def _note(self, route: str, request: Request, response: Response) -> Response:
        seconds = time.monotonic() - request.received
        self._metrics.answered(route, response.status, seconds)
        reason = None if response.status < 400 else response.body[:300].decode(errors="replace")
        self._log.access(route, response.status, seconds, reason)
        return response

    def _refusal(self, route: str, error: Exception) -> Response:
        if not isinstance(error, Refused):
            self._log.failure(route, error)
            return _json({"error": "the server failed; its log says how"}, 500)
        if error.rejection is not None:
            self._metrics.reject(error.rejection)
        if error.__cause__ is not None and error.status >= 500:
            self._log.failure(route, error)
        headers = () if error.retry_after is None else (b"retry-after: %d" % error.retry_after,)
        if isinstance(error, _WrongMethod):
            headers = (b"allow: " + error.allowed,)
        return _json({"error": error.reason}, error.status, headers)

    def _find(self, request: Request) -> Route:
        if request.fault is not None:
            raise Malformed(request.fault.reason, status=request.fault.status)
        path = request.target.partition(b"?")[0]
        route = self._routes.get(path)
        if route is None and path[:7].lower() == b"http://":
            path = b"/" + path[7:].partition(b"/")[2]
            route = self._routes.get(path)
        if route is None and b"%" in path:
            route = self._routes.get(unquote(path.decode("latin-1")).encode())
        if route is None:
            raise Malformed(self._unknown(path), status=404)
        return route

    def _unknown(self, path: bytes) -> str:
        prefix, _, name = path.partition(b"/models/")
        if prefix in (b"/v1", b"/v2") and name.partition(b"/")[0].partition(b":")[0] != self._model.encode():
            return f"this server's only model is {self._model}"
        return "there is nothing at this path"

    def _check_address(self, request: Request, route: Route) -> None:
        method = "GET" if request.method == "HEAD" else request.method
        if method != route.method:
            raise _WrongMethod(route.method)
        wanted = request.headers.get(names.REVISION_HEADER.encode())
        if wanted is not None and wanted != self._revision_header:
            raise Malformed(f"this is {self._revision}, not the revision asked for", status=421)

    # health and metadata

    def _live(self, _: Request) -> Response:
        return _json({"live": True})

    def _ready(self, _: Request) -> Response:
        return self._readiness({"ready": True})

    def _model_ready(self, _: Request) -> Response:
        return self._readiness({"name": self._model, "ready": True})

    def _readiness(self, answer: dict[str, Any]) -> Response:
        if self._service.ready:
            return _json(answer)
        return _json({**answer, "ready": False, "error": self._service.not_ready}, 503)

    def _server_metadata(self, _: Request) -> Response:
        return _json({"name": SERVER_NAME, "version": self._version, "extensions": EXTENSIONS})

    def _model_metadata(self, _: Request) -> Response:
        config = self._service.config
        return _json(v2.metadata(self._model, self._revision, config.format, config.features))

    def _scrape(self, _: Request) -> Response:
        return Response(200, self._metrics.render(), CONTENT_TYPE.encode())

    # predictions

    def _infer(self, request: Request) -> Answer:
        length = _json_length(request)
        if len(request.body) <= LARGE_BODY:
            now = self._service.answer_now(lambda predict: self._infer_with(request, length, predict))
            if now is not None:
                return now
        return self._infer_later(request, length)

    def _infer_with(self, request: Request, length: str | None, predict: Callable[[Any], Outputs]) -> Response:
        asked = v2.decode(request.body, length)
        return self._encode_v2(asked, predict(asked.tensors))

    async def _infer_later(self, request: Request, length: str | None) -> Response:
        asked: list[v2.InferRequest] = []

        def decode() -> Any:
            asked.append(v2.decode(request.body, length))
            return asked[0].tensors

        large = len(request.body) > LARGE_BODY
        return await self._service.answer(decode, lambda outputs: self._encode_v2(asked[0], outputs), large=large)

    def _encode_v2(self, asked: v2.InferRequest, outputs: Outputs) -> Response:
        body, json_length = v2.encode(asked, outputs, self._model, self._revision)
        if json_length is None:
            return Response(200, body)
        header = b"%b: %d" % (v2.JSON_LENGTH_HEADER.encode(), json_length)
        return Response(200, body, b"application/octet-stream", (header,))

    def _predict(self, request: Request) -> Answer:
        _check_content(request, binary=False)
        features = self._service.config.features
        if len(request.body) <= LARGE_BODY:
            now = self._service.answer_now(
                lambda predict: Response(200, v1.encode(predict(v1.decode(request.body, features))))
            )
            if now is not None:
                return now
        return self._service.answer(
            lambda: v1.decode(request.body, features),
            lambda outputs: Response(200, v1.encode(outputs)),
            large=len(request.body) > LARGE_BODY,
        )


class _WrongMethod(Malformed):
    def __init__(self, allowed: str) -> None:
        super().__init__(f"{allowed} is wanted here", status=405)
        self.allowed = allowed.encode()


def _json_length(request: Request) -> str | None:
    """The binary extension's header, once the content's type is known to be one of the two allowed."""
    length = request.headers.get(v2.JSON_LENGTH_HEADER.encode())
    _check_content(request, binary=length is not None)
    return None if length is None else length.decode("latin-1")


def _check_content(request: Request, *, binary: bool) -> None:
    """Raises Malformed (415) for content that is neither JSON nor, where allowed, JSON followed by binary data."""
    if request.headers.get(b"content-encoding", b"identity").lower() not in (b"identity", b""):
        raise Malformed("content-encoding: only plain content is taken", status=415)
    kind = request.headers.get(b"content-type")
    if kind is None or kind == b"application/json":
        return
    media = kind.partition(b";")[0].strip().lower()
    if media == b"application/json" or (binary and media == b"application/octet-stream"):
        return
    raise Malformed("content-type: application/json is wanted", status=415)


def _json(value: Mapping[str, Any], status: int = 200, headers: tuple[bytes, ...] = ()) -> Response:
    return Response(status, orjson.dumps(value), headers=headers)
