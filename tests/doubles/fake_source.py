"""A store of conversations in memory: answers `fetch`, fails on demand, and counts how it was asked.

For tests of what reads a source. Real stores are in tests/sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

from ftworker.conversations import Conversation
from ftworker.errors import NotFound
from ftworker.sources.contract import Source


class FakeSource:
    """The part of `Source` that `accumulate` uses."""

    def __init__(self, name: str = "chat") -> None:
        self.name = name
        self.conversations: dict[str, Conversation] = {}
        self.asked: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.before: Callable[[], None] | None = None
        """Called when a fetch begins: for what happens elsewhere at that moment."""

    def add(self, conversation: Conversation) -> None:
        self.conversations[conversation.conversation_id] = conversation

    def fetch(self, ids: Sequence[str]) -> Iterator[Conversation]:
        self.asked.append(tuple(ids))
        if self.before is not None:
            self.before()
        if self.error is not None:
            raise self.error
        for conversation_id in dict.fromkeys(ids):
            if conversation_id in self.conversations:
                yield self.conversations[conversation_id]


class FakeSources:
    """Names to sources, as `sources.registry` gives them."""

    def __init__(self, *sources: FakeSource) -> None:
        self.sources = {source.name: source for source in sources}

    def __call__(self, name: str) -> Source:
        try:
            return cast(Source, self.sources[name])
        except KeyError:
            raise NotFound(f"no source named {name!r} in the configuration; there are: none") from None
