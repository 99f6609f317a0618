"""What the tests of the OpenAI provider share: a run with a dataset on disk, a journal, a provider at the
double.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftworker.providers.contract import DatasetFile, ExportedDataset, JournalEntry, RunView
from ftworker.providers.openai import OpenAIProvider
from ftworker.settings import OpenAISettings
from tests.doubles.openai_api import OpenAIDouble

MODEL = "gpt-4.1-mini-2025-04-14"
RUN_KEY = "ft-matematicas-0123456789ab"

MakeProvider = Callable[..., OpenAIProvider]


@dataclass
class Journal:
    """Takes entries as the run's journal does: one with a known `external_id` is dropped."""

    entries: list[JournalEntry] = field(default_factory=list)

    def __call__(self, entry: JournalEntry) -> None:
        known = {kept.external_id for kept in self.entries if kept.external_id}
        if entry.external_id not in known:
            self.entries.append(entry)

    def of(self, kind: str) -> list[JournalEntry]:
        return [entry for entry in self.entries if entry.kind == kind]

    @property
    def text(self) -> str:
        return "\n".join(f"{entry.message} {entry.data}" for entry in self.entries)


def rows(count: int) -> bytes:
    """Training rows as ftworker exports them."""
    examples = [
        {
            "messages": [
                {"role": "system", "content": "Eres un tutor."},
                {"role": "user", "content": f"¿Cuánto es {number} + {number}?"},
                {"role": "assistant", "content": f"La suma de {number} y {number} es {number * 2}."},
            ]
        }
        for number in range(count)
    ]
    return "".join(json.dumps(example, ensure_ascii=False) + "\n" for example in examples).encode()


def dataset_file(folder: Path, name: str, content: bytes) -> DatasetFile:
    path = folder / name
    path.write_bytes(content)
    return DatasetFile(
        url=path.as_uri(),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        rows=content.count(b"\n"),
        tokens=len(content) // 4,
    )


def new_run(folder: Path, *, train_rows: int = 20, validation_rows: int = 4, **changes: Any) -> RunView:
    """A run whose dataset is exported and nothing else is done."""
    dataset = ExportedDataset(
        id=17,
        url=folder.as_uri(),
        sha256="d" * 64,
        train=dataset_file(folder, "train.jsonl", rows(train_rows)),
        validation=dataset_file(folder, "validation.jsonl", rows(validation_rows))
        if validation_rows
        else None,
        format="openai-chat",
        system_prompt="Eres un tutor.",
    )
    run = RunView(
        id=42,
        pipeline="matematicas",
        run_key=RUN_KEY,
        base_model=MODEL,
        method={
            "type": "supervised",
            "n_epochs": 2,
            "batch_size": "auto",
            "learning_rate_multiplier": "auto",
            "seed": 42,
            "suffix": "tutor",
        },
        dataset=dataset,
        artefacts_url=folder.as_uri(),
    )
    return replace(run, **changes)


def attempt(run: RunView, double: OpenAIDouble) -> RunView:
    """The run with its intent to pay saved, by the double's clock."""
    return replace(run, attempted_at=datetime.fromtimestamp(double.now(), UTC))


def uploaded_run(provider: OpenAIProvider, run: RunView, double: OpenAIDouble) -> RunView:
    """The run with its files at the provider and its intent to pay saved."""
    uploaded = provider.upload(run, Journal())
    run = replace(
        run,
        training_file_id=uploaded.training_file_id,
        validation_file_id=uploaded.validation_file_id,
    )
    return attempt(run, double)


def submitted_run(provider: OpenAIProvider, run: RunView, double: OpenAIDouble) -> RunView:
    """The run with its job created."""
    run = uploaded_run(provider, run, double)
    return replace(run, job_id=provider.submit(run, Journal()))


def settings_for(double: OpenAIDouble, **changes: Any) -> OpenAISettings:
    values: dict[str, Any] = {"base_url": double.base_url, "request_timeout_seconds": 10.0, **changes}
    return OpenAISettings(**values)
