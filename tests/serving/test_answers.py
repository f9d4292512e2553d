"""What a caller gets: every kind, every protocol, the same numbers the library itself gives."""

import json
import struct

import numpy as np
import pytest

ROW = [12, 50.0, 1]


@pytest.fixture(scope="module")
def server(serve, bundle):
    return serve(bundle(), "--grpc_port", "0")


@pytest.mark.parametrize("kind", ["xgboost", "lightgbm", "sklearn", "onnx"])
def test_each_format_answers_as_its_own_library_does(kind, serve, bundle, models, v2):
    answer = serve(bundle(kind)).infer(v2(models.rows.tolist()))
    assert answer.status == 200
    np.testing.assert_allclose(answer.values, models.expected[kind], rtol=1e-6)


def test_a_v2_answer_echoes_id_model_and_revision(server, v2):
    answer = server.infer(v2([ROW], id="seven"))
    found = {key: answer.json[key] for key in ("id", "model_name", "model_version")}
    assert found == {"id": "seven", "model_name": "churn", "model_version": "churn-1a2b3c4d"}
    assert answer.headers["x-liftlock-revision"] == "churn-1a2b3c4d"


def test_every_form_of_the_same_rows_gets_the_same_answer(server, v2, models):
    rows = models.rows.tolist()
    expected = server.infer(v2(rows)).values
    flat = [value for row in rows for value in row]
    matrix = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [20, 3], "data": flat}]}
    nested = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [20, 3], "data": rows}]}
    columns = v2(rows)
    for tensor in columns["inputs"]:
        tensor["shape"] = [20, 1]
        tensor["data"] = [[value] for value in tensor["data"]]
    assert [server.infer(body).values for body in (matrix, nested, columns)] == [expected] * 3
    lists = {"instances": rows}
    objects = {"instances": [dict(zip(["tenure", "spend", "contract"], row, strict=True)) for row in rows]}
    for body in (lists, objects):
        assert server.ask("POST", "/v1/models/churn:predict", body).json == {"predictions": expected}


def test_integers_booleans_and_other_orders_are_the_same_inputs(server, v2):
    expected = server.infer(v2([ROW])).values
    typed = {
        "inputs": [
            {"name": "contract", "datatype": "BOOL", "shape": [1], "data": [True]},
            {"name": "spend", "datatype": "FP32", "shape": [1, 1], "data": [50]},
            {"name": "tenure", "datatype": "UINT8", "shape": [1], "data": [12]},
        ]
    }
    assert server.infer(typed).values == expected


def test_the_binary_extension_carries_tensors_both_ways(server, v2):
    expected = server.infer(v2([ROW, ROW])).values
    raw = np.array([ROW, ROW], dtype="<f4").tobytes()
    tensor = {"name": "x", "datatype": "FP32", "shape": [2, 3], "parameters": {"binary_data_size": len(raw)}}
    outputs = [{"name": "output-0", "parameters": {"binary_data": True}}]
    head = json.dumps({"inputs": [tensor], "outputs": outputs}).encode()
    kind = {"content-type": "application/octet-stream", "inference-header-content-length": str(len(head))}
    answer = server.infer(head + raw, kind)
    length = int(answer.headers["inference-header-content-length"])
    described = json.loads(answer.body[:length])["outputs"][0]
    assert described == {"name": "output-0", "shape": [2], "datatype": "FP32", "parameters": {"binary_data_size": 8}}
    assert list(struct.unpack("<2f", answer.body[length:])) == pytest.approx(expected)


def test_missing_values_are_counted_where_allowed_and_refused_elsewhere(server, v2):
    before = server.metric("liftlock_feature_missing_total", feature="spend")
    assert server.infer(v2([[12, None, 1], [12, None, 1]])).status == 200
    assert server.infer(json.dumps(v2([[12, float("nan"), 1]]))).status == 200
    absent = v2([ROW])
    del absent["inputs"][1]
    assert server.infer(absent).status == 200
    assert server.metric("liftlock_feature_missing_total", feature="spend") - before == 4
    refused = server.infer(v2([[None, 1.0, 1]]))
    assert (refused.status, refused.json["error"]) == (400, "tenure: a value is missing, and must not be")


def test_values_out_of_range_are_counted_and_answered(server, v2):
    before = server.metric("liftlock_feature_out_of_range_total", feature="tenure")
    assert server.infer(v2([[500, 1.0, 1], [-1, 1.0, 0], [5, 1.0, 0]])).status == 200
    assert server.metric("liftlock_feature_out_of_range_total", feature="tenure") - before == 2


def test_requests_for_another_revision_are_not_answered(server, v2):
    assert server.infer(v2([ROW]), {"x-liftlock-revision": "churn-1a2b3c4d"}).status == 200
    assert server.infer(v2([ROW]), {"x-liftlock-revision": "churn-00000000"}).status == 421


def test_metadata_says_what_the_service_takes(server):
    described = server.get("/v2/models/churn").json
    assert [tensor["name"] for tensor in described["inputs"]] == ["tenure", "spend", "contract"]
    assert (described["platform"], described["versions"]) == ("xgboost", ["churn-1a2b3c4d"])
    assert server.get("/v2").json["name"] == "liftlock"
    assert server.get("/v2/models/churn/versions/churn-1a2b3c4d/ready").status == 200


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/churn/ready", "/v1/models/churn"])
def test_a_ready_server_says_so(server, path):
    assert server.get(path).status == 200
    head = server.ask("HEAD", path)
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("action", ["load", "unload"])
def test_nobody_can_load_or_unload_a_model(server, action):
    assert server.ask("POST", f"/v2/repository/models/churn/{action}", {}).status == 404
    assert server.get("/v2/health/ready").status == 200


def test_requests_are_counted_by_route_and_code(server, v2):
    before = server.metric("liftlock_requests_total", route="v2_infer", code="200")
    refused = server.metric("liftlock_requests_total", route="v2_infer", code="400")
    mirrored = server.metric("liftlock_requests_total", route="mirror", code="200")
    server.infer(v2([ROW]))
    server.infer({"inputs": []})
    server.infer(v2([ROW]), {"x-liftlock-mirror": "1"})
    assert server.metric("liftlock_requests_total", route="v2_infer", code="200") == before + 1
    assert server.metric("liftlock_requests_total", route="v2_infer", code="400") == refused + 1
    assert server.metric("liftlock_requests_total", route="mirror", code="200") == mirrored + 1
    assert server.metric("liftlock_ready") == 1


def test_prometheus_accepts_the_metrics(server):
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(server.get("/metrics").body.decode())}
    buckets = [s for s in families["liftlock_request_seconds"].samples if s.name.endswith("_bucket")]
    assert {"0.0005", "30.0", "+Inf"} <= {sample.labels["le"] for sample in buckets}
    assert families["process_resident_memory_bytes"].samples[0].value > 1e7


def test_features_in_another_order_than_the_models_are_put_in_its_order(serve, bundle, models):
    types = {"contract": "boolean", "tenure": "integer", "spend": "float"}
    server = serve(bundle(features=[{"name": name, "type": kind} for name, kind in types.items()]))
    rows = models.rows[:, [2, 0, 1]].tolist()
    body = {"inputs": [{"name": "x", "datatype": "FP64", "shape": [20, 3], "data": rows}]}
    np.testing.assert_allclose(server.infer(body).values, models.expected["xgboost"], rtol=1e-6)
