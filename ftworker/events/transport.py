"""What `ingest` needs of a broker, and the errors that it answers to. RabbitMQ: `amqp`; Valkey and Redis: `stream`.

A transport hands out messages, remembers nothing about them, and acknowledges only what it is told to: whatever is
not acknowledged when it closes, or when the process dies, is delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ftworker.errors import ConfigurationError, ConfigurationProblem, PermanentError, TransientError

if TYPE_CHECKING:
    from ftworker.settings import IngestSettings

AMQP_SCHEMES = ("amqp", "amqps", "pyamqp")
STREAM_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")


class BrokerUnavailable(TransientError):
    """The broker did not answer or dropped the connection. What was not acknowledged comes again."""


class BrokerRefused(PermanentError):
    """The broker does not allow it as configured: no right, or a queue, exchange or key of another kind is there."""


class Unroutable(PermanentError):
    """RabbitMQ has no queue for an event, so it would have been lost. `ftworker ingest` makes the queue."""


class Delivery(NamedTuple):
    """A message as it came. `tag` is the transport's own, for the acknowledgement."""

    raw: bytes
    tag: int | bytes
    trouble: tuple[str, str] | None = None
    """Reason and detail when the transport itself knows that this is no event: it is parked without a look at it."""


class Transport(Protocol):
    """A broker being consumed from. Every method but `close` raises BrokerUnavailable or BrokerRefused."""

    name: str
    """Label of metrics and origin of parked messages: amqp or stream."""

    def connect(self) -> None:
        """Connect and make what we consume from, where it is missing. Repeatable after `close`."""

    def receive(self, limit: int, timeout_seconds: float) -> list[Delivery]:
        """Messages that have come: at once when there are some, else none after `timeout_seconds`.

        `limit` is a wish: messages that the broker has already sent are handed out too.
        """

    def tend(self) -> None:
        """Keep the connection alive while nothing is received. Call at least every second."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Tell the broker that these are recorded. Batches must come in the order in which they were received."""

    def close(self) -> None:
        """Close the connection; never raises. What is not acknowledged will be delivered again."""


def scheme_of(url: str) -> str:
    """The URL's scheme in lower case, without a transport suffix such as `+socket`."""
    return url.partition("://")[0].partition("+")[0].lower() if "://" in url else ""


def not_answering(server: str, error: BaseException, url: str | None) -> str:
    """What to say of a server that is silent or not there: where it should be, as long as no connection was made."""
    if url is None:
        return f"{server} does not answer ({type(error).__name__})"
    from ftworker.masking import mask_url

    return (
        f"{server} at {mask_url(url)} does not answer ({type(error).__name__}); check that it runs, and the URL "
        "(FTWORKER_EVENTS_URL, else FTWORKER_BROKER_URL)"
    )


def unknown_scheme(url: str) -> ConfigurationError:
    """The error for a URL that is neither RabbitMQ's nor Valkey's."""
    expected = "a URL that begins with amqp://, amqps://, redis://, rediss:// or valkey://"
    problem = ConfigurationProblem(
        "FTWORKER_EVENTS_URL", f"{scheme_of(url) or '(no scheme)'}://...", expected
    )
    return ConfigurationError("environment", [problem])


def make_transport(url: str, settings: IngestSettings, *, answer_seconds: float = 20.0) -> Transport:
    """The transport for a URL, not yet connected; it waits `answer_seconds` for a silent server.

    Raises ConfigurationError for a scheme that is not known.
    """
    scheme = scheme_of(url)
    if scheme in AMQP_SCHEMES:
        from ftworker.events.amqp import AmqpTransport

        return AmqpTransport(url, settings, answer_seconds=answer_seconds)
    if scheme in STREAM_SCHEMES:
        from ftworker.events.stream import StreamTransport

        return StreamTransport(url, settings, answer_seconds=answer_seconds)
    raise unknown_scheme(url)
