"""A Valkey or Redis stream read by a consumer group: XREADGROUP, XACK after the commit, XAUTOCLAIM of what died.

Acknowledged entries are trimmed when no other group reads the stream, up to the oldest entry that anyone still has
to acknowledge: the stream holds what is not recorded yet. Never decodes an event. `ingest` drives it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import redis

from ftworker.events.transport import BrokerRefused, BrokerUnavailable, Delivery, not_answering

if TYPE_CHECKING:
    from ftworker.settings import IngestSettings

logger = logging.getLogger(__name__)

FIELD = b"event"
CONNECT_TIMEOUT_SECONDS = 10.0
ANSWER_SECONDS = 20.0
"""Longest wait for an answer where no configuration says another (`network.answer_seconds`)."""
BLOCK_SECONDS = 1.0
"""Longest that a read may wait at the server for entries."""
TRIM_INTERVAL_SECONDS = 1.0
CLAIM_COUNT = 500
GONE_SECONDS = 2.0
"""Longest silence of a consumer that is only connecting anew: it reads at least every BLOCK_SECONDS."""
DEAD_CONSUMER_MILLISECONDS = 24 * 3_600_000
"""A consumer of an ended process is taken off the group after a day with nothing to acknowledge."""

# The server answers, yet cannot serve now: a restart, a failover, a full disk, memory, a group lost with the data.
_PASSING = (
    "LOADING",
    "MASTERDOWN",
    "READONLY",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "MISCONF",
    "OOM",
    "NOGROUP",
    "no such key",
    "BUSY ",
    "UNBLOCKED",
)


@contextmanager
def broker_errors(what: str, *, url: str | None = None) -> Iterator[None]:
    """Turn the driver's errors into BrokerUnavailable or BrokerRefused. The server's texts name keys, not values.

    `url`: of the server, where it may be wrong because no connection was made yet. Shown without its password.
    """
    try:
        yield
    except redis.AuthenticationError as error:
        raise BrokerRefused(f"Valkey refused to {what}: wrong user or password") from error
    except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
        raise BrokerUnavailable(not_answering("Valkey", error, url)) from error
    except redis.RedisError as error:
        first = str(error).split("\n", 1)[0][:200]
        if isinstance(error, redis.ResponseError) and not first.startswith(_PASSING):
            raise BrokerRefused(f"Valkey refused to {what}: {first}") from error
        raise BrokerUnavailable(f"Valkey cannot {what} now: {first}") from error


def open_client(url: str, answer_seconds: float, name: str = "ftworker") -> redis.Redis:
    """A client for a redis, rediss, unix, valkey or valkeys URL; connects when first used, under this name.

    No wait takes longer than `answer_seconds`.

    Without retries of its own: a repeated XREADGROUP would hide entries that an answer lost on the way had held.
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    for ours, theirs in (
        ("valkeys://", "rediss://"),
        ("valkey://", "redis://"),
        ("redis+socket://", "unix://"),
    ):
        if url.startswith(ours):
            url = theirs + url[len(ours) :]
    return redis.Redis.from_url(
        url,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=min(CONNECT_TIMEOUT_SECONDS, answer_seconds),
        socket_timeout=answer_seconds,
        client_name=name,
    )


