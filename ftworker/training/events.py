"""What a stage tells while it works: one JSON object a line on its standard output, and its exit status. Pure.

The job reads these lines and nothing else of the stage's output; standard error goes to a file that only the machine's
owner reads, since a library's traceback may quote a row. No text of a conversation ever stands in an event.
"""

from __future__ import annotations

from typing import Final

import msgspec

DONE: Final = 0
FAILED: Final = 1
"""The last line was a `Failed`; without one, the stage crashed."""
INTERRUPTED: Final = 75
"""Stopped by SIGTERM after saving a checkpoint: starting it again goes on from there (EX_TEMPFAIL of sysexits.h)."""


class Progressed(msgspec.Struct, frozen=True, tag="progress", tag_field="event", omit_defaults=True):
    """How far the stage is. Sent often; the job writes down what is worth it."""

    stage: str
    """`load`, `train`, `evaluate`, `convert`, `check`."""
    completed: int
    total: int
    unit: str
    """`steps`, `tensors`, `prompts`, `bytes`."""
    loss: float | None = None
    """Training loss a token of the last step."""
    validation_loss: float | None = None
    learning_rate: float | None = None
    epoch: float | None = None
    tokens_per_second: float | None = None
    eta_seconds: float | None = None
    memory_bytes: int | None = None
    """Peak of the device (GPU), or of the process where it trains on the CPU."""
    trained_tokens: int | None = None
    """Since the beginning, over all attempts."""


class Noted(msgspec.Struct, frozen=True, tag="note", tag_field="event"):
    """Something a person may want to read later."""

    message: str


class Failed(msgspec.Struct, frozen=True, tag="failed", tag_field="event"):
    """Why the stage ends. `code` is one of docs/LOCAL.md, `message` says what to change."""

    code: str
    message: str
    transient: bool = False
    """True when the same again may work (a full disk that somebody empties, a device that was busy)."""


Event = Progressed | Noted | Failed
_decoder = msgspec.json.Decoder(Event)


def encode_event(event: Event) -> bytes:
    """One line, its line feed included."""
    return msgspec.json.encode(event) + b"\n"


def decode_event(line: bytes) -> Event | None:
    """The event of a line; None for a line that is none (a library that prints)."""
    try:
        event: Event = _decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return event
