"""What the tests of the local provider share: a run with a dataset of the real exporter, a provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ftworker.conversations import canonical_json
from ftworker.datasets.export import ExampleRow, ExportSpec, export_dataset
from ftworker.datasets.split import Split
from ftworker.providers.contract import DatasetFile, ExportedDataset, RunView
from ftworker.providers.local import LocalProvider
from ftworker.settings import LocalSettings

RUN_KEY = "ft-historia-0123456789ab"
TAG = f"historia:{RUN_KEY}"
SYSTEM_PROMPT = "Eres un tutor de historia."

Conversation = Sequence[tuple[str, str]]

LESSONS: tuple[Conversation, ...] = (
    (
        ("user", "¿Quién mandó construir la Alhambra?"),
        ("assistant", "La mandó construir Alhamar, primer rey nazarí de Granada."),
    ),
    (
        ("user", "¿En qué año empezó la Revolución francesa?"),
        ("assistant", "En 1789, con la toma de la Bastilla."),
    ),
    (
        ("user", "¿Qué fue la Hansa?"),
        ("assistant", "Una liga de ciudades comerciales del norte de Europa."),
    ),
)


def example(conversation: Conversation) -> ExampleRow:
    messages = [{"role": role, "content": content} for role, content in conversation]
    return ExampleRow(canonical_json(messages).decode(), "grupo", 30, 0, None)


def export(
    storage_url: str, conversations: Sequence[Conversation] = LESSONS, *, form: str = "instruction-json"
) -> ExportedDataset:
    """Conversations as ftworker's own exporter freezes them."""
    rows = sorted((example(conversation) for conversation in conversations), key=lambda row: row.content)
    spec = ExportSpec(
        pipeline="historia",
        sequence=1,
        format=form,
        system_prompt=SYSTEM_PROMPT,
        system_prompt_version="1",
        curation={},
        split=Split(0.0, "sal"),
    )
    result = export_dataset(spec, rows, storage_url)
    train = result.manifest.content.train
    return ExportedDataset(
        id=17,
        url=result.url,
        sha256=result.sha256,
        train=DatasetFile(result.file_url(train), train.sha256, train.bytes, train.rows, train.tokens),
        validation=None,
        format=form,
        system_prompt=SYSTEM_PROMPT,
    )


def new_run(storage_url: str, dataset: ExportedDataset | None = None, **changes: Any) -> RunView:
    """A run whose dataset is exported and nothing else is done."""
    run = RunView(
        id=42,
        pipeline="historia",
        run_key=RUN_KEY,
        base_model="llama3.2:3b",
        method={"type": "supervised", "n_epochs": 3},
        dataset=dataset or export(storage_url),
        artefacts_url=f"{storage_url}/runs/{changes.get('run_key', RUN_KEY)}",
    )
    return replace(run, **changes)


def provider_at(ollama_host: str, **settings: Any) -> LocalProvider:
    """A provider that does not wait for an Ollama that is away."""
    changes = {"request_timeout_seconds": 5.0, "create_timeout_seconds": 5.0, **settings}
    sleep = changes.pop("sleep", lambda _: None)
    desk = changes.pop("desk", None)
    own = LocalSettings(ollama_host=ollama_host, **changes)
    return LocalProvider("local", own, base_models=("llama3.2:3b",), desk=desk, sleep=sleep)
