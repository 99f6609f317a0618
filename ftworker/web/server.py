"""A small HTTP server around one function: GET and HEAD, bounded everywhere, strict headers on each answer.

Bounded are bytes and time of a request, connections at once, and the time of the shutdown. Made of the
standard library's server: three read-only paths need no framework. Knows nothing of ftworker; `app` does.
"""

from __future__ import annotations

import io
import ipaddress
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from ftworker.errors import Refused

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 16_384
"""Request line and headers together; Prometheus and browsers send about 1,000."""
MAX_CONNECTIONS = 32
"""Answered at once. Further ones are told to come again: one slow client each must not cost a thread each."""
REQUEST_SECONDS = 5.0
"""For a whole request to arrive, and then for each wait while the answer is sent."""
STOP_SECONDS = 5.0
"""For answers under way when the process is told to end. Below the 10 s that Docker gives."""

STRICT_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer, errors included. An answer may carry a Content-Security-Policy of its own."""


@dataclass(frozen=True)
class Response:
    """An answer, whole. `headers` are added to the strict ones, or stand in their place."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def plain(cls, status: int, text: str, **headers: str) -> Response:
        return cls(status, "text/plain; charset=utf-8", text.encode(), headers)


Respond = Callable[[str, str], Response]
"""The function behind the server: (path with query, Accept header) to an answer. Called by many threads."""


class WebServer:
    """Listens from the moment it is made, answers from `start` to `stop`."""

    def __init__(self, host: str, port: int, names: Collection[str] = ()) -> None:
        """Raises Refused when the address cannot be listened on. Port 0 takes a free one.

        At an address of this machine alone, requests are answered that ask for an address, for `localhost` or for one
        of `names`: any page in a browser here can reach it under a name of its own (DNS rebinding).
        """
        try:
            self._server = _Server(host, port, names)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Refused(
                f"cannot listen on {host}:{port}: {reason}; "
                "choose another with --host and --port, or under [web] in the configuration"
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="web-server")

    @property
    def url(self) -> str:
        """Where it listens; an address that means all interfaces is shown as it is."""
        host, port = self._server.server_address[:2]
        name = str(host)
        return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"

    def start(self, respond: Respond) -> None:
        self._server.respond = respond
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more, give answers under way `STOP_SECONDS`, and return. May be repeated."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.drain(STOP_SECONDS)


class _Server(ThreadingHTTPServer):
    # A client that never finishes must not keep the process from ending; `drain` waits for the others.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    respond: Respond

    def __init__(self, host: str, port: int, names: Collection[str]) -> None:
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._names = frozenset(map(str.lower, names)) if _is_loopback(host) else None
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
            return
        # Said from the accepting thread, so it must not wait: the answer fits the socket's empty buffer.
        request.setblocking(False)
        try:
            request.sendall(
                b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
            )
        except OSError:
            logger.debug("a connection beyond the limit was gone before it was told so")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def is_asked_for(self, host: str | None) -> bool:
        """Whether a request with this Host header is for this server."""
        if self._names is None or not host:
            return True
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name == "localhost" or name in self._names or _is_address(name)

    def drain(self, seconds: float) -> None:
        """Wait until no connection is open, at most so long."""
        deadline = time.monotonic() + seconds
        taken = 0
        while taken < MAX_CONNECTIONS and self._free.acquire(timeout=max(0.0, deadline - time.monotonic())):
            taken += 1
        if taken:
            self._free.release(taken)

    def handle_error(self, *_: Any) -> None:
        # The default prints a traceback to standard error; a client that went away is no error of ours.
        logger.debug("a request ended early: %r", sys.exc_info()[1])


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


class _TooLarge(Exception):
    """The request has more bytes than a request may have."""


class _TooSlow(Exception):
    """The request did not arrive in time."""


class _BoundedReader(io.RawIOBase):
    """A socket's bytes, up to a number of them and up to a moment."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._left = MAX_REQUEST_BYTES
        self._deadline = time.monotonic() + REQUEST_SECONDS

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._left <= 0:
            raise _TooLarge
        # The deadline is for the whole request: a byte every second must not hold a thread for hours.
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise _TooSlow
        self._connection.settimeout(remaining)
        view = memoryview(buffer)[: self._left]
        try:
            received = self._connection.recv_into(view)
        except TimeoutError:
            raise _TooSlow from None
        self._left -= received
        return received


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Until a request line was understood.
    command = ""
    requestline = ""

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_BoundedReader(self.connection), buffer_size=2048)

    def handle(self) -> None:
        # One request a connection: a kept one would hold a thread for a client that says nothing.
        self.close_connection = True
        try:
            self.handle_one_request()
        except _TooLarge:
            self._send(Response.plain(431, f"A request has at most {MAX_REQUEST_BYTES} bytes.\n"))
        except _TooSlow:
            logger.debug("a request did not arrive within %g s", REQUEST_SECONDS)

    def do_GET(self) -> None:
        self.close_connection = True
        if self.headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in self.headers:
            self._send(Response.plain(413, "A request has no body here.\n"))
            return
        if not self.server.is_asked_for(self.headers.get("Host")):
            self._send(Response.plain(421, "Ask for an address or localhost; more names: web.names.\n"))
            return
        try:
            response = self.server.respond(self.path, self.headers.get("Accept", ""))
        except Exception:
            # The client learns nothing of it; the log has the rest.
            logger.exception("a request could not be answered")
            response = Response.plain(500, "The answer failed; see the log of the process.\n")
        self._send(response)

    def do_HEAD(self) -> None:
        self.do_GET()

    def send_error(self, code: int, *_: Any, **__: Any) -> None:
        """What the standard library refuses itself. Its own page would repeat what the client sent."""
        self.close_connection = True
        if code == HTTPStatus.NOT_IMPLEMENTED:
            self._send(Response.plain(405, "Only GET and HEAD.\n", Allow="GET, HEAD"))
        else:
            self._send(Response.plain(code, f"{HTTPStatus(code).phrase}.\n"))

    def _send(self, response: Response) -> None:
        self.connection.settimeout(REQUEST_SECONDS)
        # Without a version a request line is HTTP/0.9 to the library, which would leave the headers out.
        self.request_version = self.protocol_version
        self.send_response(response.status)
        headers = {
            **STRICT_HEADERS,
            "Content-Type": response.content_type,
            "Content-Length": str(len(response.body)),
            "Connection": "close",
            **response.headers,
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def version_string(self) -> str:
        return "ftworker"

    def log_message(self, *_: Any) -> None:
        # What a client sends is theirs to choose, so it stays out of the log.
        logger.debug("answered a request")
