"""Live counters, or an error: Prometheus down, hanging, empty, stale, not finite, double, an HTML page, cut short."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from liftlock.errors import Unreachable
from liftlock.sites import prometheus
from liftlock.sites.prometheus import Prometheus


def vector(*rows: tuple[dict[str, str], object]) -> bytes:
    result = [{"metric": labels, "value": [time.time(), str(value)]} for labels, value in rows]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


RESPONSES = {"__name__": prometheus.RESPONSES, "proxy": "prod:churn", "server": "prod.churn-1a2b3c4d.0"}


@pytest.fixture
def serve():
    """A server that answers each query as the test says; gives its address."""
    servers = []

    def start(answer) -> Prometheus:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.answer(parse_qs(urlsplit(self.path).query).get("query", [""])[0])

            def do_POST(self):
                length = int(self.headers.get("content-length") or 0)
                self.answer(parse_qs(self.rfile.read(length).decode()).get("query", [""])[0])

            def answer(self, query):
                status, body = answer(query)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return Prometheus(f"http://127.0.0.1:{server.server_port}")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def sound(query: str, *, age: float = 0.0, value: object = 10):
    """What a healthy Prometheus says."""
    if query.startswith("timestamp("):
        labels = {key: text for key, text in RESPONSES.items() if key != "__name__"}
        return 200, vector(*(({**labels, "code": code}, time.time() - age) for code in ("2xx", "5xx")))
    if query.startswith(prometheus.RESPONSES):
        return 200, vector(({**RESPONSES, "code": "2xx"}, value), ({**RESPONSES, "code": "5xx"}, 2))
    return 200, vector()


def test_each_revision_has_its_requests_and_errors(serve):
    counts = serve(sound).live_counts("prod", "churn")
    assert set(counts) == {"churn-1a2b3c4d"}
    assert (counts["churn-1a2b3c4d"].requests, counts["churn-1a2b3c4d"].errors) == (12, 2)


def test_no_series_is_no_count_and_no_error(serve):
    assert serve(lambda _: (200, vector())).live_counts("prod", "churn") == {}


@pytest.mark.parametrize(
    "answer",
    [
        lambda query: sound(query, value="NaN"),
        lambda query: sound(query, value="+Inf"),
        lambda query: sound(query, age=60),
        lambda _: (200, b"<html>a proxy's page</html>"),
        lambda _: (200, b'{"status":"success","data":{"resu'),
        lambda _: (200, b'{"status":"error","error":"busy"}'),
        lambda _: (503, b"starting"),
        lambda _: (200, vector(({**RESPONSES, "code": "2xx"}, 1), ({**RESPONSES, "code": "2xx"}, 2))),
    ],
    ids=["not a number", "infinite", "stale", "a page", "cut short", "an error body", "503", "one series twice"],
)
def test_evidence_that_cannot_be_trusted_is_an_error(serve, answer):
    with pytest.raises(Unreachable):
        serve(answer).live_counts("prod", "churn")


def test_a_server_that_hangs_is_given_up(serve, monkeypatch):
    monkeypatch.setattr(prometheus, "TIMEOUT_S", 0.3)
    with pytest.raises(Unreachable):
        serve(lambda _: (time.sleep(2), (200, vector()))[1]).live_counts("prod", "churn")


def test_a_server_that_is_down_is_unreachable():
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9"):
        Prometheus("http://127.0.0.1:9").live_counts("prod", "churn")
