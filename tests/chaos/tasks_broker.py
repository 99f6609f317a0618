"""The broker of a plant's tasks, looked into: how much waits in its queues, and what stands in the messages."""

from __future__ import annotations

import base64
import contextlib
import json
import time
from typing import Any

import kombu
import redis

from ftworker.celery import DEAD_QUEUE, SHORT_QUEUE, TRAINING_QUEUE
from tests.servers import RabbitmqServer, ValkeyServer

QUEUES = (SHORT_QUEUE, TRAINING_QUEUE)
LOOKS = 100
"""Beat's ticks pass by all the time, and those of an outage are worked off: the least of so many looks stays."""


class TasksBroker:
    """RabbitMQ or Valkey, whichever carries the tasks, asked directly and not through a proxy."""

    def __init__(self, server: RabbitmqServer | ValkeyServer) -> None:
        self._server = server
        self._seen: dict[int, str] = {}
        self.lost_at = 0.0
        """When RabbitMQ's queues were emptied last, by `time.monotonic`."""

    def depths(self) -> dict[str, int]:
        """How many messages stay in each queue; what only passes by does not count."""
        depths = {}
        for queue in QUEUES:
            looks = [self._depth(queue)]
            while looks[-1] and len(looks) < LOOKS:
                time.sleep(0.15)
                looks.append(self._depth(queue))
            depths[queue] = min(looks)
        if isinstance(self._server, RabbitmqServer):
            depths[DEAD_QUEUE] = self._depth(DEAD_QUEUE)
        return depths

    def _depth(self, queue: str) -> int:
        if isinstance(self._server, ValkeyServer):
            with contextlib.closing(redis.Redis(port=self._server.port)) as client:
                length: Any = client.llen(queue)
                return int(length)
        with kombu.Connection(self._server.url()) as connection:
            return int(connection.default_channel.queue_declare(queue, passive=True).message_count)

    def lose_everything(self) -> bool:
        """Empty RabbitMQ's queues; False when it does not answer. A Valkey without a file is killed instead."""
        assert isinstance(self._server, RabbitmqServer)
        try:
            with kombu.Connection(self._server.url(), connect_timeout=3) as connection:
                for queue in QUEUES:
                    connection.default_channel.queue_purge(queue)
                self.lost_at = time.monotonic()
        except (OSError, *kombu.Connection().connection_errors, *kombu.Connection().channel_errors):
            return False
        return True

    def read_along(self) -> None:
        """Keep what waits in Valkey at this moment, to search it for texts. RabbitMQ cannot be read without taking."""
        if not isinstance(self._server, ValkeyServer):
            return
        with (
            contextlib.suppress(redis.RedisError),
            contextlib.closing(redis.Redis(port=self._server.port)) as client,
        ):
            waiting: Any = [entry for queue in QUEUES for entry in client.lrange(queue, 0, -1)]
            for entry in [*waiting, *client.hvals("unacked")]:
                self._seen[hash(entry)] = readable(entry)

    def seen(self) -> str:
        """Every message that was read, with its arguments and headers."""
        return "\n".join(self._seen.values())


def readable(entry: bytes) -> str:
    """A message as kombu keeps it in Valkey, its body (base64) as text."""
    message = json.loads(entry)
    if isinstance(message, list):
        message = message[0]
    message["body"] = base64.b64decode(message["body"]).decode(errors="replace")
    return json.dumps(message, ensure_ascii=False)
