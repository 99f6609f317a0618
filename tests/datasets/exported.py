"""Datasets cut and exported as a run does it, from conversations of a test's own: a database, settings, a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ftworker.conversations import Conversation, Message, Sibling
from ftworker.curation.curate import curate
from ftworker.runs.cutting import dataset_settings
from ftworker.runs.exporting import export
from ftworker.settings import Settings, settings_from
from ftworker.store import Store
from ftworker.store import datasets as stored
from ftworker.store.datasets import DatasetRow
from ftworker.store.examples import (
    ConversationVersion,
    NewDrop,
    NewExample,
    replace_examples,
    upsert_conversations,
)

NOW = datetime(2026, 11, 23, tzinfo=UTC)
COURSES = ("matematicas-2", "fisica-3", None)


def talk(number: int, *, answer: str = "", turns: int = 1, rating: int = 1) -> Conversation:
    """A conversation of `turns` turns; with siblings, so that it gives pairs as well."""
    messages: list[Message] = []
    for turn in range(turns):
        messages.append(Message("user", f"¿Qué es el elemento {number} de la tabla, parte {turn}?"))
        messages.append(
            Message(
                "assistant",
                answer
                or f"El elemento {number} tiene {number * 7 + turn} protones y por eso ocupa su casilla.",
                rating=rating,
                model="llama3.2:3b" if number % 2 else None,
                siblings=(Sibling(f"Creo que el {number} es un metal raro, sin más que decir.", rating=-1),),
            )
        )
    return Conversation(
        "rag", f"c-{number}", tuple(messages), course_id=COURSES[number % 3], user_ref=f"u-{number % 12}"
    )


@dataclass
class Bench:
    """One installation's database and storage."""

    store: Store
    folder: Path
    pipeline: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """`pipeline` over what tests of files need: everything is kept, a fifth validates."""
        values: dict[str, Any] = {
            "provider": "openai",
            "base_model": "gpt-4.1-mini-2025-04-14",
            "split": {"validation_share": 0.2, "golden_share": 0},
            "selection": {"near_duplicate_similarity": 1.0},
        }
        return settings_from(
            {
                "storage_url": f"file://{self.folder / 'storage'}",
                "pipelines": {"tutor": {**values, **self.pipeline}},
            }
        )

    def take(self, talks: Iterable[Conversation], *, pipeline: str = "tutor") -> None:
        """Curate and store, as `accumulate` does."""
        curation = self.settings.pipelines["tutor"].curation
        with self.store.transaction() as cursor:
            for number, conversation in enumerate(talks):
                ended = NOW - timedelta(days=number % 90)
                key = ("rag", conversation.conversation_id)
                version = ConversationVersion(
                    *key, None, conversation.course_id, b"", len(conversation.messages), ended, NOW
                )
                row_id = upsert_conversations(cursor, [version])[key]
                curated = curate(conversation, curation)
                new = [
                    NewExample(
                        pipeline=pipeline,
                        row_id=row_id,
                        turn=example.turn,
                        split_group=str(conversation.user_ref),
                        content=example.content.decode(),
                        content_sha256=example.content_sha256,
                        token_count=example.token_count,
                        rating=example.rating,
                        model=example.model,
                        question_sha256=example.question_sha256,
                        pair_sha256=example.pair_sha256,
                        refusal=example.refusal,
                    )
                    for example in curated.examples
                ]
                drops = [NewDrop(pipeline, row_id, drop.turn, drop.reason) for drop in curated.drops]
                replace_examples(cursor, [row_id], new, drops)

    def cut(self, *, pipeline: str = "tutor", strategy: str = "all", **settings: Any) -> DatasetRow:
        """Cut what waits and export it; `settings` replace some of those that are frozen with it."""
        frozen: Mapping[str, Any] = {**dataset_settings(self.settings, "tutor"), **settings}
        with self.store.transaction() as cursor:
            stored.lock_pipeline(cursor, pipeline)
            dataset_id, _ = stored.cut_dataset(cursor, pipeline, strategy, frozen, limit=None, now=NOW)
            row = stored.get_dataset(cursor, dataset_id)
        return self.export(row.id)

    def export(self, dataset_id: int) -> DatasetRow:
        """Export a dataset that is cut."""
        row = self.read(dataset_id)
        export(self.store, self.settings, row, provider="openai", keep_alive=lambda *_: None)
        return self.read(dataset_id)

    def read(self, dataset_id: int) -> DatasetRow:
        with self.store.transaction() as cursor:
            return stored.get_dataset(cursor, dataset_id)


def file_of(row: DatasetRow, name: str) -> bytes:
    """A file of an exported dataset."""
    assert row.url is not None
    return Path(row.url.removeprefix("file://"), name).read_bytes()
