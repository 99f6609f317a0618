"""Two things that stop a worker on Valkey for as long as it lives with kombu 5.7, and what is done against each.

**A failed acknowledgement keeps its place.** kombu counts a message as in hand until its acknowledgement has reached
the server. One that fails, on a connection that timed out or broke while the worker's reading one lives on, is never
repeated, and a worker with one place takes nothing any more. Here the place is free again. The server keeps the
message as not acknowledged, and gives it out once more after the visibility timeout; what it does is in rows, so that
does no harm. Found by `make chaos`, seeds 13 and 17.

**A dropped connection goes on waking the worker.** Where the server is silent, kombu drops the connection and opens
another. Its socket is closed before the event loop is told, and a child that was forked since it was opened (in place
of one that was killed, or had done its number of tasks) still has it; so the loop goes on watching it, under a number
that the next connection gets. What the old one says is then read from the new one, which waits for an answer without
an end. Here the loop is told first. Found by `make chaos`, seed 11.
"""

from __future__ import annotations

import os
from typing import Any

from kombu.transport import redis, virtual

_connection_parameters = redis.Channel._connparams  # noqa: SLF001 - the one place that knows the class


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


def _leaving_parameters(channel: Any, *arguments: Any, **named: Any) -> dict[str, Any]:
    """kombu's parameters of a connection, of a class whose sockets the event loop stops watching before they close."""
    parameters: dict[str, Any] = _connection_parameters(channel, *arguments, **named)
    kind: Any = parameters["connection_class"]

    class Leaving(kind):  # type: ignore[misc]
        def disconnect(self, *arguments: Any, **named: Any) -> None:
            poller = channel.connection.cycle.poller if channel.connection is not None else None
            # A child has the parent's poller too, and must not stop what the parent watches.
            if poller is not None and self._sock is not None and self.pid == os.getpid():
                poller.unregister(self._sock)
            super().disconnect(*arguments, **named)

    parameters["connection_class"] = Leaving
    return parameters


def mend_channels() -> None:
    """For every channel of this process that is opened from now on. kombu has no setting for either."""
    redis.Channel.QoS = PlaceKeepingQoS
    redis.Channel._connparams = _leaving_parameters  # noqa: SLF001
