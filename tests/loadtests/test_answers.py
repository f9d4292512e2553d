"""Reading answers: every byte of HTTP/1.1 we rely on, and what makes an answer a good one."""

from __future__ import annotations

import pytest

from loadtests.answers import LARGEST_ANSWER, Answer, MalformedAnswer, fault, read_answer

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Liftlock-Revision: churn-1a2b3c4d\r\n\r\n{}"


def _answer(body: bytes, status: int = 200, revision: str = "a-1") -> Answer:
    return Answer(status, revision, body, keep_alive=True)


def test_an_answer_is_read_whole_with_its_revision():
    assert Answer(200, "churn-1a2b3c4d", b"{}", keep_alive=True) == read_answer(PLAIN, ended=False)


@pytest.mark.parametrize("cut", range(len(PLAIN)))
def test_an_answer_cut_anywhere_is_not_an_answer_yet(cut: int):
    assert read_answer(PLAIN[:cut], ended=False) is None


def test_chunks_are_put_together():
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    answer = read_answer(data, ended=False)
    assert answer is not None
    assert answer.body == b"abcde"
    assert all(read_answer(data[:cut], ended=False) is None for cut in range(50, len(data)))


def test_without_a_length_the_answer_ends_with_the_connection():
    data = b"HTTP/1.1 200 OK\r\n\r\n{}"
    assert read_answer(data, ended=False) is None
    assert Answer(200, "", b"{}", keep_alive=False) == read_answer(data, ended=True)


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
def test_a_connection_about_to_close_is_not_used_again(head: bytes):
    answer = read_answer(head + b"Content-Length: 0\r\n\r\n", ended=False)
    assert answer is not None
    assert not answer.keep_alive


def test_an_interim_answer_is_not_the_answer():
    answer = read_answer(b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN, ended=False)
    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc\r\n",
    ],
)
def test_what_is_not_http_is_malformed(data: bytes):
    with pytest.raises(MalformedAnswer):
        read_answer(data, ended=False)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("", b'{"outputs":[]}'),
        ("", b'{"outputs":[{"name":"error","data":[0.1]}]}'),
        ("", b'{"outputs":[],"parameters":{"error":0.25}}'),
        ("error inside", b'{"outputs":[],"error":"out of memory"}'),
        ("error inside", b'{"error":{"code":3}}'),
        ("error inside", b'{"outputs":[{"data":[{"error":"x"}]}]}'),
        ("not the protocol's answer", b'{"predictions":[1]}'),
        ("not the protocol's answer", b"[]"),
        ("not JSON", b"<html>"),
        ("not JSON", b""),
    ],
)
def test_an_answer_is_good_only_when_it_says_what_the_protocol_says(kind: str, body: bytes):
    assert kind == fault(_answer(body), "v2", "a-1")


def test_another_revision_is_a_fault_only_where_one_is_named():
    assert fault(_answer(b'{"predictions":[1]}', revision="a-2"), "v1", "a-1") == "wrong revision"
    assert fault(_answer(b'{"predictions":[1]}', revision="a-2"), "v1", None) == ""


def test_a_bad_status_is_named():
    assert fault(_answer(b"", status=503, revision=""), "v1", "a-1") == "status 503"


def test_a_length_beyond_reason_is_no_length():
    data = b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}"
    assert read_answer(data, ended=False) is None


def test_an_answer_without_end_is_given_up():
    with pytest.raises(MalformedAnswer):
        read_answer(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(LARGEST_ANSWER), ended=False)
