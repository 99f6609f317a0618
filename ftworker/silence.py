"""Servers that neither answer nor hang up: a connection that waits too long for an answer is cut off from here.

The operating system finds a machine that is gone. It finds nothing where something between (a proxy, a firewall, a
paused machine) goes on acknowledging packets, and a database driver then waits for ever. Never reads or writes a
connection. `store.connection` and `sources.connection` ask for answers here; brokers' drivers have timeouts of their
own.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

MARGIN_SECONDS = 15.0
"""How much longer to wait than a server's own limit for a statement allows it to work."""


@dataclass(eq=False)
class Wait:
    """One wait for an answer on a socket, until a time by `time.monotonic`."""

    socket_number: int
    deadline: float
    is_cut: bool = False


class Watch:
    """Cuts off whoever waits for longer than allowed, from one thread for the whole process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waits: set[Wait] = set()
        self._wakes_at = float("inf")
        self._thread: threading.Thread | None = None

    def begin(self, socket_number: int, seconds: float) -> Wait:
        """From now on somebody waits at this socket for an answer, for so long at most."""
        wait = Wait(socket_number, time.monotonic() + seconds)
        with self._changed:
            self._waits.add(wait)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="silence", daemon=True)
                self._thread.start()
            elif wait.deadline < self._wakes_at:
                self._changed.notify()
        return wait

    def end(self, wait: Wait) -> None:
        """The answer is there, or an error is. Afterwards the socket is not touched."""
        with self._changed:
            self._waits.discard(wait)

    def _work(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for wait in [wait for wait in self._waits if wait.deadline <= now]:
                    self._waits.discard(wait)
                    wait.is_cut = True
                    _cut(wait.socket_number)
                # Statements come by the thousand and end at once: it wakes for the oldest alone, and looks anew.
                self._wakes_at = min((wait.deadline for wait in self._waits), default=float("inf"))
                left = self._wakes_at - time.monotonic()
                self._changed.wait(None if left == float("inf") else max(0.0, left))


_watch = Watch()
# A forked child has no such thread, and may have got the lock while it was held.
os.register_at_fork(after_in_child=_watch.__init__)  # type: ignore[misc]


@contextmanager
def answer_within(socket_number: int, seconds: float, lost: type[Exception]) -> Iterator[None]:
    """What is inside asks a server one thing. Without its end after `seconds` the socket is shut down.

    The driver, which waits in this thread, then sees a lost connection; its error becomes `lost`, which says why.
    """
    wait = _watch.begin(socket_number, seconds)
    try:
        yield
    except lost:
        if wait.is_cut:
            raise lost(f"no answer within {seconds:g} s") from None
        raise
    finally:
        _watch.end(wait)


def _cut(socket_number: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(socket_number)) as end:
        end.shutdown(socket.SHUT_RDWR)
