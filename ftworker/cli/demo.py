"""`ftworker demo`: the whole job on example conversations, shown as it happens, in 80 columns.

Puts the demonstration's own configuration together with this installation's servers and home, so that every other
command finds afterwards what the demonstration has made. The work is in `ftworker.demo.run`.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ftworker.settings import Settings

CONFIG_NAME = "demo.toml"
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--again", is_flag=True, help="Forget what an earlier demo made; show all from the beginning.")
def demo(again: bool) -> None:
    """Run the whole job on example conversations, with nothing installed.

    Writes 62 invented conversations with a school's tutor (in Spanish) into a chat store, publishes that they have
    closed, and lets the real processes make examples, a dataset and a model of them. Takes about 20 seconds.

    PostgreSQL and Valkey are started under FTWORKER_HOME, unless FTWORKER_DATABASE_URL and FTWORKER_BROKER_URL name
    yours. What was made stays there: a second demo goes on where the first was interrupted, or shows its result.

    \b
    Example:
      ftworker demo
      ftworker status
    """
    from ftworker.cli.operate import process_commands, process_environment
    from ftworker.demo.conversations import PIPELINE_NAME, packaged_conversations
    from ftworker.demo.run import Demonstration
    from ftworker.demo.screens import make_screen
    from ftworker.demo.summary import Place, summary
    from ftworker.installation import Installation, with_servers
    from ftworker.logs import setup_logging

    setup_logging(logging.CRITICAL)
    # A terminal that cannot show a letter shows a question mark; that must not end the demonstration.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    settings, config = demo_settings()
    log_folder = settings.home.absolute() / "demo" / "logs"
    threshold = settings.pipeline(PIPELINE_NAME).trigger.min_examples or 1
    screen = make_screen(len(packaged_conversations()), threshold)
    began = time.monotonic()
    with _stopped_by_signals(), screen.shown():
        if settings.database_url is None or settings.broker_url is None:
            screen.step("starting PostgreSQL and Valkey")
        here = Installation(with_servers(settings, start=True))
        commands = process_commands()
        commands["web"] += ["--port", "0"]
        environment = {**process_environment(here), "FTWORKER_CONFIG": str(config)}
        if here.settings.storage_url is not None:
            environment["FTWORKER_STORAGE_URL"] = here.settings.storage_url
        result = Demonstration(here, commands, environment, log_folder, screen).run(again=again)
    if result.repeated:
        click.echo("  an earlier demo has done all of this; here is its result once more")
    else:
        click.echo(f"  done in {time.monotonic() - began:.0f} s")
    web_url = f"http://{here.settings.web.host}:{here.settings.web.port}"
    storage_url = here.settings.storage()
    place = Place(own_command(), Path.cwd(), config, log_folder, storage_url, web_url, threshold)
    for part in summary(result, place):
        click.echo()
        click.secho(part.title, bold=True)
        for line in part.lines:
            click.echo(f"  {line}")


def demo_settings() -> tuple[Settings, Path]:
    """The demonstration's settings, and the file in this installation's home that holds them.

    Home, servers and storage are those of this installation. Raises ConfigurationError for its configuration.
    """
    from ftworker.settings import load_settings

    own = load_settings()
    home = own.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    config = home / CONFIG_NAME
    config.write_bytes(files("ftworker.demo").joinpath(CONFIG_NAME).read_bytes())
    where = ("home", "database_url", "broker_url", "events_url", "storage_url")
    return load_settings(config).model_copy(update={name: getattr(own, name) for name in where}), config


def own_command() -> str:
    """How to call this program from this terminal: `ftworker` where the PATH finds it, else by its path."""
    program = Path(sys.argv[0]).absolute()
    if program.name != "ftworker":
        return f"{Path(sys.executable).name} -m ftworker.cli"
    found = shutil.which("ftworker")
    if found is not None and Path(found).samefile(program):
        return "ftworker"
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """End as Ctrl-C does when asked to end, or when the terminal goes away: in order, with nothing left running."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        click.echo("\nAnother `ftworker demo` goes on from here.", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
