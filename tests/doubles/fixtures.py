"""Fixtures of the doubles: each starts with its test and stops with it.

A pytest plugin that conftest loads.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.openai_api import OpenAIDouble


@pytest.fixture
def openai_api() -> Iterator[OpenAIDouble]:
    """A running double of OpenAI's API.

    Fails the test when an answer of the double broke OpenAI's description.
    """
    with OpenAIDouble() as double:
        yield double
    assert double.violations == []


@pytest.fixture
def ollama_api() -> Iterator[OllamaDouble]:
    """A running double of Ollama 0.34.1 that has the model `llama3.2:3b` and can fetch none."""
    with OllamaDouble() as double:
        yield double
