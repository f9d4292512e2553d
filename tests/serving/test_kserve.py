"""The same bundle under stock `kserve.ModelServer` gives the same answers."""

import http.client
import json
import socket
import subprocess
import sys
import time

import pytest

STOCK = """
import sys
from pathlib import Path
bundle, port = sys.argv[1:]
sys.argv = ["stock"]
import kserve
from serving.kserve_model import LiftlockModel
model = LiftlockModel("churn", Path(bundle))
model.load()
kserve.ModelServer(http_port=int(port), enable_grpc=False).start([model])
"""
HANDLER = """
from serving import InvalidInput
class Handler:
    def preprocess(self, inputs):
        if inputs["tenure"].max() > 100:
            raise InvalidInput("tenure: too long")
        return inputs
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(port, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def both(serve, bundle):
    """Our server's port and a stock KServe server's, on one bundle."""
    folder = bundle(handler=HANDLER)
    port = free_port()
    stock = subprocess.Popen(
        [sys.executable, "-c", STOCK, str(folder), str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    ours = serve(folder).port
    end = time.monotonic() + 90
    while time.monotonic() < end and stock.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield ours, port
    stock.terminate()
    stock.wait(10)


def test_v2_answers_are_equal(both, v2, models):
    ours, stock = (ask(port, "/v2/models/churn/infer", v2(models.rows.tolist(), id="a")) for port in both)
    assert ours[0] == stock[0] == 200
    assert ours[1]["outputs"] == [
        {key: value for key, value in o.items() if key != "parameters"} for o in stock[1]["outputs"]
    ]
    assert (ours[1]["id"], ours[1]["model_name"]) == (stock[1]["id"], stock[1]["model_name"])


def test_v1_answers_are_equal(both, models):
    ours, stock = (ask(port, "/v1/models/churn:predict", {"instances": models.rows.tolist()}) for port in both)
    assert ours == stock
    assert ours[0] == 200


def test_refusals_are_equal(both, v2):
    answers = [ask(port, "/v2/models/churn/infer", v2([[101, 1, 1]])) for port in both]
    assert answers == [(400, {"error": "tenure: too long"})] * 2
