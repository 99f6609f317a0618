"""The double's HTTP front: sockets, bodies, routing. Decides nothing; `server.OpenAIDouble` answers."""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.doubles.openai_api.messages import PREFIXES, ROUTES, Incoming, Reply, envelope, json_reply
from tests.doubles.openai_api.spec import Exchange
from tests.doubles.openai_api.wire import parse_form


class Answering(Protocol):
    """The inside of the double, as the front sees it."""

    def answer(self, incoming: Incoming) -> Reply: ...

    def control(self, method: str, path: str, body: Mapping[str, Any]) -> Reply: ...


class Server(ThreadingHTTPServer):
    """Threads for requests, and a way to end them all."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Callable[..., Handler]) -> None:
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """End kept-alive connections, so that their threads end."""
        with self._connections_lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is the test's own doing; anything else is a mistake in the double."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection of a client; the official one keeps it alive over many requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, double: Answering, *args: Any) -> None:
        self.double = double
        super().__init__(*args)

    def log_message(self, *_: Any) -> None:
        """The journal is the log."""

    def _serve(self) -> None:
        raw = self._read_body()
        split = urlsplit(self.path)
        if split.path.startswith("/_double/"):
            self._send(self._control(split.path, raw))
            return
        incoming = self._incoming(split.path, split.query, raw)
        if incoming is None:
            self._send(envelope(404, f"Invalid URL ({self.command} {split.path})", None, None, None))
            return
        self._send(self.double.answer(incoming))

    do_GET = do_POST = do_DELETE = _serve  # noqa: N815

    def _control(self, path: str, raw: bytes) -> Reply:
        try:
            return self.double.control(self.command, path, json.loads(raw or b"{}"))
        except (KeyError, TypeError, ValueError) as error:
            return json_reply(400, {"error": f"{type(error).__name__}: {error}"})

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def _incoming(self, path: str, query: str, raw: bytes) -> Incoming | None:
        inner = next((f"/{path.removeprefix(prefix)}" for prefix in PREFIXES if path.startswith(prefix)), "")
        found = (
            (re.fullmatch(pattern, inner), op) for method, pattern, op in ROUTES if method == self.command
        )
        match, operation = next(((match, op) for match, op in found if match), (None, ""))
        if match is None:
            return None
        content_type = self.headers.get("Content-Type", "")
        form = parse_form(content_type, raw) if content_type.startswith("multipart/form-data") else None
        pairs = parse_qsl(query, keep_blank_values=True)
        parsed: Any = None
        if form is None and raw:
            try:
                parsed = json.loads(raw)
            except ValueError:
                parsed = None
        return Incoming(
            method=self.command,
            path=path,
            operation=operation,
            argument=unquote(match.group(1)) if match.groups() else "",
            query=dict(pairs),
            exchange=Exchange(
                method=self.command,
                path=inner,
                query=pairs,
                authorization=self.headers.get("Authorization", ""),
                content_type=form.check_content_type if form else content_type.split(";")[0],
                body=form.check_body if form else (raw or None),
            ),
            json=parsed,
            form=form,
            headers={
                name.lower(): value for name, value in self.headers.items() if name.lower() != "authorization"
            },
        )

    def _send(self, reply: Reply) -> None:
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if reply.truncate:
            self.close_connection = True
            self.wfile.write(reply.content[: len(reply.content) // 2])
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.wfile.write(reply.content)
