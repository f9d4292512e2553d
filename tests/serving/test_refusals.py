"""Nothing a client sends is answered with a 500, kept for ever, or left without a reason."""

import json
import random
import socket
import time

import pytest

ROW = [12, 50.0, 1]
GOOD = {"name": "x", "datatype": "FP64", "shape": [1, 3], "data": ROW}


@pytest.fixture(scope="module")
def server(serve, bundle):
    limits = ("--read_seconds", "1.5", "--idle_seconds", "4")
    return serve(bundle(max_body_bytes=20000), *limits)


@pytest.fixture(autouse=True)
def _alive_and_without_a_500_after_each(server):
    yield
    assert server.get("/v2/health/ready").status == 200
    for line in server.get("/metrics").body.decode().splitlines():
        assert not (line.startswith("liftlock_requests_total") and 'code="500"' in line), line


def tensor(**changes):
    return {"inputs": [GOOD | changes]}


BAD_REQUESTS = {
    "not JSON": (b"{", "the body is not JSON"),
    "empty": (b"", "the body is not JSON"),
    "not UTF-8": (b'{"id": "\xff"}', "the body is not JSON"),
    "a lone surrogate": (b'{"id": "\\ud800", "inputs": [NaN]}', "the body is not JSON"),
    "deep": (b"[" * 9000, "the body is not JSON"),
    "deep with NaN": (b'{"a": NaN, "b": ' + b"[" * 9000, "the body is not JSON"),
    "infinity": (b'{"inputs": NaN, "x": Infinity}', "the body is not JSON"),
    "a list": ([], "not a JSON object"),
    "a text": (b'"inputs"', "not a JSON object"),
    "no inputs": ({}, "inputs: a list of tensors"),
    "inputs no list": ({"inputs": {"a": 1}}, "inputs: a list of tensors"),
    "input no object": ({"inputs": [1]}, "each is an object"),
    "id a number": ({"id": 7, "inputs": [GOOD]}, "id: text is wanted"),
    "no name": (tensor(name=None), "without a name"),
    "unknown name": (
        tensor(name="tenur", shape=[1], data=[1]),
        "tenur: is not an input of this service; they are tenure",
    ),
    "unknown datatype": (tensor(datatype="FP128"), "x: datatype: one of BOOL"),
    "datatype a list": (tensor(datatype=["FP64"]), "datatype"),
    "shape no list": (tensor(shape=3), "x: shape: a list"),
    "negative shape": (tensor(shape=[-1, 3]), "lengths are whole numbers"),
    "fractional shape": (tensor(shape=[1.0, 3]), "lengths are whole numbers"),
    "boolean shape": (tensor(shape=[True, 3]), "lengths are whole numbers"),
    "huge shape": (tensor(shape=[2**62, 2**62]), "the shape has"),
    "nine dimensions": (tensor(shape=[1] * 9), "a list of 1 to 8"),
    "wrong width": (tensor(shape=[1, 2], data=[1, 2]), "shape [rows, 3]"),
    "too few values": (tensor(data=[1, 2]), "the shape has 3 values and data 2"),
    "no rows": (tensor(shape=[0, 3], data=[]), "at least one row"),
    "no data": (tensor(data=None), "data, or a binary_data_size"),
    "data an object": (tensor(data={"0": 1}), "data: a list is wanted"),
    "ragged": (tensor(shape=[2, 3], data=[[1, 2, 3], [1, 2]]), "ragged"),
    "mixed depth": (tensor(shape=[2, 3], data=[[1, 2, 3], 4]), "ragged"),
    "too deep": (tensor(data=[[[1]]]), "x:"),
    "text for a number": (tensor(data=[1, "2", 1]), "numbers are wanted for FP64, not text"),
    "boolean for a number": (tensor(data=[1, True, 1]), "not boolean"),
    "object for a number": (tensor(data=[1, {}, 1]), "not object"),
    "texts": (tensor(datatype="BYTES", data=["1", "2", "3"]), "x: is not an input"),
    "fraction for an integer": (tensor(data=[1.5, 2, 1]), "tenure: a whole number"),
    "two for a boolean": (tensor(data=[1, 2, 2]), "contract: true or false"),
    "too large a number": (tensor(data=[1, 1e39, 1]), "spend: a number below 3.4e38"),
    "infinite number": (b'{"inputs":[{"name":"x","datatype":"FP64","shape":[1,3],"data":[1,1e999,1]}]}', ""),
    "FP16 in JSON": (tensor(datatype="FP16"), "FP16 travels as binary"),
    "does not fit": (tensor(datatype="INT8", data=[1, 300, 1]), "a value does not fit INT8"),
    "fraction in an integer tensor": (tensor(datatype="INT32", data=[1, 2.5, 1]), "whole numbers are wanted"),
    "twice": ({"inputs": [GOOD, GOOD]}, "there twice"),
    "missing feature": (tensor(name="spend", shape=[1], data=[1]), "tenure: is wanted"),
    "unknown output": ({"inputs": [GOOD], "outputs": [{"name": "y"}]}, "y: is not an output; they are output-0"),
    "outputs no list": ({"inputs": [GOOD], "outputs": 7}, "outputs: a list"),
    "output no object": ({"inputs": [GOOD], "outputs": ["y"]}, "outputs: each"),
    "binary size without data": (tensor(data=None, parameters={"binary_data_size": 24}), "within the body"),
    "parameters a list": (tensor(data=None, parameters=[1]), "parameters are an object"),
    "a unicode name": (tensor(name="tenur\u0435", shape=[1], data=[1]), "tenur\u0435: is not an input"),
}


