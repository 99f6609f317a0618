"""What is written beside a run while a step works on it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from ftworker.runs.journal import RunJournal


@pytest.mark.parametrize("lease_seconds, renewals", [(120.0, 2), (3.0, 10)])
def test_progress_renews_a_lease_well_before_it_ends(
    monkeypatch: pytest.MonkeyPatch, lease_seconds: float, renewals: int
) -> None:
    written: list[Any] = []
    now = 0.0
    monkeypatch.setattr("ftworker.runs.journal.time.monotonic", lambda: now)
    monkeypatch.setattr(RunJournal, "recorder", lambda journal, run: written.append)
    tick = RunJournal(cast("Any", None), lease_seconds).keep_alive(cast("Any", None))

    for _ in range(100):
        now += 0.1
        tick("export", 1, "examples")

    assert len(written) in (renewals - 1, renewals)
