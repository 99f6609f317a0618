"""Fixtures of the doubles: each starts with its test and stops with it.

A pytest plugin that conftest loads.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doubles.openai_api import OpenAIDouble


@pytest.fixture
def openai_api() -> Iterator[OpenAIDouble]:
    """A running double of OpenAI's API.

    Fails the test when an answer of the double broke OpenAI's description.
    """
    with OpenAIDouble() as double:
        yield double
    assert double.violations == []
