"""A server under load, slow models, signals and full queues."""

import concurrent.futures
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROW = [12, 50.0, 1]

# A model that takes as long as its input says: `spend` milliseconds.
SLOW = """
import time
from pathlib import Path
class Handler:
    def preprocess(self, inputs):
        time.sleep(float(inputs["spend"].max()) / 1000)
        return inputs
"""


@pytest.fixture
def slow(serve, bundle):
    return lambda *arguments, **override: serve(
        bundle(handler=SLOW, files={"warmup.json": WARM_UP}, **override), *arguments
    )


WARM_UP = '{"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 3], "data": [1, 20, 1]}]}'


def at_once(count, function):
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        return list(pool.map(function, range(count)))


def test_health_answers_while_a_slow_model_computes(slow, v2):
    server = slow()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prediction = pool.submit(server.infer, v2([[1, 1000, 1]]))
        time.sleep(0.2)
        began = time.monotonic()
        assert server.get("/v2/health/ready").status == 200
        assert time.monotonic() - began < 0.4
        assert not prediction.done()
        assert prediction.result().status == 200


def test_requests_beyond_limit_and_queue_are_turned_away_at_once_with_retry_after(slow, v2):
    server = slow(concurrency={"limit": 1, "queue": 2})
    answers = at_once(6, lambda _: server.infer(v2([[1, 300, 1]])))
    assert sorted(answer.status for answer in answers) == [200] * 3 + [503] * 3
    turned_away = next(answer for answer in answers if answer.status == 503)
    assert turned_away.headers["retry-after"] == "1"
    assert turned_away.json["error"] == "too many requests are waiting"
    assert server.metric("liftlock_rejected_total", reason="queue_full") == 3
    assert server.infer(v2([[1, 1, 1]])).status == 200


def test_a_request_over_its_time_is_504_and_the_server_lives(slow, v2):
    server = slow(request_seconds=0.3)
    began = time.monotonic()
    answer = server.infer(v2([[1, 1000, 1]]))
    assert (answer.status, time.monotonic() - began < 0.8) == (504, True)
    assert server.metric("liftlock_rejected_total", reason="timeout") == 1
    time.sleep(0.9)
    assert server.infer(v2([[1, 1, 1]])).status == 200


def test_a_large_request_does_not_hold_up_health(serve, bundle, v2):
    server = serve(bundle())
    rows = [[index % 100, 1.5, 1] for index in range(40000)]
    expected = server.infer(v2(rows[:1])).values[0]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prediction = pool.submit(server.infer, v2(rows))
        delays = []
        while not prediction.done():
            began = time.monotonic()
            assert server.get("/v2/health/live").status == 200
            delays.append(time.monotonic() - began)
    answer = prediction.result()
    assert (answer.status, len(answer.values), answer.values[0]) == (200, 40000, expected)


# Batches


def test_requests_that_arrive_together_are_predicted_together_and_answered_alone(serve, bundle, models, v2):
    server = serve(bundle(batching={"max_rows": 8, "max_delay_ms": 100}))
    rows = models.rows.tolist()
    answers = at_once(8, lambda index: server.infer(v2([rows[index]])).values[0])
    np.testing.assert_allclose(answers, models.expected["xgboost"][:8], rtol=1e-6)
    assert server.metric("liftlock_batch_rows_sum") == 8
    assert server.metric("liftlock_batch_rows_count") < 8


def test_a_bad_request_does_not_fail_its_neighbours_in_a_batch(serve, bundle, models, v2):
    handler = """
class Handler:
    def preprocess(self, inputs):
        if (inputs["tenure"] == 100).any():
            raise KeyError("a bug")
        return inputs
    def postprocess(self, outputs, inputs):
        if (inputs["tenure"] == 101).any():
            raise KeyError("another bug")
        return {"output-0": outputs}
"""
    server = serve(bundle(handler=handler, batching={"max_rows": 100, "max_delay_ms": 150}))
    rows = [models.rows[0].tolist(), [100, 1, 1], [101, 1, 1], [None, 1, 1], models.rows[1].tolist()]
    answers = at_once(5, lambda index: server.infer(v2([rows[index]])))
    assert [answer.status for answer in answers] == [200, 500, 500, 400, 200]
    values = [answers[0].values[0], answers[4].values[0]]
    np.testing.assert_allclose(values, models.expected["xgboost"][:2], rtol=1e-6)


def test_a_batch_whose_whole_fails_is_tried_one_by_one():
    from serving.batching import answer_together
    from serving.errors import InvalidInput
    from serving.features import Inputs

    class Predictor:
        def prepare(self, inputs):
            return inputs.columns["a"].reshape(-1, 1)

        def run(self, matrix):
            if (matrix < 0).any():
                raise InvalidInput("negative")
            return matrix[:, 0] * 2

        def finish(self, raw, inputs):
            return {"b": raw}

    requests = [Inputs(2, {"a": np.array([1.0, 2])}), Inputs(1, {"a": np.array([-1.0])}), Inputs(1, {"a": np.ones(1)})]
    first, second, third = answer_together(Predictor(), requests)
    assert (first["b"].tolist(), str(second), third["b"].tolist()) == ([2, 4], "negative", [2])


