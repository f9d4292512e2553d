"""A team's handler.py: what it is given, what it may return, and what its faults cost."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

ROW = [12, 50.0, 1]

RULES = """
import numpy as np
from serving import Handler as Base, InvalidInput

class Handler(Base):
    def load(self, bundle):
        self.threshold = float((bundle / "threshold.txt").read_text())

    def preprocess(self, inputs):
        assert all(column.shape == inputs["tenure"].shape for column in inputs.values())
        if (inputs["spend"] > 900).any():
            raise InvalidInput("spend: nobody spends that much")
        if (inputs["spend"] == 666).any():
            raise RuntimeError("the secret is 1234")
        return dict(inputs, tenure=np.minimum(inputs["tenure"], 60))

    def postprocess(self, outputs, inputs):
        leaving = outputs > self.threshold
        return {"leaving": leaving, "advice": np.where(leaving, "call", "wait"), "tenure": inputs["tenure"]}
"""


@pytest.fixture(scope="module")
def server(serve, bundle):
    return serve(bundle(handler=RULES, files={"threshold.txt": "0.5"}))


def test_a_handler_changes_inputs_and_names_outputs(server, v2):
    outputs = {output["name"]: output for output in server.infer(v2([ROW, [60, 100, 1]])).json["outputs"]}
    assert (outputs["leaving"]["datatype"], outputs["leaving"]["data"]) == ("BOOL", [False, True])
    assert (outputs["advice"]["datatype"], outputs["advice"]["data"]) == ("BYTES", ["wait", "call"])
    assert outputs["tenure"]["data"] == [12.0, 60.0]


def test_several_outputs_are_one_object_per_row_in_v1(server):
    answer = server.ask("POST", "/v1/models/churn:predict", {"instances": [ROW]})
    assert answer.json == {"predictions": [{"leaving": False, "advice": "wait", "tenure": 12.0}]}


def test_a_caller_may_ask_for_one_output(server, v2):
    answer = server.infer(v2([ROW], outputs=[{"name": "advice"}]))
    assert [output["name"] for output in answer.json["outputs"]] == ["advice"]


def test_an_input_the_handler_calls_bad_is_400_with_its_reason(server, v2):
    answer = server.infer(v2([[1, 950, 0]]))
    assert (answer.status, answer.json["error"]) == (400, "spend: nobody spends that much")


def test_a_handler_that_raises_costs_one_500_that_is_counted_logged_and_says_nothing_private(server, v2):
    before = server.metric("liftlock_requests_total", route="v2_infer", code="500")
    answer = server.infer(v2([[1, 666, 0]]))
    assert (answer.status, answer.json["error"]) == (500, "the handler's preprocess failed")
    assert server.metric("liftlock_requests_total", route="v2_infer", code="500") == before + 1
    failure = [event for event in server.events() if event["event"] == "failure"][-1]
    assert failure["error"] == "RuntimeError"
    assert 'raise RuntimeError("the secret' in failure["traceback"]
    assert server.infer(v2([ROW])).status == 200


def test_a_handler_may_choose_the_models_method(serve, bundle, v2):
    server = serve(bundle("sklearn", handler="class Handler:\n    method = 'predict_proba'\n"))
    output = server.infer(v2([ROW])).json["outputs"][0]
    assert output["shape"] == [1, 2]
    assert sum(output["data"]) == pytest.approx(1)


def test_tensors_reach_the_handler_in_their_shape(serve, bundle):
    handler = """
class Handler:
    def preprocess(self, inputs):
        return inputs["image"].reshape(len(inputs["image"]), -1)[:, :3]
"""
    features = [{"name": "image", "type": "tensor", "shape": [-1, 2, 2], "min": 0, "max": 16}]
    server = serve(bundle("sklearn", handler=handler, features=features))
    image = {"name": "image", "datatype": "FP32", "shape": [2, 2, 2], "data": [[[1, 2], [3, 4]], [[5, 6], [7, 80]]]}
    assert server.infer({"inputs": [image]}).status == 200
    assert server.ask("POST", "/v1/models/churn:predict", {"instances": [[[1, 2], [3, 4]]]}).status == 200
    assert server.metric("liftlock_feature_out_of_range_total", feature="image") == 1
    assert (
        "shape [-1, 2, 2] is wanted"
        in server.infer({"inputs": [image | {"shape": [1, 8], "data": [0] * 8}]}).json["error"]
    )


def test_texts_reach_the_handler_and_unknown_ones_are_counted(serve, bundle):
    handler = """
