"""HTTP: what is answered, what is refused, and that no client can hold the process up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ftworker.errors import Refused
from ftworker.web import server as server_module
from ftworker.web.server import (
    MAX_CONNECTIONS,
    MAX_REQUEST_BYTES,
    STRICT_HEADERS,
    Respond,
    Response,
    WebServer,
)
from tests.web.conftest import Web, request

SECRET = "me llamo Lucía"


def echo(target: str, accept: str) -> Response:
    return Response.plain(200, f"target {target} accept {accept}\n")


@contextmanager
def serving(respond: Respond = echo) -> Iterator[WebServer]:
    server = WebServer("127.0.0.1", 0)
    server.start(respond)
    try:
        yield server
    finally:
        server.stop()


def raw(server: WebServer, *, timeout: float = 10.0) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=timeout)


def exchange(server: WebServer, sent: bytes) -> bytes:
    with raw(server) as connection:
        connection.sendall(sent)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while part := connection.recv(65_536):
            received += part
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("path,status", [("/", 200), ("/metrics", 200), ("/healthz", 200), ("/other", 404)])
def test_every_answer_has_strict_headers(web: Web, path: str, status: int) -> None:
    answer = web.get(path)
    assert answer.status == status
    for name, value in STRICT_HEADERS.items():
        if name != "Content-Security-Policy":
            assert answer.headers[name] == value
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Server"] == "ftworker"


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz"])
def test_head_gives_the_headers_of_get_without_a_body(web: Web, path: str) -> None:
    head = web.get(path, method="HEAD")
    assert head.status == 200
    assert head.text == ""
    assert int(head.headers["Content-Length"]) > 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
def test_no_other_method_is_answered(web: Web, method: str) -> None:
    answer = web.get("/metrics", method=method)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "BREW" not in answer.text


def test_what_a_client_sends_is_never_sent_back() -> None:
    with serving(lambda *_: Response.plain(404, "There is nothing.\n")) as server:
        for sent in (
            b"GET /<script>alert(1)</script> HTTP/1.1\r\n\r\n",
            b"<script>alert(1)</script> / HTTP/1.1\r\n\r\n",
            b"GET / <script>alert(1)</script>\r\n\r\n",
            b"GET / HTTP/9.<script>\r\n\r\n",
        ):
            answer = exchange(server, sent)
            assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
            assert b"script>" not in answer


def test_a_request_with_a_body_is_refused() -> None:
    with serving() as server:
        answer = request(server.url, "/metrics", body=b"x" * 10)
        assert answer.status == 413
        assert exchange(server, b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").startswith(
            b"HTTP/1.1 413"
        )


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * MAX_REQUEST_BYTES + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Long: " + b"b" * MAX_REQUEST_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-Many: value\r\n" * 2_000 + b"\r\n",
    ],
    ids=["long path", "long header", "many headers"],
)
def test_a_request_that_is_too_large_is_refused(sent: bytes) -> None:
    with serving() as server:
        with raw(server) as connection:
            connection.sendall(sent[:MAX_REQUEST_BYTES])
            assert read_all(connection).startswith(b"HTTP/1.1 431")
        assert request(server.url, "/").status == 200


def test_a_request_that_drips_in_is_ended_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "REQUEST_SECONDS", 0.5)
    with serving() as server, raw(server) as connection:
        started = time.monotonic()
        ended = b"never"
        connection.settimeout(0.1)
        for character in b"GET / HTTP/1.1\r\nX-Slow: " + b"a" * 200:
            try:
                connection.send(bytes([character]))
                ended = connection.recv(1)
            except TimeoutError:
                continue
            except OSError:
                ended = b""
            break
        assert ended == b""
        assert time.monotonic() - started < 5


def test_connections_beyond_the_limit_are_told_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, ExitStack() as held:
        for _ in range(MAX_CONNECTIONS):
            connection = held.enter_context(raw(server))
            connection.sendall(b"GET / HTTP/1.1\r\n")
        answer = exchange(server, b"GET / HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"Retry-After: 1" in answer
        held.close()
        wait_until_answered(server)


def wait_until_answered(server: WebServer) -> None:
    deadline = time.monotonic() + 10
    while request(server.url, "/").status != 200:
        assert time.monotonic() < deadline


def test_a_failure_says_nothing_of_itself_to_the_client(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: str) -> Response:
        raise ValueError(SECRET)

    with serving(broken) as server:
        answer = request(server.url, "/")
    assert answer.status == 500
    assert SECRET not in answer.text
    assert "could not be answered" in caplog.text


def test_an_answer_under_way_is_finished_when_the_process_is_told_to_end() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_: str) -> Response:
        begun.set()
        assert go_on.wait(10)
        return Response.plain(200, "whole\n")

    answers: list[int] = []
    with serving(slow) as server:
        client = threading.Thread(target=lambda: answers.append(request(server.url, "/").status))
        client.start()
        assert begun.wait(10)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        go_on.set()
        client.join(10)
        stopper.join(10)
        assert answers == [200]
        with pytest.raises(ConnectionRefusedError):
            raw(server)


def test_a_client_that_says_nothing_does_not_keep_the_process_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "STOP_SECONDS", 0.3)
    with serving() as server, raw(server) as connection:
        connection.sendall(b"GET ")
        time.sleep(0.3)
        started = time.monotonic()
        server.stop()
        assert time.monotonic() - started < 3


def test_an_address_in_use_is_refused_with_what_to_do() -> None:
    with serving() as server:
        port = int(server.url.rpartition(":")[2])
        with pytest.raises(Refused, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use; choose another"):
            WebServer("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "127.0.0.1.1"])
def test_an_address_that_does_not_exist_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="cannot listen"):
        WebServer(host, 0)


def test_it_listens_on_version_six_addresses_too() -> None:
    server = WebServer("::1", 0)
    assert server.url.startswith("http://[::1]:")
    server.start(echo)
    try:
        assert (
            request(server.url, "/?a=1", headers={"Accept": "text/x"}).text == "target /?a=1 accept text/x\n"
        )
    finally:
        server.stop()


def test_stopping_twice_is_stopping_once() -> None:
    server = WebServer("127.0.0.1", 0)
    stop: Callable[[], None] = server.stop
    stop()
    stop()
