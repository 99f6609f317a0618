"""The web process: /metrics for Prometheus, /healthz for whoever restarts it, / for people.

`Site` makes answers, `server` speaks HTTP, `serve` joins them until it is told to stop. Answers show names of
the configuration, codes, counts and times; never a conversation, a user or a secret.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client.exposition import choose_encoder

from ftworker import __version__
from ftworker.clock import Clock, utc_now
from ftworker.settings import Settings
from ftworker.store import Store
from ftworker.web import page
from ftworker.web.metrics import WorkerCollector
from ftworker.web.reader import Problem, Reader
from ftworker.web.server import Response, WebServer
from ftworker.web.style import STYLE

logger = logging.getLogger(__name__)

_STYLE_HASH = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page: show it with its own style sheet, nothing else."""


@dataclass(frozen=True)
class Site:
    """Answers requests. Safe to share between threads."""

    settings: Settings
    reader: Reader
    clock: Clock = utc_now

    def respond(self, target: str, accept: str) -> Response:
        """The answer to GET `target` (path and query) from a client that accepts `accept`."""
        path, _, query = target.partition("?")
        match path:
            case "/":
                return self._page(refresh="still" not in query.split("&"))
            case "/metrics":
                return self._metrics(accept)
            case "/healthz":
                return self._health()
            case _:
                return Response.plain(404, "There is /, /metrics and /healthz.\n")

    def _page(self, *, refresh: bool) -> Response:
        reading = self.reader.latest()
        text = page.render(self.settings, reading, now=self.clock(), refresh=refresh)
        status = 200 if reading.snapshot else 503
        return Response(
            status, "text/html; charset=utf-8", text.encode(), {"Content-Security-Policy": PAGE_POLICY}
        )

    def _metrics(self, accept: str) -> Response:
        # 200 even without a database: `ftworker_scrape_success 0` says more than a failed scrape.
        encode, content_type = choose_encoder(accept)
        return Response(200, content_type, encode(WorkerCollector(self.settings, self.reader)))

    def _health(self) -> Response:
        reading = self.reader.latest()
        reachable = reading.problem in (None, Problem.SCHEMA)
        body = {
            "status": "ok" if reading.problem is None else "failing",
            "version": __version__,
            "checks": {
                "database": "ok" if reachable else "failing",
                # Without a database nobody knows.
                "migrations": "unknown" if not reachable else "failing" if reading.problem else "ok",
            },
            "problems": [] if reading.problem is None else [str(reading.problem)],
        }
        status = 200 if reading.problem is None else 503
        return Response(status, "application/json", f"{json.dumps(body, indent=2)}\n".encode())


def serve(
    settings: Settings,
    store: Store,
    stop_event: threading.Event,
    *,
    announce: Callable[[str], None] = logger.info,
) -> None:
    """Answer on `web.host`:`web.port` until `stop_event` is set; finish what is under way, and return.

    `announce` is told the URL once connections are accepted; port 0 takes a free one. Raises Refused when the
    address cannot be listened on.
    """
    server = WebServer(settings.web.host, settings.web.port, settings.web.names)
    reader = Reader(settings, store)
    try:
        server.start(Site(settings, reader).respond)
        announce(f"ftworker web: {server.url} (/metrics, /healthz)")
        stop_event.wait()
    finally:
        server.stop()
        reader.close()
