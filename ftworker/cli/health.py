"""`ftworker health NAME`: whether a process of this host lives and reaches the database. For containers.

Starts nothing and changes nothing. For people there are `ftworker status` and `ftworker doctor`.
"""

from __future__ import annotations

import socket

import click

from ftworker.cli.context import load
from ftworker.store import processes

NAMES = ("ingest", "worker", "trainer", "beat", "web")


@click.command()
@click.argument("name", type=click.Choice(NAMES))
def health(name: str) -> None:
    """Exit code 0 when the process NAME of this host was seen within the last minute, else 1.

    A process is seen while it works and reaches the database; `beat` while its ticks arrive at a worker.

    \b
    Example:
      ftworker health worker
    """
    here = load(start_servers=False)
    # A tick of beat is noted by the worker that gets it, on whatever host.
    host = None if name == "beat" else socket.gethostname()
    try:
        with here.store.transaction() as cursor:
            alive = processes.is_alive(cursor, name, host)
    finally:
        here.store.close()
    if not alive:
        click.echo(
            f"no {name} seen{f' on {host}' if host else ''}: see its log, and `ftworker doctor`", err=True
        )
        raise SystemExit(1)
    click.echo(f"{name} is alive")
