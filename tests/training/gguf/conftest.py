"""Tiny models are made once: torch takes four seconds to load, and each model a twentieth of one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.training.gguf.tiny_models import TinyModel


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], TinyModel]:
    """The tiny model of a `model_type` of transformers; its files are read alone."""

    @cache
    def make(model_type: str) -> TinyModel:
        from tests.training.gguf.tiny_models import make_tiny_model

        return make_tiny_model(model_type, tmp_path_factory.mktemp(model_type))

    return make
