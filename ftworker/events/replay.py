"""Parked messages once more: decoded with the present code and settings, into the inbox, or explained anew.

What `accumulate` parked goes back to waiting as it is: its event was understood, and what stopped it (a source that
was not configured, say) may be mended. Never shows what is in a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ftworker.events.contract import EventRejected, decode
from ftworker.store import inbox, parked
from ftworker.store.connection import Cursor
from ftworker.store.inbox import NewEvent

TRANSPORT = "replay"
"""Label of replayed events in the totals."""


@dataclass(frozen=True)
class Replayed:
    """What became of a replay: `recorded` and `waiting_again` left `parked`; `still_parked` did not."""

    recorded: int
    duplicates: int
    waiting_again: int
    still_parked: dict[int, tuple[str, str]]
    """Id to the reason and detail that hold now."""


def replay(cursor: Cursor, chosen: Sequence[int], max_bytes: int) -> Replayed:
    """Replay parked messages in the caller's transaction. Repeatable: an event that is known counts as a duplicate."""
    held = parked.take(cursor, chosen)
    events: list[NewEvent] = []
    done: list[int] = []
    again: list[int] = []
    still: dict[int, tuple[str, str]] = {}
    for message in held:
        if message.inbox_id is not None:
            again.append(message.id)
            continue
        if message.is_cut:
            still[message.id] = (
                "too_large",
                "only its first part was kept; publish it again after raising the limit",
            )
            continue
        try:
            event = decode(message.raw, max_bytes)
        except EventRejected as error:
            still[message.id] = (error.reason, error.detail)
            continue
        payload = message.raw.decode("utf-8")
        events.append(
            NewEvent(event.source, event.id, event.source_name, event.data.conversation_id, payload)
        )
        done.append(message.id)
    counts = inbox.record_batch(cursor, events, [], TRANSPORT)
    waiting_again = parked.wait_again(cursor, again)
    parked.explain_again(cursor, still)
    parked.drop(cursor, [*done, *again])
    return Replayed(counts.recorded, counts.duplicates, waiting_again, still)
