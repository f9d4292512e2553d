"""Bytes from a server: whole, within bounds, and with secrets that stay with it."""

from __future__ import annotations

import socket
import threading

import pytest
from pydantic import BaseModel

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources import download
from liftlock.sources.download import NotGiven, Server

from .conftest import Reply

ADVICE = "set THE_ADDRESS"
TOKEN = "Bearer s3cret-token"


def server_at(place, authorization=None):
    return Server.at(place.address, ADVICE, authorization)


def test_what_the_server_has_arrives_whole(place):
    body = bytes(range(256)) * 20_000
    place.replies["/model"] = Reply(body)
    assert server_at(place).get("/model") == body


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418])
def test_a_refusal_names_address_code_and_what_to_set(place, status):
    place.replies["/model"] = Reply(b"", status)
    with pytest.raises(NotGiven, match=f"{place.address}/model: answered {status}; {ADVICE}"):
        server_at(place).get("/model")
    assert len(place.asked) == 1


@pytest.mark.parametrize("status", sorted(download.PASSING))
def test_a_passing_fault_is_tried_again(place, status):
    place.replies["/model"] = [Reply(b"", status), Reply(b"the model")]
    assert server_at(place).get("/model") == b"the model"


def test_a_lasting_fault_is_given_up_on(place):
    place.replies["/model"] = Reply(b"", 503)
    with pytest.raises(Unreachable, match="answered 503"):
        server_at(place).get("/model")
    assert len(place.asked) == 3


def test_nobody_listening_is_unreachable():
    with socket.socket() as bound:  # bound, and not listening
        bound.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(Unreachable, match=rf"{address}/model: .*refused; {ADVICE}"):
            Server.at(address, ADVICE).get("/model")


def test_a_body_cut_short_is_not_taken_for_the_model(place):
    place.replies["/model"] = Reply(b"half", headers={"Content-Length": "8"})
    with pytest.raises(Unreachable, match="ended after 4 of 8 bytes"):
        server_at(place).get("/model")


def test_a_server_that_falls_silent_is_given_up_on(monkeypatch):
    monkeypatch.setattr(download, "SILENT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Unreachable, match="timed out"):
        Server.at(f"http://127.0.0.1:{silent.getsockname()[1]}", ADVICE).get("/model")


def test_a_server_that_drips_is_given_up_on(place, monkeypatch):
    monkeypatch.setattr(download, "LONGEST_S", -1.0)
    place.replies["/model"] = Reply(b"x" * 10)
    with pytest.raises(Unreachable, match="not whole within"):
        server_at(place).get("/model")


def test_what_is_no_http_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_say, args=(server, b"SSH-2.0-OpenSSH\r\n"), daemon=True).start()
        with pytest.raises(Unreachable, match=r"SSH-2\.0"):
            Server.at(f"http://127.0.0.1:{server.getsockname()[1]}", ADVICE).get("/model")


def _say(server, words):
    for _ in range(1 + len(download.WAITS_S)):
        connection, _ = server.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(words)


@pytest.mark.parametrize("headers", [{}, {"Content-Length": ""}])
def test_more_than_the_most_is_refused_whatever_the_server_says_of_its_length(place, headers):
    place.replies["/model"] = Reply(b"x" * 101, headers=headers)
    with pytest.raises(LiftlockError, match="more than 100 bytes"):
        server_at(place).get("/model", most=100)
    place.replies["/model"] = Reply(b"x" * 100, headers=headers)
    assert len(server_at(place).get("/model", most=100)) == 100


def test_a_redirect_is_followed_without_the_secret_to_another_server(place, elsewhere):
    place.replies["/model"] = Reply(status=302, headers={"Location": f"{elsewhere.address}/cdn"})
    elsewhere.replies["/cdn"] = Reply(b"the model")
    assert server_at(place, TOKEN).get("/model") == b"the model"
    assert (place.asked, elsewhere.asked) == ([("/model", TOKEN)], [("/cdn", None)])


def test_a_redirect_within_the_server_keeps_the_secret(place):
    place.replies["/old"] = Reply(status=307, headers={"Location": "/new"})
    place.replies["/new"] = Reply(b"the model")
    assert server_at(place, TOKEN).get("/old") == b"the model"
    assert place.asked[-1] == ("/new", TOKEN)


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1:1/model"])
def test_a_redirect_to_another_kind_of_place_is_refused(place, target):
    place.replies["/model"] = Reply(status=302, headers={"Location": target})
    with pytest.raises(Unreachable):
        server_at(place).get("/model")


def test_user_and_password_in_an_address_are_sent_and_never_shown(place):
    place.wanted = download.basic("ann", "s3cret")
    server = Server.at(f"http://ann:s3cret@{place.host}/base/", ADVICE)
    with pytest.raises(NotGiven) as refused:
        server.get("/model")
    assert place.asked == [("/base/model", place.wanted)]
    assert "answered 404" in str(refused.value)
    assert "s3cret" not in str(refused.value) + repr(server)


@pytest.mark.parametrize("address", ["", "models.example", "ftp://models.example", "file:///models", "http://"])
def test_what_is_no_http_address_is_said_to_be_none(address):
    with pytest.raises(Unreachable, match=f"http.* is wanted; {ADVICE}"):
        Server.at(address, ADVICE)


class Form(BaseModel):
    name: str


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"other": 1}', b"\xff"])
def test_an_answer_that_is_not_the_apis_is_unreachable(place, body):
    place.replies["/api"] = Reply(body)
    with pytest.raises(Unreachable, match="not the API's"):
        server_at(place).parsed("/api", Form)
