"""The names that conversations are looked through for: read from files and databases, kept, and read again in time.

Hands out one Scanner for each set of rosters that serves a tenant; every task of a process shares it. A roster that
cannot be read the first time stops the work (nobody's name would be found); one that could be read before stays in use
until it can be read again. No message holds a name.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ftworker.curation.privacy.scan import Scanner
from ftworker.errors import ConfigurationError, ConfigurationProblem, FtworkerError
from ftworker.settings import PrivacySettings, RosterSettings, Settings

RETRY_SECONDS = 60.0
"""How long a roster that could not be read again is left alone."""
LONGEST_NAME = 200
"""A line with more characters is no name but a wrong file."""

_log = logging.getLogger(__name__)


def scanner_for(settings: Settings, pipeline: str, tenant_id: str | None) -> Scanner:
    """The scanner with the rosters that serve the tenant; with all of them where nobody knows the tenant.

    The same one until a roster's `refresh_seconds` are over and its names have changed. Raises NotFound for the
    pipeline, ConfigurationError, SourceRejected (permanent) and SourceUnavailable (try later).
    """
    if settings.pipeline(pipeline).curation.personal_data == "keep" or not settings.privacy.rosters:
        return _kept.scanner(settings, ())
    serving = tuple(
        name
        for name, roster in sorted(settings.privacy.rosters.items())
        if tenant_id is None or roster.tenant in {"*", tenant_id}
    )
    return _kept.scanner(settings, serving)


def scanner_of_all(settings: Settings) -> Scanner:
    """The scanner with every roster, for files that may hold anybody. Raises as scanner_for does."""
    return _kept.scanner(settings, tuple(sorted(settings.privacy.rosters)))


def read_roster(settings: Settings, name: str) -> list[str]:
    """The names of one roster, read now. Raises as scanner_for does; for `ftworker doctor` and tests as well."""
    roster = settings.privacy.rosters[name]
    names = list(_from_file(name, roster.file) if roster.file is not None else _from_database(settings, name))
    if not names:
        key, value = _read_from(roster)
        raise _problem(f"privacy.rosters.{name}.{key}", value, "at least one name; it holds none")
    return names


def read_terms(settings: PrivacySettings) -> list[str]:
    """The terms that are never personal data, of `allow` and of `allow_file`. Raises ConfigurationError."""
    terms = [term for term in settings.allow if term.strip()]
    if settings.allow_file is not None:
        terms += lines_of(settings.allow_file, "privacy.allow_file")
    return terms


def lines_of(path: Path, key: str) -> list[str]:
    """The lines of a text file in UTF-8 that are neither empty nor begin with `#`, trimmed.

    Raises ConfigurationError, naming the setting or option `key` and the number of a line that cannot be right.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _problem(
            key, str(path), f"a text file that can be read ({error.strerror or type(error).__name__})"
        ) from None
    lines = []
    for number, line in enumerate(raw.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            text = line.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise _problem(key, str(path), f"text in UTF-8; line {number} is not, save it as UTF-8") from None
        if len(text) > LONGEST_NAME:
            raise _problem(key, str(path), f"one entry a line; line {number} has {len(text)} characters")
        if text and not text.startswith("#"):
            lines.append(text)
    return lines


@dataclass
class _Roster:
    names: tuple[str, ...]
    due: float
    """By the monotonic clock: when it is read again."""


class _Kept:
    """What a process has read: rosters with the time they are due, and the scanners made of them."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._settings: Settings | None = None
        self._terms: tuple[str, ...] = ()
        self._rosters: dict[str, _Roster] = {}
        self._scanners: dict[tuple[str, ...], tuple[tuple[tuple[str, ...], ...], Scanner]] = {}

    def scanner(self, settings: Settings, serving: tuple[str, ...]) -> Scanner:
        with self._lock:
            if settings is not self._settings:
                # A process has one configuration; tests have many, one after the other.
                self._terms = tuple(read_terms(settings.privacy))
                self._settings, self._rosters, self._scanners = settings, {}, {}
            names = tuple(self._names(settings, name) for name in serving)
            made = self._scanners.get(serving)
            # The very same lists: comparing thousands of names for each conversation would cost more than it says.
            if made is None or any(old is not new for old, new in zip(made[0], names, strict=True)):
                every = dict.fromkeys(name for of_roster in names for name in of_roster)
                made = (names, Scanner(roster=every, allow=self._terms))
                self._scanners[serving] = made
            return made[1]

    def _names(self, settings: Settings, name: str) -> tuple[str, ...]:
        kept = self._rosters.get(name)
        now = self._monotonic()
        if kept is not None and now < kept.due:
            return kept.names
        refresh = settings.privacy.rosters[name].refresh_seconds
        try:
            names = tuple(read_roster(settings, name))
        except FtworkerError as error:
            if kept is None:
                raise
            # Old names still find nearly everybody, and none would find nobody.
            _log.warning("roster %s keeps the names it had: %s", name, error)
            kept.due = now + min(RETRY_SECONDS, refresh)
            return kept.names
        if kept is not None and kept.names == names:
            names = kept.names
        self._rosters[name] = _Roster(names, now + refresh)
        return names


_kept = _Kept()


def _from_file(name: str, path: Path) -> Iterable[str]:
    key = f"privacy.rosters.{name}.file"
    return names_of(path, key)


def names_of(path: Path, key: str) -> list[str]:
    """The names of a roster file, one a line. Raises ConfigurationError, with the number of a line that is no name."""
    names = lines_of(path, key)
    for number, line in enumerate(names, start=1):
        sign = next((sign for sign in line if sign in ";\t@" or sign.isdigit()), None)
        if sign is not None:
            said = "a tab" if sign == "\t" else "a digit" if sign.isdigit() else repr(sign)
            raise _problem(
                key,
                str(path),
                f'one name a line, such as "García López, Lucía"; entry {number} holds {said}: '
                "keep the column of names alone",
            )
    return names


def _from_database(settings: Settings, name: str) -> Iterator[str]:
    from ftworker.sources.roster import query_names

    return query_names(settings, name)


def _read_from(roster: RosterSettings) -> tuple[str, str]:
    return ("file", str(roster.file)) if roster.file is not None else ("query", repr(roster.query))


def _problem(key: str, value: str, expected: str) -> ConfigurationError:
    return ConfigurationError("privacy", [ConfigurationProblem(key, value, f"expected {expected}")])