@pytest.mark.parametrize("case", BAD_REQUESTS)
def test_a_malformed_prediction_is_400_with_a_reason(case, server):
    body, reason = BAD_REQUESTS[case]
    answer = server.infer(body)
    assert answer.status == 400
    assert reason in answer.json["error"]
    assert answer.headers["x-liftlock-revision"] == "churn-1a2b3c4d"


@pytest.mark.parametrize(
    "body",
    [{}, {"instances": 1}, {"instances": []}, {"instances": [[1, 2]]}, {"instances": [{"tenure": 1}, [1]]},
     {"instances": [{"tenur": 1}]}, {"instances": [["a", 1, 1]]}, {"instances": [[[1], 1, 1]]}, {"instances": [7]},
     {"instances": [{"tenure": {}}]}, [1]],
)  # fmt: skip
def test_a_malformed_v1_prediction_is_400_with_a_reason(body, server):
    answer = server.ask("POST", "/v1/models/churn:predict", body)
    assert answer.status == 400
    assert answer.json["error"]


HEAD = b"POST /v2/models/churn/infer HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
BAD_HTTP = {
    "no HTTP at all": (b"hello\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505)),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100, 400),
    "unknown method": (b"GRAB / HTTP/1.1\r\nhost: a\r\n\r\n", (400, 405)),
    "no host": (b"GET /v2 HTTP/1.1\r\n\r\n", 400),
    "two lengths": (HEAD + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}", 400),
    "length and chunks": (HEAD + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two encodings": (HEAD + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", 400),
    "negative length": (HEAD + b"content-length: -1\r\n\r\n", 400),
    "length no number": (HEAD + b"content-length: 1e3\r\n\r\n", 400),
    "endless length": (HEAD + b"content-length: " + b"9" * 40 + b"\r\n\r\n", 400),
    "bad chunk size": (HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    "a space before the colon": (b"GET /v2 HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    "a zero byte": (b"GET /v2 HTTP/1.1\r\nhost: a\r\nx: \x00\r\n\r\n", 400),
    "too large by its length": (HEAD + b"content-length: 20001\r\n\r\n", 413),
    "too large in chunks": (
        HEAD + b"transfer-encoding: chunked\r\n\r\n" + (b"2000\r\n" + b"a" * 8192 + b"\r\n") * 3,
        413,
    ),
    "a long header": (b"GET /v2 HTTP/1.1\r\nhost: a\r\nx: " + b"a" * 70000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /v2 HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 5000 + b"\r\n", 431),
    "a long path": (b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 431),
    "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n", 405),
}


@pytest.mark.parametrize("case", BAD_HTTP)
def test_malformed_http_is_answered_with_a_reason_and_closed(case, server):
    content, status = BAD_HTTP[case]
    answer = server.raw(content, timeout=3)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) in (status if isinstance(status, tuple) else (status,))
    assert b"connection: close" in head
    assert json.loads(body)["error"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("POST", "/v2/models/other/infer", {}, 404),
        ("POST", "/v1/models/other:predict", {}, 404),
        ("POST", "/v2/models/churn/versions/9/infer", {}, 404),
        ("GET", "/v2/models/churn/infer", {}, 405),
        ("DELETE", "/v2/models/churn", {}, 405),
        ("POST", "/metrics", {}, 405),
        ("OPTIONS", "/v2", {}, 405),
        ("POST", "/v2/models/churn/infer", {"content-type": "text/plain"}, 415),
        ("POST", "/v2/models/churn/infer", {"content-encoding": "gzip"}, 415),
        ("POST", "/v2/models/churn/infer", {"content-type": "application/octet-stream"}, 415),
        ("POST", "/v2/models/churn/infer", {"inference-header-content-length": "-5"}, 400),
        ("POST", "/v2/models/churn/infer", {"inference-header-content-length": "99999"}, 400),
        ("POST", "/v2/models/churn/infer", {"inference-header-content-length": "\u0665"}, 400),
    ],
)
def test_the_wrong_address_method_or_content_is_a_4xx_with_a_reason(method, path, headers, status, server):
    body = None if method == "GET" else tensor()
    headers = {name: value.encode("utf-8") for name, value in headers.items()}
    answer = server.ask(method, path, body, headers)
    assert (answer.status, bool(answer.json["error"])) == (status, True)


