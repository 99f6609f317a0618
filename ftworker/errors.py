"""The errors of ftworker: permanent (a person must act) or transient (trying again can help). Decided by type.

A message carries what went wrong, the value, and the next step. It never carries conversation text or a secret.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class FtworkerError(Exception):
    """Everything that ftworker raises on purpose."""


class PermanentError(FtworkerError):
    """Trying again gives the same answer; a person must act."""


class TransientError(FtworkerError):
    """Trying again later can help. `retry_after_seconds` is the other side's own wish, when it said one."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class ConfigurationProblem:
    """One wrong setting: its key, the value found (masked when secret), and what is expected there."""

    key: str
    value: str
    expected: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value}: {self.expected}"


class ConfigurationError(PermanentError):
    """The configuration cannot be used; names every problem at once, not just the first."""

    def __init__(self, where: str, problems: Sequence[ConfigurationProblem]) -> None:
        self.where = where
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        count = len(self.problems)
        super().__init__(f"{where}: {count} problem{'s' if count != 1 else ''}{lines}")


class NotFound(PermanentError):
    """What was named does not exist: a run, a dataset, a pipeline, a parked message."""


class Refused(PermanentError):
    """The request is understood and must not be done now; the message says what would allow it."""


class DatabaseUnavailable(TransientError):
    """PostgreSQL did not answer or dropped the connection; nothing of the transaction was kept."""


class DatabaseRejected(PermanentError):
    """PostgreSQL refused a statement of ftworker: a bug, or a schema that is not migrated.

    Carries the SQLSTATE and the constraint or table alone: PostgreSQL's own text can echo a row.
    """


class SourceUnavailable(TransientError):
    """The RAG's store did not answer; its conversations stay in the inbox."""


class SourceRejected(PermanentError):
    """The RAG's store cannot be read as configured: no such source, table, column, or no right to it."""
