"""Events of closed conversations: the contract, the publisher for RAGs, and the parts of `ftworker ingest`.

A RAG needs this much: `from ftworker.events import publish`. Importing it loads no Celery, database driver or
settings: a name is loaded when it is first asked for. Start with `contract`; docs/EVENTS.md is for people.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftworker.events.contract import ClosedEvent, EventRejected, decode, to_conversation, with_event_facts
    from ftworker.events.publisher import Publisher, PublishFailed, publish
    from ftworker.events.transport import BrokerRefused, Unroutable

_HOME = {
    "BrokerRefused": "transport",
    "ClosedEvent": "contract",
    "EventRejected": "contract",
    "decode": "contract",
    "to_conversation": "contract",
    "with_event_facts": "contract",
    "PublishFailed": "publisher",
    "Publisher": "publisher",
    "Unroutable": "transport",
    "publish": "publisher",
}

__all__ = [
    "BrokerRefused",
    "ClosedEvent",
    "EventRejected",
    "PublishFailed",
    "Publisher",
    "Unroutable",
    "decode",
    "publish",
    "to_conversation",
    "with_event_facts",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
