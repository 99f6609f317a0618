"""Fixtures of the provider tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ftworker.providers.openai import OpenAIProvider
from tests.doubles.openai_api import KEY, OpenAIDouble
from tests.providers.openai_runs import Journal, MakeProvider, settings_for


@pytest.fixture
def openai_provider(openai_api: OpenAIDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeProvider]:
    """Makes providers at the double; settings as keywords.

    They do not sleep, and are closed after the test.
    """
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    made: list[OpenAIProvider] = []

    def make(**changes: Any) -> OpenAIProvider:
        own = {name: changes.pop(name) for name in ("clock", "sleep", "base_models") if name in changes}
        own.setdefault("sleep", lambda _: None)
        made.append(OpenAIProvider("openai", settings_for(openai_api, **changes), **own))
        return made[-1]

    yield make
    for provider in made:
        provider.close()


@pytest.fixture
def journal() -> Journal:
    """A run's journal."""
    return Journal()
