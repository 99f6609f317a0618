"""Logging for every process: one line a record, and no text of an exception that could hold a conversation.

Exceptions of ftworker carry safe messages by rule (`errors`); any other keeps its type and its places in the code,
without its text. A name or an id from outside can neither begin a line of its own nor drive the terminal.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from ftworker.errors import FtworkerError

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

_TICKS = frozenset({"ftworker.sweep", "ftworker.check_triggers", "ftworker.sweep_idle", "ftworker.tidy"})


class SafeFormatter(logging.Formatter):
    """Formats a record as one line, and a traceback as file, line and function; an exception's text only when it is
    ours.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        return one_line(super().formatMessage(record))

    def formatException(  # noqa: N802 - the name is logging's
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        _, error, trace = ei
        if error is None:
            return ""
        places = "".join(
            f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n'
            for frame in traceback.extract_tb(trace)
        )
        return f"Traceback (most recent call last):\n{places}{one_line(describe(error))}"


def one_line(text: str) -> str:
    r"""The text on one line: what is no printable character shows as `\n`, `\x1b`, `\u202e` and the like."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def describe(error: BaseException) -> str:
    """The type of an exception, with its text only when that is known to be safe."""
    if isinstance(error, FtworkerError):
        return f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{type(error).__name__}: {error.name} is not installed"
    return type(error).__name__


def _without_body(record: logging.LogRecord) -> bool:
    """Celery quotes messages that are no tasks, and what was sent to the wrong queue may be a conversation."""
    if isinstance(record.msg, str) and "message body" in record.msg:
        record.msg = (
            "a message that is no task was refused; events go to the exchange or stream (docs/EVENTS.md)"
        )
        record.args = None
        record.exc_info = None
    return True


def _tells_something(record: logging.LogRecord) -> bool:
    """Celery has two lines for each task. Beat's ticks come every few seconds: while they go well they say nothing."""
    told = record.args
    return not (record.levelno <= logging.INFO and isinstance(told, dict) and told.get("name") in _TICKS)


def setup_logging(level: int | str = logging.INFO) -> None:
    """Log to standard error. Replaces what was set up before, so that every process logs alike."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Celery's commands begin at WARNING; what ftworker does is worth a line at INFO.
    logging.getLogger("ftworker").setLevel(logging.INFO if level in {"WARNING", logging.WARNING} else level)
    # These libraries log bodies, arguments or every request at INFO.
    for name in ("httpx", "httpx2", "openai", "urllib3", "amqp", "kombu", "celery.utils.functional"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A filter is added once, however often this is called.
    logging.getLogger("celery.worker.consumer.consumer").addFilter(_without_body)
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).addFilter(_tells_something)
