"""A page of somebody else's, open in a browser of this machine, does not read ours under a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ftworker.web.server import WebServer
from tests.web.conftest import request
from tests.web.test_server import echo


@contextmanager
def asked(host: str, listening: str = "127.0.0.1", *names: str) -> Iterator[int]:
    server = WebServer(listening, 0, names)
    server.start(echo)
    try:
        port = server.url.rpartition(":")[2]
        yield request(f"http://127.0.0.1:{port}", "/", headers={"Host": host}).status
    finally:
        server.stop()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:9464", "localhost", "LOCALHOST:9464", "[::1]:9464", "10.0.0.7"]
)
def test_addresses_and_localhost_are_answered(host: str) -> None:
    with asked(host) as status:
        assert status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9464", "localhost.evil.example", "127.0.0.1.evil.example", "[::1", "a b"],
)
def test_any_other_name_is_not(host: str) -> None:
    with asked(host) as status:
        assert status == 421


def test_a_name_that_the_operator_gave_is_answered() -> None:
    with asked("ftworker.school.example", "127.0.0.1", "ftworker.school.example") as status:
        assert status == 200


def test_where_others_may_ask_any_name_is_answered() -> None:
    with asked("web:9464", "0.0.0.0") as status:
        assert status == 200
