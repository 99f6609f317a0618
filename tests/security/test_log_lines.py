"""A log has one line a record, and neither a child's words nor another's lines in it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module

import pytest

from ftworker.errors import PermanentError
from ftworker.logs import setup_logging

FORGED = "x\r\n2026-11-23 12:00:00,000 INFO    ftworker: all is well\x1b[2J\x9b31m\u202e\u2028"
Log = Callable[[], list[str]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Log:
    """The lines of the log; in a test, since pytest puts handlers of its own beside ours when it begins."""

    def told() -> list[str]:
        return capsys.readouterr().err.splitlines()

    return told


def test_a_name_from_outside_begins_no_line_and_drives_no_terminal(lines: Log) -> None:
    setup_logging()
    logging.getLogger("ftworker.tests").warning("source %s does not answer", FORGED)
    (line,) = lines()
    assert line.isprintable()
    assert r"x\r\n2026" in line


def test_neither_does_one_in_the_text_of_an_error(lines: Log) -> None:
    setup_logging()
    try:
        raise PermanentError(f"no pipeline named {FORGED}")
    except PermanentError:
        logging.getLogger("ftworker.tests").exception("it failed")
    told = lines()
    assert all(line.isprintable() for line in told)
    assert told[-1].startswith("PermanentError: no pipeline named x")


def test_a_package_that_is_missing_is_named(lines: Log) -> None:
    setup_logging()
    try:
        import_module("ftworker_nowhere")
    except ModuleNotFoundError:
        logging.getLogger("ftworker.tests").exception("it failed")
    assert lines()[-1] == "ModuleNotFoundError: ftworker_nowhere is not installed"


@pytest.mark.parametrize(
    "template",
    [
        "Received and deleted unknown message.  Wrong destination?!?\n\nThe full contents of the message body was: %s",
        "Can't decode message body: %r [type:%r encoding:%r headers:%s]\n\nbody: %s",
    ],
)
def test_what_celery_quotes_of_a_message_is_left_out(template: str, lines: Log) -> None:
    setup_logging()
    arguments = ["me llamo Lucía"] * template.count("%")
    logging.getLogger("celery.worker.consumer.consumer").critical(template, *arguments)
    (line,) = lines()
    assert "Lucía" not in line
    assert "a message that is no task was refused" in line


def test_a_tick_that_went_well_is_worth_no_line_and_one_that_failed_is(lines: Log) -> None:
    setup_logging()
    trace = logging.getLogger("celery.app.trace")
    for name in ("ftworker.sweep", "ftworker.export"):
        told = {"name": name, "id": "1"}
        logging.getLogger("celery.worker.strategy").info("Task %(name)s[%(id)s] received", told)
        trace.info("Task %(name)s[%(id)s] succeeded", told)
        trace.error("Task %(name)s[%(id)s] failed", told)
    assert [line.partition(": ")[2] for line in lines()] == [
        "Task ftworker.sweep[1] failed",
        "Task ftworker.export[1] received",
        "Task ftworker.export[1] succeeded",
        "Task ftworker.export[1] failed",
    ]


def test_what_else_celery_says_there_stays(lines: Log) -> None:
    setup_logging()
    logging.getLogger("celery.worker.consumer.consumer").warning("consumer: Connection to broker lost")
    assert "Connection to broker lost" in lines()[0]