class StreamTransport:
    """Reads the stream of `settings` as one consumer of its group, which is made when it is missing."""

    name = "stream"

    def __init__(self, url: str, settings: IngestSettings, *, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._url = url
        self._answer_seconds = answer_seconds
        self._settings = settings
        self._stream = settings.stream
        self._group = settings.group
        # A container that is started again has the same name, and finds its own entries at once.
        self._consumer = f"{socket.gethostname()}-{os.getpid()}"
        self._client: redis.Redis | None = None
        self._recovered: list[Delivery] = []
        self._next_claim = 0.0
        self._next_look = 0.0
        self._next_trim = 0.0
        self._trims = True

    def connect(self) -> None:
        self._client = open_client(self._url, self._answer_seconds + BLOCK_SECONDS, self._consumer)
        self._recovered = []
        with broker_errors(
            f"make the group {self._settings.group} on {self._settings.stream}", url=self._url
        ):
            try:
                # From 0: what was published before the first start is read too.
                self._client.xgroup_create(self._stream, self._group, id="0", mkstream=True)
            except redis.ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._take_own()
        self._next_claim = self._next_look = 0.0
        self.tend()

    def receive(self, limit: int, timeout_seconds: float) -> list[Delivery]:
        self.tend()
        if self._recovered:
            recovered, self._recovered = self._recovered, []
            return recovered
        block = max(1, int(min(timeout_seconds, BLOCK_SECONDS) * 1000))
        with broker_errors("read the stream"):
            answer: Any = self._open().xreadgroup(
                self._group, self._consumer, {self._stream: ">"}, count=max(1, limit), block=block
            )
        return [_delivery(entry, fields) for _, entries in answer or () for entry, fields in entries]

    def tend(self) -> None:
        now = time.monotonic()
        if now >= self._next_claim:
            self._next_claim = now + max(1.0, self._settings.claim_idle_seconds / 2)
            self._take_over()
            self._forget_dead_consumers()
        if now >= self._next_look:
            self._next_look = now + GONE_SECONDS
            self._take_over_from_the_gone()

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        with broker_errors("acknowledge"):
            self._open().xack(self._stream, self._group, *(delivery.tag for delivery in deliveries))
        now = time.monotonic()
        if now >= self._next_trim:
            self._next_trim = now + TRIM_INTERVAL_SECONDS
            self._trim()

    def close(self) -> None:
        client, self._client = self._client, None
        self._recovered = []
        if client is None:
            return
        try:
            client.close()
        except (redis.RedisError, OSError):
            return

    def _take_own(self) -> None:
        """What this consumer had taken and not acknowledged before its connection broke."""
        with broker_errors("read what was not acknowledged"):
            start: bytes = b"0"
            while True:
                answer: Any = self._open().xreadgroup(
                    self._group, self._consumer, {self._stream: start}, count=CLAIM_COUNT
                )
                entries = answer[0][1] if answer else []
                if not entries:
                    return
                self._recover(entries)
                start = entries[-1][0]

    def _take_over(self) -> None:
        """Entries that another consumer took and never acknowledged: it is dead, or stuck."""
        idle = int(self._settings.claim_idle_seconds * 1000)
        start: bytes = b"0-0"
        with broker_errors("take over what a dead consumer left"):
            while True:
                answer: Any = self._open().xautoclaim(
                    self._stream, self._group, self._consumer, idle, start, count=CLAIM_COUNT
                )
                start, entries = answer[0], answer[1]
                self._recover(entries)
                if start == b"0-0":
                    return

    def _take_over_from_the_gone(self) -> None:
        """Entries of consumers that are not connected any more: what is stuck keeps its entries for longer (above).

        Their taker may only have lost its connection, and still record them: they are the same events, and count once.
        """
        client = self._open()
        with broker_errors("take over what a gone consumer left"):
            for name in self._gone_consumers(client):
                pending: Any = client.xpending_range(
                    self._stream, self._group, min="-", max="+", count=CLAIM_COUNT, consumername=name
                )
                entries = [row["message_id"] for row in pending]
                if entries:
                    idle = int(GONE_SECONDS * 1000)
                    self._recover(client.xclaim(self._stream, self._group, self._consumer, idle, entries))

    def _gone_consumers(self, client: redis.Redis) -> list[str]:
        """Others that hold entries, have not read for a while, and are no connected client's name."""
        consumers: Any = client.xinfo_consumers(self._stream, self._group)
        silent = {
            consumer["name"].decode(errors="replace")
            for consumer in consumers
            if consumer["pending"] and consumer["idle"] >= GONE_SECONDS * 1000
        } - {self._consumer}
        if not silent:
            return []
        try:
            clients: Any = client.client_list()
        except redis.ResponseError:
            # An account that may not ask: what is gone is then taken over as what is stuck.
            self._next_look = float("inf")
            return []
        connected = {str(known["name"]) for known in clients}
        # Behind a proxy that keeps names to itself nobody is seen, and so nobody is known to be gone.
        return sorted(silent - connected) if self._consumer in connected else []

    def _recover(self, entries: Sequence[Any]) -> None:
        # An entry that someone deleted comes without fields, or without a name before Valkey 7.
        gone = [entry for entry, fields in entries if entry is not None and not fields]
        if gone:
            self._open().xack(self._stream, self._group, *gone)
        found = [(entry, fields) for entry, fields in entries if fields]
        if not found:
            return
        worn = self._worn_out(found[0][0], found[-1][0], len(found))
        for entry, fields in found:
            delivery = _delivery(entry, fields)
            self._recovered.append(delivery._replace(trouble=worn.get(entry, delivery.trouble)))

    def _worn_out(self, first: bytes, last: bytes, count: int) -> dict[bytes, tuple[str, str]]:
        """Entries whose deliveries all ended badly; a stream has no limit of its own."""
        limit = self._settings.delivery_limit
        pending: Any = self._open().xpending_range(
            self._stream, self._group, min=first, max=last, count=count, consumername=self._consumer
        )
        return {
            row["message_id"]: (
                "delivery_limit",
                f"delivered {row['times_delivered']} times without being recorded; the limit is {limit}",
            )
            for row in pending
            if row["times_delivered"] > limit
        }

    def _trim(self) -> None:
        """Drop what every consumer has acknowledged. The order of the two questions makes it safe.

        What is delivered after the first answer has a higher id than `last`, so it is not dropped.
        """
        if not self._trims:
            return
        client = self._open()
        with broker_errors("trim the stream"):
            groups: Any = client.xinfo_groups(self._stream)
            if not groups:
                raise BrokerUnavailable(f"the group of {self._stream} is gone with the server's data")
            if len(groups) > 1:
                self._trims = False
                logger.warning(
                    "stream %s has %d consumer groups: acknowledged entries are left to whoever else reads them",
                    self._settings.stream,
                    len(groups),
                )
                return
            last = groups[0]["last-delivered-id"]
            pending: Any = client.xpending(self._stream, self._group)
            oldest = pending["min"]
            if oldest is None:
                milliseconds, _, sequence = last.partition(b"-")
                oldest = b"%s-%d" % (milliseconds, int(sequence) + 1)
            client.xtrim(self._stream, minid=oldest, approximate=False)

    def _forget_dead_consumers(self) -> None:
        client = self._open()
        with broker_errors("look at the consumers"):
            consumers: Any = client.xinfo_consumers(self._stream, self._group)
            for consumer in consumers:
                idle = consumer["idle"] > DEAD_CONSUMER_MILLISECONDS
                if idle and not consumer["pending"] and consumer["name"] != self._consumer.encode():
                    client.xgroup_delconsumer(self._stream, self._group, consumer["name"])

    def _open(self) -> redis.Redis:
        if self._client is None:
            raise BrokerUnavailable("Valkey is not connected")
        return self._client


def _delivery(entry: bytes, fields: dict[bytes, bytes]) -> Delivery:
    raw = fields.get(FIELD)
    if raw is not None:
        return Delivery(raw, entry)
    whole = b"\n".join(key + b": " + value for key, value in fields.items())
    detail = "the entry has no field `event`; expected XADD key * event JSON"
    return Delivery(whole, entry, ("no_event_field", detail))


class StreamSender:
    """Appends events to a stream (XADD); the server's answer is its word. How safe that is, its `appendfsync` says."""

    def __init__(self, url: str, stream: str, timeout_seconds: float) -> None:
        self._url = url
        self._stream = stream
        self._client = open_client(url, timeout_seconds)

    def send(self, messages: Sequence[tuple[str, bytes]]) -> None:
        with broker_errors(f"add to the stream {self._stream}", url=self._url):
            pipeline = self._client.pipeline(transaction=False)
            for _, raw in messages:
                pipeline.xadd(self._stream, {FIELD: raw})
            pipeline.execute()

    def close(self) -> None:
        try:
            self._client.close()
        except (redis.RedisError, OSError):
            return