import numpy as np
class Handler:
    def preprocess(self, inputs):
        return np.array([[{"a": 0.0, "b": 1.0}.get(text, 2.0), 1.0, 1.0] for text in inputs["plan"]])
"""
    features = [{"name": "plan", "type": "string", "values": ["a", "b"], "missing": True}]
    server = serve(bundle("sklearn", handler=handler, features=features))
    plans = {"name": "plan", "datatype": "BYTES", "shape": [4], "data": ["a", "z", None, "\u00e9"]}
    assert server.infer({"inputs": [plans]}).status == 200
    assert server.metric("liftlock_feature_out_of_range_total", feature="plan") == 2
    assert server.metric("liftlock_feature_missing_total", feature="plan") == 1


def test_importing_what_a_handler_needs_does_not_import_numpy():
    code = "import sys, serving; sys.exit('numpy' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


ENSEMBLE = """
from serving import Handler as Base
class Handler(Base):
    async def predict(self, inputs, services):
        churn = await services["churn"]({"tenure": inputs["tenure"]})
        return {"keep": churn["output-0"] * 2}
"""


class Gateway(BaseHTTPRequestHandler):
    """Stands where the gateway does, and answers as `self.server.status` and `reply` say."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.seen.append((self.path, dict(self.headers), body))
        time.sleep(self.server.delay)
        content = self.server.reply if isinstance(self.server.reply, bytes) else json.dumps(self.server.reply).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def gateway():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    output = {"name": "output-0", "shape": [1], "datatype": "FP32", "data": [0.25]}
    server.status, server.reply, server.delay, server.seen = 200, {"outputs": [output]}, 0, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def ensemble(serve, bundle, gateway):
    folder = bundle("ensemble", handler=ENSEMBLE, services=["churn"], request_seconds=1)
    return serve(folder, environment={"LIFTLOCK_GATEWAY": f"http://127.0.0.1:{gateway.server_port}"})


def test_an_ensemble_answers_from_another_service(ensemble, gateway, v2):
    assert ensemble.infer(v2([ROW]), {"x-liftlock-mirror": "1"}).values == [0.5]
    path, headers, body = gateway.seen[-1]
    assert path == "/v2/models/churn/infer"
    assert body["inputs"] == [{"name": "tenure", "datatype": "FP64", "shape": [1], "data": [12.0]}]
    assert headers["x-liftlock-mirror"] == "1"
    assert "x-liftlock-mirror" not in gateway.seen[0][1]


@pytest.mark.parametrize(
    ("status", "reply", "delay", "expected", "reason"),
    [
        (500, {"error": "broken"}, 0, 502, "churn: broken"),
        (503, {"error": "full"}, 0, 503, "churn: full"),
        (400, {"error": "tenure: is wanted"}, 0, 400, "churn: tenure: is wanted"),
        (404, b"<html>", 0, 502, "churn: answered 404"),
        (200, b"<html>", 0, 502, "churn: its answer is not V2"),
        (200, {"outputs": [{"name": "a"}]}, 0, 502, "churn: its answer is not V2"),
        (200, {"outputs": []}, 3, 504, "within 1 s"),
    ],
)
def test_a_failing_member_is_a_gateway_error_with_a_reason(
    ensemble, gateway, v2, status, reply, delay, expected, reason
):
    gateway.status, gateway.reply, gateway.delay = status, reply, delay
    answer = ensemble.infer(v2([ROW]))
    assert answer.status == expected
    assert reason in answer.json["error"]


def test_a_member_that_cannot_be_reached_is_503_and_the_ensemble_is_not_ready(serve, bundle, v2):
    folder = bundle("ensemble", handler=ENSEMBLE, services=["churn"])
    server = serve(folder, ready=False, environment={"LIFTLOCK_GATEWAY": "http://127.0.0.1:9"})
    server.event("failure")
    answer = server.infer(v2([ROW]))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "churn: cannot be reached" in server.get("/v2/health/ready").json["error"]
    assert server.get("/v2/health/live").status == 200


def test_the_gateway_client_survives_a_connection_closed_while_idle(gateway):
    import numpy as np

    from serving.gateway import RemoteService

    async def twice():
        service = RemoteService("churn", f"http://127.0.0.1:{gateway.server_port}", 2)
        first = await service({"a": np.ones(1)})
        service._idle[0][1].transport.abort()
        return first, await service({"a": np.ones(1)})

    first, second = asyncio.run(twice())
    assert first["output-0"] == second["output-0"] == [0.25]
