"""The clock. The only place that asks what time it is, so that a test can say.

All times in ftworker are timezone-aware UTC.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, timezone-aware UTC."""
    return datetime.now(UTC)
