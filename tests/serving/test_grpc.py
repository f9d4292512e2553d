"""V2 over gRPC, spoken by KServe's own generated client."""

import grpc
import numpy as np
import pytest
from kserve.protocol.grpc import grpc_predict_v2_pb2 as messages
from kserve.protocol.grpc.grpc_predict_v2_pb2_grpc import GRPCInferenceServiceStub

ROW = [12, 50.0, 1]


@pytest.fixture(scope="module")
def server(serve, bundle):
    return serve(bundle(), "--grpc_port", "0")


@pytest.fixture(scope="module")
def stub(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        yield GRPCInferenceServiceStub(channel)


def request(**override):
    contents = messages.InferTensorContents(fp64_contents=ROW)
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="FP64", shape=[1, 3], contents=contents)
    return messages.ModelInferRequest(**({"model_name": "churn", "id": "7", "inputs": [tensor]} | override))


def test_typed_contents_get_the_answer_http_gives(server, stub, v2):
    answer = stub.ModelInfer(request())
    assert (answer.id, answer.model_name, answer.model_version) == ("7", "churn", "churn-1a2b3c4d")
    assert list(answer.outputs[0].contents.fp32_contents) == server.infer(v2([ROW])).values


def test_raw_contents_get_raw_contents(server, stub, v2):
    tensor = messages.ModelInferRequest.InferInputTensor(name="x", datatype="FP32", shape=[2, 3])
    raw = np.array([ROW, ROW], dtype="<f4").tobytes()
    answer = stub.ModelInfer(request(inputs=[tensor], raw_input_contents=[raw]))
    assert np.frombuffer(answer.raw_output_contents[0], "<f4").tolist() == server.infer(v2([ROW, ROW])).values


def test_health_and_metadata(stub):
    assert stub.ServerLive(messages.ServerLiveRequest()).live
    assert stub.ServerReady(messages.ServerReadyRequest()).ready
    assert stub.ModelReady(messages.ModelReadyRequest(name="churn")).ready
    assert stub.ServerMetadata(messages.ServerMetadataRequest()).name == "liftlock"
    described = stub.ModelMetadata(messages.ModelMetadataRequest(name="churn"))
    assert [tensor.name for tensor in described.inputs] == ["tenure", "spend", "contract"]


def tensor(**override):
    return messages.ModelInferRequest.InferInputTensor(
        **({"name": "x", "datatype": "FP64", "shape": [1, 3]} | override)
    )


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ({"model_name": "other"}, "NOT_FOUND"),
        ({"model_version": "9"}, "NOT_FOUND"),
        ({"inputs": []}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor()]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(shape=[-1, 3])]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor(datatype="FP16")]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor()], "raw_input_contents": [b"123"]}, "INVALID_ARGUMENT"),
        ({"inputs": [tensor()], "raw_input_contents": [b"", b""]}, "INVALID_ARGUMENT"),
        (
            {"inputs": [tensor(datatype="BYTES", shape=[1])], "raw_input_contents": [b"\xff\xff\xff\xff"]},
            "INVALID_ARGUMENT",
        ),
    ],
)
def test_a_malformed_request_is_refused_with_a_reason(stub, override, code):
    with pytest.raises(grpc.RpcError) as caught:
        stub.ModelInfer(request(**override))
    assert caught.value.code() == grpc.StatusCode[code]
    assert caught.value.details()


def test_nobody_can_load_or_unload_a_model(stub):
    with pytest.raises(grpc.RpcError) as caught:
        stub.RepositoryModelUnload(messages.RepositoryModelUnloadRequest(model_name="churn"))
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_over_the_limit_is_refused(serve, bundle):
    small = serve(bundle(max_body_bytes=2000), "--grpc_port", "0")
    with grpc.insecure_channel(f"127.0.0.1:{small.grpc_port}") as channel, pytest.raises(grpc.RpcError) as caught:
        GRPCInferenceServiceStub(channel).ModelInfer(request(id="a" * 3000))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_grpc_requests_are_counted_and_carry_the_revision(server, stub):
    before = server.metric("liftlock_requests_total", route="grpc_infer", code="200")
    _, call = stub.ModelInfer.with_call(request())
    assert ("x-liftlock-revision", "churn-1a2b3c4d") in [tuple(pair) for pair in call.trailing_metadata()]
    assert server.metric("liftlock_requests_total", route="grpc_infer", code="200") == before + 1
    with pytest.raises(grpc.RpcError):
        stub.ModelInfer(request(), metadata=[("x-liftlock-revision", "churn-00000000")])


def test_a_drain_finishes_grpc_too(serve, bundle):
    server = serve(bundle(), "--grpc_port", "0")
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        GRPCInferenceServiceStub(channel).ModelInfer(request())
        assert server.stop() == 0
