"""A service that answers with a redirect is given neither the key nor the children's words for another address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ftworker.providers.openai_client import Service
from ftworker.settings import OpenAISettings


@dataclass
class Place:
    """A server: what it was sent, and where it sends on."""

    status: int = 200
    elsewhere: str = ""
    received: list[tuple[str, bytes]] = field(default_factory=list)
    url: str = ""


Serve = Callable[[Place], Place]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as started:

        def start(place: Place) -> Place:
            class Handler(BaseHTTPRequestHandler):
                def answer(self) -> None:
                    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                    place.received.append((str(self.headers), body))
                    self.send_response(place.status)
                    if place.elsewhere:
                        self.send_header("Location", f"{place.elsewhere}{self.path}")
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"{}")

                do_GET = do_POST = answer  # noqa: N815 - the library's names

                def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                    pass

            server = started.enter_context(HTTPServer(("127.0.0.1", 0), Handler))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            started.callback(thread.join)
            started.callback(server.shutdown)
            place.url = f"http://127.0.0.1:{server.server_port}"
            return place

        yield start


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_neither_key_nor_header_nor_file_goes_where_a_redirect_points(
    status: int, serve: Serve, tmp_path: Path
) -> None:
    thief = serve(Place())
    service = serve(Place(status, thief.url))
    settings = OpenAISettings(
        kind="openai", base_url=f"{service.url}/v1", extra_headers={"x-gateway-key": "geheim-2"}
    ).with_api_key("geheim-1")
    wire = Service("openai", settings, sleep=lambda _: None)
    try:
        with pytest.raises(Exception, match=f"http_{status}"):
            wire.read(dict, lambda client: client.files.with_raw_response.list())
        with pytest.raises(Exception, match=f"http_{status}"):
            wire.once(
                dict,
                lambda client: client.files.with_raw_response.create(
                    file=("train.jsonl", b"me llamo Ana"), purpose="fine-tune"
                ),
            )
    finally:
        wire.close()
    assert thief.received == []
    # The service itself was asked, with all of it.
    assert any("geheim-2" in headers and b"me llamo Ana" in body for headers, body in service.received)
