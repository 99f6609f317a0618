"""`ftworker web`: the process that serves /metrics, /healthz and the status page."""

from __future__ import annotations

import signal
import threading
from typing import Any

import click

from ftworker.cli.context import load


@click.command()
@click.option("--host", help="Address to listen on; 0.0.0.0 for all. Default: web.host of the configuration.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 takes a free one. Default: web.port of the configuration.",
)
def web(host: str | None, port: int | None) -> None:
    """Process: serve /metrics for Prometheus, /healthz, and a status page, until SIGTERM or Ctrl-C.

    There is no login: it shows counts, states and names from the configuration, never a conversation.
    Listen on addresses beyond this machine only inside a network that may see that.

    \b
    Example:
      ftworker web --port 9464
      curl http://127.0.0.1:9464/healthz
    """
    from ftworker.web.app import serve

    # Shows what is there: a database that does not run is an answer, not something to start.
    here = load(start_servers=False, logs=True)
    chosen = {key: value for key, value in {"host": host, "port": port}.items() if value is not None}
    settings = here.settings.model_copy(update={"web": here.settings.web.model_copy(update=chosen)})
    stop = threading.Event()

    def ask_to_stop(*_: Any) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask_to_stop)
    signal.signal(signal.SIGINT, ask_to_stop)
    serve(settings, here.store, stop, announce=lambda line: click.echo(line, err=True))
