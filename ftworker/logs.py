"""Logging for every process: one line a record, and no text of an exception that could hold a conversation.

Exceptions of ftworker carry safe messages by rule (`errors`); any other keeps its type and its places in the code,
without its text.
"""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType

from ftworker.errors import FtworkerError

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class SafeFormatter(logging.Formatter):
    """Formats a traceback as file, line and function, and the text of an exception only when it is ours."""

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
        return f"Traceback (most recent call last):\n{places}{describe(error)}"


def describe(error: BaseException) -> str:
    """The type of an exception, with its text only when that is known to be safe."""
    if isinstance(error, FtworkerError):
        return f"{type(error).__name__}: {error}"
    return type(error).__name__


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
