"""The double on a socket: HTTP as Ollama speaks it, a journal of what was asked, and faults on demand."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

from tests.doubles.ollama_api.state import OllamaState, Refused

FaultKind = Literal[
    "error_500",
    "drop",
    "drop_after_effect",
    "slow",
    "not_found",
    "disk_full",
    "malformed",
    "no_success",
    "not_kept",
    "restart",
    "corrupt",
]
STREAMED = frozenset({"create", "pull"})
DISK_FULL = "write /root/.ollama/models/blobs/sha256-1: no space left on device"


@dataclass
class Fault:
    """What goes wrong. `operation` None: at any call; `skip` calls go well first; then `times` calls go
    wrong."""

    kind: FaultKind
    operation: str | None = None
    skip: int = 0
    times: int = 1
    after_lines: int = 1
    """For streamed answers: so many lines go out well before."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Call:
    """One request as it came. `operation` is the path's word: version, tags, show, blobs, create, pull..."""

    method: str
    operation: str
    body: dict[str, Any]


class ConnectionDroppedError(Exception):
    """The double hangs up in the middle, as a killed Ollama does."""


class OllamaDouble(OllamaState):
    """One Ollama. Start it with `with`; everything a test may ask of it is here."""

    def __init__(
        self,
        version: str = "0.34.1",
        *,
        models: tuple[str, ...] = ("llama3.2:3b",),
        registry: tuple[str, ...] = (),
        port: int = 0,
    ) -> None:
        super().__init__(version, models, registry)
        self.journal: list[Call] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.double = self
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.close()

    def inject(self, kind: FaultKind, operation: str | None = None, **details: Any) -> None:
        """Let a coming call go wrong; see Fault."""
        self.faults.append(Fault(kind, operation, **details))

    def calls(self, *operations: str) -> list[Call]:
        """The journal, in order; with names, only those operations."""
        return [call for call in self.journal if not operations or call.operation in operations]

    def take_fault(self, operation: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.operation not in (None, operation) or fault.times == 0:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                return replace(fault)
        return None


class _Server(ThreadingHTTPServer):
    double: OllamaDouble

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is no event here; the test sees it from its own side."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 30

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is http.server's
        """Quiet: the journal is the log."""

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        double = self.server.double
        operation, _, rest = self.path.removeprefix("/api/").partition("/")
        raw = self._read_body()
        body: dict[str, Any] = {}
        if raw and operation != "blobs":
            try:
                body = json.loads(raw)
            except ValueError:
                self._send(400, {"error": "invalid character in request body"})
                return
        said = {"digest": rest} if operation == "blobs" else body
        double.journal.append(Call(self.command, operation, said))
        fault = double.take_fault(operation)
        try:
            self._apply_before(fault)
            if operation in STREAMED:
                self._stream(operation, body, fault)
            else:
                self._answer(operation, rest, body, raw, fault)
        except Refused as refused:
            self._send(refused.status, {"error": refused.message})
        except ConnectionDroppedError:
            self._hang_up()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _apply_before(self, fault: Fault | None) -> None:
        match fault:
            case Fault(kind="slow"):
                time.sleep(fault.seconds)
            case Fault(kind="restart"):
                self.server.double.restart()
            case Fault(kind="error_500"):
                raise Refused(500, "something inside Ollama failed")
            case Fault(kind="not_found"):
                raise Refused(404, "model not found")
            case Fault(kind="drop", operation=operation) if operation not in STREAMED:
                raise ConnectionDroppedError
            case _:
                pass

    def _answer(
        self, operation: str, rest: str, body: dict[str, Any], raw: bytes, fault: Fault | None
    ) -> None:
        double = self.server.double
        status, answer = 200, None
        match (self.command, operation):
            case ("GET" | "HEAD", "version"):
                answer = {"version": double.version}
            case ("GET" | "HEAD", "tags"):
                answer = double.tags()
            case ("POST", "show"):
                answer = double.show(body)
            case ("POST", "copy"):
                double.copy(body)
            case ("DELETE", "delete"):
                double.delete(body)
            case ("POST", "chat"):
                answer = double.chat(body)
            case ("POST", "generate"):
                answer = double.generate(body)
            case ("HEAD", "blobs"):
                status = 200 if double.has_blob(rest) else 404
            case ("POST", "blobs"):
                broken = fault is not None and fault.kind == "corrupt"
                status = double.put_blob(rest, raw[::-1] if broken else raw)
            case _:
                status, answer = 404, {"error": "404 page not found"}
        if fault and fault.kind == "drop_after_effect":
            raise ConnectionDroppedError
        if fault and fault.kind == "malformed":
            self._send_bytes(200, b'{"half": ', "application/json")
            return
        self._send(status, answer)

    def _stream(self, operation: str, body: dict[str, Any], fault: Fault | None) -> None:
        double = self.server.double
        lines = double.create(body) if operation == "create" else double.pull(body)
        if body.get("stream") is False:
            said = list(lines)
            error = next((line["error"] for line in said if "error" in line), None)
            if error:
                raise Refused(500, error)
            self._send(200, said[-1])
            return
        first = next(lines)  # a Refused here is still a status
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        sent = 0
        try:
            for line in self._chain(first, lines):
                if fault and sent == fault.after_lines and fault.kind in ("drop", "malformed", "disk_full"):
                    if fault.kind == "drop":
                        raise ConnectionDroppedError
                    broken = fault.kind == "malformed"
                    self._chunk(b'{"status": \n' if broken else _encoded({"error": DISK_FULL}))
                    break
                if line == {"status": "success"} and fault and fault.kind == "drop_after_effect":
                    raise ConnectionDroppedError
                if line == {"status": "success"} and fault and fault.kind == "no_success":
                    break
                self._chunk(_encoded(line))
                sent += 1
        except Refused as refused:
            self._chunk(_encoded({"error": refused.message}))
        if fault and fault.kind == "not_kept":
            double.forget(body["model"])
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    @staticmethod
    def _chain(first: dict[str, Any], lines: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        yield first
        yield from lines

    def _chunk(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            content = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                content += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return content
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _send(self, status: int, answer: dict[str, Any] | None) -> None:
        content = b"" if answer is None or self.command == "HEAD" else _encoded(answer)
        self._send_bytes(status, content, "application/json; charset=utf-8")

    def _send_bytes(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self.close_connection = True

    def _hang_up(self) -> None:
        # A reset instead of a goodbye: what a client sees when the process is killed.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.flush()
        self.connection.close()


def _encoded(value: dict[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
