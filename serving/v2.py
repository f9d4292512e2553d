"""The V2 (open inference) protocol over HTTP: JSON, and its binary-data extension as stock KServe speaks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from serving.config import Feature
from serving.errors import InvalidInput, Malformed
from serving.tensors import Array, Tensor, check_header, datatype_of, flat, from_raw, to_raw, to_texts

JSON_LENGTH_HEADER = "inference-header-content-length"


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A prediction asked for; `outputs` are those wanted, with whether as binary, or None for all."""

    id: str | None
    tensors: Sequence[Tensor]
    outputs: Mapping[str, bool] | None = None
    binary: bool = False


def decode_json(body: bytes | memoryview) -> Any:
    """The body as JSON, and NaN, which Python clients write for missing numbers. Raises Malformed."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if b"NaN" not in bytes(body):
            raise Malformed(f"the body is not JSON: {error}") from None
    try:
        value = json.loads(bytes(body), parse_constant=_constant)
        orjson.dumps(value)  # lone surrogates and boundless integers, which json lets through
    except (ValueError, TypeError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    return value


def _constant(name: str) -> float:
    if name == "NaN":
        return float("nan")
    raise ValueError(f"{name} is not a number of JSON")


def decode(body: bytes, json_length: str | None = None) -> InferRequest:
    """A V2 request body; `json_length` is the binary extension's header. Raises Malformed or InvalidInput."""
    if json_length is None:
        return parse(decode_json(body), memoryview(b""))
    if not (json_length.isascii() and json_length.isdigit()) or int(json_length) > len(body):
        raise Malformed(f"{JSON_LENGTH_HEADER}: a length within the body is wanted")
    view = memoryview(body)
    return parse(decode_json(view[: int(json_length)]), view[int(json_length) :])


def parse(value: Any, binary: memoryview) -> InferRequest:
    """A decoded V2 request, with the bytes that followed its JSON."""
    if type(value) is not dict:
        raise Malformed("the body is not a JSON object")
    request_id = value.get("id")
    if request_id is not None and type(request_id) is not str:
        raise InvalidInput("id: text is wanted")
    inputs = value.get("inputs")
    if type(inputs) is not list or not inputs:
        raise InvalidInput("inputs: a list of tensors is wanted")
    tensors = []
    for item in inputs:
        tensor, binary = _tensor(item, binary)
        tensors.append(tensor)
    if len(binary):
        raise InvalidInput(f"{len(binary)} bytes follow the last tensor")
    outputs = value.get("outputs")
    parameters = _parameters("parameters", value.get("parameters"))
    return InferRequest(
        request_id,
        tensors,
        None if not outputs else _outputs(outputs),
        parameters.get("binary_data_output") is True,
    )


def _tensor(item: Any, binary: memoryview) -> tuple[Tensor, memoryview]:
    if type(item) is not dict:
        raise InvalidInput("inputs: each is an object")
    name, datatype, shape = check_header(item.get("name"), item.get("datatype"), item.get("shape"))
    data = item.get("data")
    parameters = item.get("parameters")
    if data is not None:
        if datatype == "FP16":
            raise InvalidInput(f"{name}: FP16 travels as binary data only")
        return Tensor(name, datatype, shape, flat(name, shape, data)), binary
    size = _parameters(name, parameters).get("binary_data_size")
    if type(size) is not int or not 0 <= size <= len(binary):
        raise InvalidInput(f"{name}: data, or a binary_data_size within the body, is wanted")
    return from_raw(name, datatype, shape, binary[:size]), binary[size:]


def _parameters(where: str, value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise InvalidInput(f"{where}: parameters are an object")
    return value


def _outputs(value: Any) -> dict[str, bool]:
    if type(value) is not list:
        raise InvalidInput("outputs: a list is wanted")
    wanted: dict[str, bool] = {}
    for item in value:
        if type(item) is not dict or type(item.get("name")) is not str:
            raise InvalidInput("outputs: each is an object with a name")
        wanted[item["name"]] = _parameters(item["name"], item.get("parameters")).get("binary_data") is True
    return wanted


def select(request: InferRequest, outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """The outputs asked for. Raises InvalidInput for one that does not exist."""
    if request.outputs is None:
        return outputs
    for name in request.outputs:
        if name not in outputs:
            raise InvalidInput(f"{name}: is not an output; they are {', '.join(outputs)}")
    return {name: outputs[name] for name in request.outputs}


def encode(request: InferRequest, outputs: Mapping[str, Array], model: str, revision: str) -> tuple[bytes, int | None]:
    """The answer's body, and the length of its JSON where binary data follows it."""
    described: list[dict[str, Any]] = []
    raw: list[bytes] = []
    for name, array in select(request, outputs).items():
        datatype = datatype_of(array)
        output: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
        binary = request.binary if request.outputs is None else request.outputs[name]
        if binary or datatype == "FP16":
            raw.append(to_raw(array))
            output["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            output["data"] = to_texts(array) if datatype == "BYTES" else array.ravel().tolist()
        described.append(output)
    answer = {"model_name": model, "model_version": revision, "id": request.id or "", "outputs": described}
    text = orjson.dumps(answer)
    return (text, None) if not raw else (b"".join([text, *raw]), len(text))


def metadata(name: str, revision: str, platform: str, features: Sequence[Feature] | None) -> dict[str, Any]:
    """A model's V2 metadata; inputs as declared, outputs unknown before the first prediction."""
    kinds = {"float": "FP64", "integer": "INT64", "boolean": "BOOL", "string": "BYTES", "tensor": "FP32"}
    inputs = [
        {"name": feature.name, "datatype": kinds[feature.type], "shape": list(feature.shape or (-1,))}
        for feature in features or ()
    ]
    return {"name": name, "versions": [revision], "platform": platform, "inputs": inputs, "outputs": []}
