"""PostgreSQL's own clock, moved by libfaketime, which is preloaded for the server alone. Monotonic time goes on.

Where the library is not installed (Debian's package `libfaketime`) the clock stays, and the fault is not among those.
"""

from __future__ import annotations

from pathlib import Path

from tests.servers import PostgresServer

LIBRARY = "lib/*/faketime/libfaketime.so.1"


class DatabaseClock:
    """Made before the server starts."""

    def __init__(self, server: PostgresServer, folder: Path, *, wanted: bool) -> None:
        found = sorted(Path("/usr").glob(LIBRARY)) if wanted else []
        self.can_move = bool(found)
        self.offset_seconds = 0.0
        self._latest_seconds = 0.0
        self._file = folder / "clock-postgresql"
        if found:
            self._write()
            server.extra_environment = {
                "LD_PRELOAD": str(found[0]),
                "FAKETIME_TIMESTAMP_FILE": str(self._file),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1",
            }

    def move(self, seconds: float) -> None:
        """From about a second later on it is so much later (or earlier) than before; it stays so."""
        self.offset_seconds += seconds
        self._latest_seconds = max(self._latest_seconds, self.offset_seconds)
        self._write()

    def catch_up(self) -> None:
        """As late as it ever was: the time that it was set back by is over, and what waited for it is due."""
        if self.offset_seconds < self._latest_seconds:
            self.offset_seconds = self._latest_seconds
            self._write()

    def _write(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{self.offset_seconds:+.0f}\n")
        new.chmod(0o644)
        new.replace(self._file)
