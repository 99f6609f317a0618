"""Acknowledgements on Valkey that cost a worker no place when they fail.

kombu counts a message as in hand until its acknowledgement has reached the server. One that fails, on a connection that
timed out or broke while the worker's reading one lives on, is never repeated: that place is gone for as long as the
worker lives, and a worker with one place takes nothing any more. Found by `make chaos` (seeds 13 and 17, kombu 5.7).
Here the place is free again. The server keeps the message as not acknowledged, and gives it out once more after the
visibility timeout; what it does is in rows, so that does no harm.
"""

from __future__ import annotations

from typing import Any

from kombu.transport import redis, virtual


class PlaceKeepingQoS(redis.QoS):  # type: ignore[misc]
    """What kombu keeps of the messages in hand; a failed acknowledgement raises as before, and frees the place."""

    def ack(self, delivery_tag: Any) -> None:
        try:
            super().ack(delivery_tag)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        try:
            super().reject(delivery_tag, requeue)
        except Exception:
            virtual.QoS.ack(self, delivery_tag)
            raise


def keep_places() -> None:
    """For every channel of this process that is opened from now on. kombu has no setting for it."""
    redis.Channel.QoS = PlaceKeepingQoS