# Readiness, draining and signals


def test_a_model_that_does_not_answer_its_warm_up_is_alive_and_not_ready(serve, bundle):
    handler = "class Handler:\n    def preprocess(self, inputs):\n        raise RuntimeError('no')\n"
    server = serve(bundle(handler=handler), ready=False)
    server.event("failure")
    assert [server.get(path).status for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/churn/ready")] == [
        200,
        503,
        503,
    ]
    assert "the handler's preprocess failed" in server.get("/v2/health/ready").json["error"]
    assert server.metric("liftlock_ready") == 0


def test_a_server_is_live_and_not_ready_while_it_loads(serve, bundle, v2):
    handler = "import time\nclass Handler:\n    def load(self, bundle):\n        time.sleep(1)\n"
    server = serve(bundle(handler=handler), ready=False)
    assert [server.get(path).status for path in ("/v2/health/live", "/v2/health/ready")] == [200, 503]
    assert server.infer(v2([ROW])).status == 503
    server.event("ready")
    assert server.infer(v2([ROW])).status == 200


def test_a_drain_is_not_ready_at_once_answers_on_and_exits_0(slow, v2):
    server = slow("--drain_seconds", "1.5")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prediction = pool.submit(server.infer, v2([[1, 900, 1]]))
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        ready = server.get("/v2/health/ready")
        assert (ready.status, ready.headers["connection"]) == (503, "close")
        assert server.get("/v2/health/live").status == 200
        assert prediction.result().status == 200
    assert server.infer(v2([[1, 1, 1]])).status == 200
    assert server.process.wait(5) == 0


def test_requests_in_flight_finish_after_the_listener_has_closed(slow, v2):
    server = slow()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        prediction = pool.submit(server.infer, v2([[1, 900, 1]]))
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        assert prediction.result().status == 200
    assert server.process.wait(5) == 0


def test_an_idle_keep_alive_connection_does_not_delay_the_exit(serve, bundle):
    server = serve(bundle())
    with server.connect() as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(1000)
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 2


def test_a_second_signal_ends_it_though_a_prediction_hangs(slow, v2):
    server = slow("--drain_seconds", "30")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(server.infer, v2([[1, 8000, 1]]))  # the future keeps the lost connection to itself
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        began = time.monotonic()
        assert server.stop() == 1
        assert time.monotonic() - began < 2


def test_an_address_that_is_taken_is_one_line_and_exit_4(serve, bundle):
    folder = bundle()
    port = serve(folder).port
    done = run("--model_dir", folder, "--model_name", "a", "--revision", "b", "--http_port", port)
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)


# The command line and the log


def run(*arguments):
    command = [sys.executable, "-m", "serving", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize(
    "wrong", [["--no_such", "1"], ["--http_port", "x"], ["--threads", "0"], ["--model", "a"], ["more"]]
)
def test_a_wrong_argument_is_one_line_and_exit_2(wrong):
    done = run("--model_dir", "a", "--model_name", "a", "--revision", "b", *wrong)
    assert (done.returncode, done.stderr.count("\n"), "Traceback" in done.stderr) == (2, 1, False)


def test_the_last_of_repeated_arguments_wins(serve, bundle):
    server = serve(bundle(), "--model_name", "other", "--model_name", "last")
    assert server.get("/v2/models/last/ready").status == 200
    assert server.get("/v2/models/churn/ready").status == 404


def test_grpc_is_not_even_imported_without_its_port(serve, bundle):
    server = serve(bundle())
    maps = Path(f"/proc/{server.process.pid}/maps").read_text()
    assert "uvloop" in maps
    assert "cygrpc" not in maps
    assert "sklearn" not in maps


def test_successes_are_logged_one_in_n_and_errors_up_to_a_rate(serve, bundle, v2):
    server = serve(bundle(), "--log_one_in", "10")
    for _ in range(40):
        server.infer(v2([ROW], id="private"))
    for _ in range(150):
        server.infer({})
    logged = [event for event in server.events() if event["event"] == "request"]
    assert len([event for event in logged if event["code"] == 200]) == 4
    assert 50 <= len([event for event in logged if event["code"] == 400]) < 120
    assert "private" not in server.log.read_text()
    assert all(event["revision"] == "churn-1a2b3c4d" for event in server.events())


def test_a_log_nobody_reads_does_not_stop_predictions(bundle, v2):
    read, write = os.pipe()
    command = [sys.executable, "-m", "serving", "--model_dir", str(bundle()), "--model_name", "churn"]
    with subprocess.Popen([*command, "--revision", "r-1", "--http_port", "0"], stderr=write) as process:
        os.close(write)
        port = json.loads(os.read(read, 4096).splitlines()[0])["port"]
        time.sleep(1)
        os.close(read)
        codes = []
        for _ in range(3):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/nothing")
            codes.append(connection.getresponse().status)
            connection.close()
        process.kill()
    assert codes == [404] * 3