def test_a_wrong_method_is_told_the_right_one(server):
    assert server.get("/v2/models/churn/infer").headers["allow"] == "POST"


def test_http_1_0_is_answered_and_closed(server):
    answer = server.raw(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b'{"live":true}')


def test_pipelined_requests_are_answered_in_order(server):
    two = b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\nGET /nothing HTTP/1.1\r\nhost: a\r\n\r\n"
    answer = server.raw(two + b"junk\r\n\r\n", timeout=3)
    assert [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"400"]


def test_a_request_in_single_bytes_is_a_request(server):
    body = json.dumps(tensor()).encode()
    content = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(content)):
            connection.send(content[index : index + 1])
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_expects_to_be_asked_is_asked(server):
    body = json.dumps(tensor()).encode()
    with server.connect() as connection:
        connection.sendall(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(body))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_an_offer_to_upgrade_is_answered_in_http_1_1(server):
    body = json.dumps(tensor()).encode()
    offer = b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n" % len(body)
    with server.connect() as connection:
        for part in (HEAD + offer + body[:20], body[20:], HEAD + offer + body):
            connection.sendall(part)
            time.sleep(0.05)
        time.sleep(0.1)
        assert connection.recv(65536).count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("start", [b"", b"GET /v2 HTTP/1.1\r\nho", HEAD + b"content-length: 100\r\n\r\n{"])
def test_a_client_that_stops_sending_is_cut(start, server):
    began = time.monotonic()
    server.raw(start, timeout=6)
    assert time.monotonic() - began < 5


def test_a_client_that_trickles_is_cut_all_the_same(server):
    began = time.monotonic()
    with server.connect(0.3) as connection:
        connection.sendall(b"GET /v2 HTTP/1.1\r\n")
        answer = b""
        while time.monotonic() - began < 8 and not answer:
            try:
                connection.sendall(b"x: y\r\n")
                answer = connection.recv(1000)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < 4


def test_an_idle_connection_outlives_the_reading_limit_and_then_ends(server):
    with server.connect(10) as connection:
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(1000)
        time.sleep(2.5)
        connection.sendall(b"GET /v2/health/live HTTP/1.1\r\nhost: a\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        began = time.monotonic()
        assert connection.recv(1000) == b""
        assert 3 < time.monotonic() - began < 7


def mutate(source: random.Random, content: bytes) -> bytes:
    """The content with a few bytes changed, dropped or repeated."""
    changed = bytearray(content)
    for _ in range(source.randint(1, 4)):
        at = source.randrange(len(changed))
        match source.randrange(4):
            case 0:
                changed[at] = source.randrange(256)
            case 1:
                del changed[at : at + source.randint(1, 6)]
            case 2:
                changed[at:at] = changed[at : at + source.randint(1, 8)]
            case 3:
                changed[at:at] = source.choice([b"-", b"null", b"[", b"]", b'"', b"9" * 20, b"NaN", b"\x00", b"e400"])
    return bytes(changed)


def test_mutated_predictions_are_never_a_500(server):
    source = random.Random(20261121)
    good = json.dumps({"id": "a", "inputs": [GOOD], "outputs": [{"name": "output-0"}]}).encode()
    codes = {}
    with server.connect() as connection:
        for _ in range(1500):
            body = mutate(source, good)
            connection.sendall(HEAD + b"content-length: %d\r\n\r\n%b" % (len(body), body))
            answer = connection.recv(65536)
            code = int(answer.split()[1])
            codes[code] = codes.get(code, 0) + 1
    assert set(codes) <= {200, 400}
    assert codes[400] > 500


def test_mutated_http_is_never_a_500_and_never_hangs(server):
    source = random.Random(7)
    body = json.dumps(tensor()).encode()
    good = HEAD + b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    codes = set()
    for _ in range(300):
        with server.connect() as connection:
            connection.sendall(mutate(source, good))
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(65536)
            codes.add(int(answer.split()[1]) if answer else 0)
    assert {200, 400} <= codes
    assert all(code < 500 or code == 505 for code in codes)
