"""What a worker loads before it forks is there in every child, and loading it harms nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ftworker import celery, preloading
from ftworker.settings import load_settings
from tests.conftest import REPOSITORY

CONFIGURATION = """
[pipelines.tutor]
provider = "openai"
base_model = "gpt-4.1-mini-2025-04-14"

[pipelines.spoilt]
provider = "openai"
base_model = "gpt-4.1-mini-2025-04-14"
curation = { tokenizer = "/nowhere/tokenizer.json" }
"""
LOADED = """
import gc, sys, threading
from pathlib import Path
from ftworker.preloading import load_before_the_fork
from ftworker.settings import load_settings
load_before_the_fork(load_settings(Path(sys.argv[1])))
from ftworker.curation.privacy.lexicon import lexicon
from ftworker.curation.tokens import make_counter
print(*(name for name in ("openai", "toktok") if name in sys.modules))
print(lexicon.cache_info().currsize, make_counter.cache_info().currsize, threading.active_count())
print(gc.get_freeze_count() > 10_000)
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "ftworker.toml"
    file.write_text(CONFIGURATION)
    return file


def test_vocabularies_lists_and_packages_are_there_and_no_thread_runs(configuration: Path) -> None:
    """Also where one pipeline's tokenizer cannot be read, which its own conversations will say."""
    loaded = subprocess.run(
        [sys.executable, "-c", LOADED, str(configuration)],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )

    assert loaded.stdout.splitlines() == ["openai toktok", "1 1 1", "True"]


@pytest.mark.parametrize(
    "queues, loads",
    [
        ({celery.SHORT_QUEUE}, 1),
        ({celery.SHORT_QUEUE, celery.TRAINING_QUEUE}, 1),
        ({celery.TRAINING_QUEUE}, 0),
    ],
)
def test_only_a_worker_that_accumulates_loads_ahead(
    queues: set[str], loads: int, configuration: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(configuration)
    loaded: list[object] = []
    monkeypatch.setattr(celery, "installation", lambda: SimpleNamespace(settings=settings))
    monkeypatch.setattr(preloading, "load_before_the_fork", loaded.append)
    worker = SimpleNamespace(
        app=SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=queues)))
    )

    celery._load_for_all_children(sender=worker)

    assert loaded == [settings] * loads
