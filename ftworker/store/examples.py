"""Conversations' versions, their examples and drops, and what waits in each pipeline.

Set-based: one statement for a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ftworker.store import quarantine
from ftworker.store.connection import Cursor, queries

Key = tuple[str, str]
"""(source_name, conversation_id)"""


@dataclass(frozen=True)
class ConversationVersion:
    """One version of a conversation, without its text."""

    source_name: str
    conversation_id: str
    tenant_id: str | None
    course_id: str | None
    content_sha256: bytes
    message_count: int
    last_message_at: datetime | None
    closed_at: datetime


@dataclass(frozen=True)
class NewExample:
    """An example to store. `row_id` is the id in ftworker.conversations."""

    pipeline: str
    row_id: int
    turn: int
    split_group: str
    content: str
    content_sha256: bytes
    token_count: int
    rating: int
    model: str | None
    question_sha256: bytes | None = None
    pair_sha256: bytes | None = None
    """Of the normalised question and answer: equal for two examples that teach the same words."""
    refusal: bool = False
    unsupported: bool = False
    corrected: bool = False
    tokenizer: str = "estimate"


@dataclass(frozen=True)
class NewDrop:
    """A turn (-1: the whole conversation) that did not become an example, and why."""

    pipeline: str
    row_id: int
    turn: int
    reason: str


@dataclass(frozen=True)
class Backlog:
    """What waits for the next dataset of a pipeline."""

    examples: int
    tokens: int
    oldest_at: datetime | None


def upsert_conversations(cursor: Cursor, versions: Iterable[ConversationVersion]) -> dict[Key, int]:
    """Record versions and return the row id of each that is the newest known. Keys must be distinct."""
    ordered = sorted(versions, key=lambda v: (v.source_name, v.conversation_id))
    if not ordered:
        return {}
    cursor.execute(
        queries("examples.sql")["upsert_conversations"],
        {
            "source_names": [v.source_name for v in ordered],
            "conversation_ids": [v.conversation_id for v in ordered],
            "tenant_ids": [v.tenant_id for v in ordered],
            "course_ids": [v.course_id for v in ordered],
            "content_sha256s": [v.content_sha256 for v in ordered],
            "message_counts": [v.message_count for v in ordered],
            "last_message_ats": [v.last_message_at for v in ordered],
            "closed_ats": [v.closed_at for v in ordered],
        },
    )
    return {(row.source_name, row.conversation_id): row.id for row in cursor.fetchall()}


def deleted_among(cursor: Cursor, keys: Sequence[Key]) -> set[Key]:
    """Those of the conversations that have a tombstone."""
    if not keys:
        return set()
    cursor.execute(
        queries("examples.sql")["deleted_among"],
        {"source_names": [k[0] for k in keys], "conversation_ids": [k[1] for k in keys]},
    )
    return {(row.source_name, row.conversation_id) for row in cursor.fetchall()}


def cut_turns(cursor: Cursor, row_ids: Sequence[int]) -> dict[tuple[int, str], int]:
    """For each (conversation row, pipeline), the last turn that a dataset holds.

    Locks what waits of these conversations, so that the answer holds until the transaction ends: a cut passes over
    locked rows. Call with the conversations' rows locked (`upsert_conversations`).
    """
    if not row_ids:
        return {}
    cursor.execute(queries("examples.sql")["lock_waiting"], {"conversation_ids": list(row_ids)})
    cursor.execute(queries("examples.sql")["cut_turns"], {"conversation_ids": list(row_ids)})
    return {(row.conversation_id, row.pipeline): row.turn for row in cursor.fetchall()}


def without_duplicates(
    cursor: Cursor, row_ids: Sequence[int], examples: Sequence[NewExample]
) -> tuple[list[NewExample], list[NewExample]]:
    """Those that teach new words, and those whose words the pipeline keeps already: from elsewhere, or among these.

    Of equal ones the first conversation's first turn stays. Two workers may each keep one of a pair that comes at
    the same moment: the selection at export finds what slips through.
    """
    pairs = sorted({(e.pipeline, e.pair_sha256) for e in examples if e.pair_sha256 is not None})
    if not pairs:
        return list(examples), []
    cursor.execute(
        queries("examples.sql")["kept_elsewhere"],
        {
            "pipelines": [pipeline for pipeline, _ in pairs],
            "pair_sha256s": [pair for _, pair in pairs],
            "conversation_ids": list(row_ids),
        },
    )
    seen = {(row.pipeline, bytes(row.pair_sha256)) for row in cursor.fetchall()}
    kept: list[NewExample] = []
    duplicates: list[NewExample] = []
    for example in sorted(examples, key=lambda e: (e.row_id, e.turn)):
        pair = (example.pipeline, example.pair_sha256 or b"")
        if example.pair_sha256 is not None and pair in seen:
            duplicates.append(example)
        else:
            kept.append(example)
            seen.add(pair)
    return kept, duplicates


def replace_examples(
    cursor: Cursor, row_ids: Sequence[int], examples: Sequence[NewExample], drops: Sequence[NewDrop]
) -> tuple[Counter[str], Counter[tuple[str, str]]]:
    """Make these the waiting examples and the drops of the conversations; what datasets hold stays.

    Returns what is new by this: examples by pipeline, and drops by (pipeline, reason).
    """
    if not row_ids:
        return Counter(), Counter()
    named = queries("examples.sql")
    ids = list(row_ids)
    kept = {
        "pipelines": [e.pipeline for e in examples],
        "row_ids": [e.row_id for e in examples],
        "turns": [e.turn for e in examples],
    }
    cursor.execute(named["delete_stale_examples"], {"conversation_ids": ids, **kept})
    new_examples: Counter[str] = Counter()
    if examples:
        cursor.execute(
            named["upsert_examples"],
            {
                **kept,
                "split_groups": [e.split_group for e in examples],
                "contents": [e.content for e in examples],
                "content_sha256s": [e.content_sha256 for e in examples],
                "token_counts": [e.token_count for e in examples],
                "ratings": [e.rating for e in examples],
                "models": [e.model for e in examples],
                "question_sha256s": [e.question_sha256 for e in examples],
                "pair_sha256s": [e.pair_sha256 for e in examples],
                "refusals": [e.refusal for e in examples],
                "unsupporteds": [e.unsupported for e in examples],
                "correcteds": [e.corrected for e in examples],
                "tokenizers": [e.tokenizer for e in examples],
            },
        )
        new_examples.update(row.pipeline for row in cursor.fetchall() if row.inserted)
    dropped = {
        "pipelines": [d.pipeline for d in drops],
        "row_ids": [d.row_id for d in drops],
        "turns": [d.turn for d in drops],
    }
    cursor.execute(named["delete_stale_drops"], {"conversation_ids": ids, **dropped})
    new_drops: Counter[tuple[str, str]] = Counter()
    if drops:
        cursor.execute(named["upsert_drops"], {**dropped, "reasons": [d.reason for d in drops]})
        new_drops.update((row.pipeline, row.reason) for row in cursor.fetchall() if row.inserted)
    return new_examples, new_drops


def erase_conversations(cursor: Cursor, keys: Sequence[Key]) -> None:
    """Tombstones for these conversations; no text of them in any example, no word of a quarantine. The inbox
    erases its own.
    """
    if not keys:
        return
    named = queries("examples.sql")
    ordered = sorted(set(keys))
    cursor.execute(
        named["mark_deleted"],
        {"source_names": [k[0] for k in ordered], "conversation_ids": [k[1] for k in ordered]},
    )
    row_ids = [row.id for row in cursor.fetchall()]
    # A cut that is taking one at this moment: waited for, or it would keep a text that was neither waiting nor held.
    cursor.execute(named["lock_waiting"], {"conversation_ids": row_ids})
    cursor.execute(named["erase_examples"], {"conversation_ids": row_ids})
    quarantine.erase(cursor, row_ids)


def withhold(cursor: Cursor, ids: Sequence[int], reason: str) -> int:
    """Take examples out of all files that are not written yet; returns how many were not withheld before."""
    cursor.execute(queries("examples.sql")["withhold"], {"ids": list(ids), "reason": reason})
    return len(cursor.fetchall())


def backlogs(cursor: Cursor, pipelines: Sequence[str]) -> dict[str, Backlog]:
    """What waits in each of these pipelines. Costs the backlog, never the history."""
    found = dict.fromkeys(pipelines, Backlog(0, 0, None))
    cursor.execute(queries("examples.sql")["backlogs"], {"pipelines": list(pipelines)})
    found.update(
        {row.pipeline: Backlog(row.examples, row.tokens, row.oldest_at) for row in cursor.fetchall()}
    )
    return found


def waiting_tokenizers(cursor: Cursor, pipeline: str) -> tuple[str, ...]:
    """By which tokenizers what waits in a pipeline was counted; `estimate` among them: not counted."""
    cursor.execute(queries("examples.sql")["waiting_tokenizers"], {"pipeline": pipeline})
    return tuple(row.tokenizer for row in cursor.fetchall())


def count_kept(cursor: Cursor, pipeline: str, *, limit: int) -> int:
    """How many examples datasets of the pipeline hold, counted up to `limit`."""
    cursor.execute(queries("examples.sql")["count_kept"], {"pipeline": pipeline, "limit": limit})
    return int(cursor.fetchone().kept)


EXPORT_COLUMNS = "content, split_group, token_count, rating, model"
"""What `ftworker.datasets.export` writes of an example."""
SELECTION_COLUMNS = (
    "id, dataset_id, content, content_sha256, split_group, rating, model, question_sha256, refusal, unsupported, "
    "corrected"
)
"""What `ftworker.datasets.selection` judges an example by."""


def dataset_query(
    strategy: str, pipeline: str, dataset_id: int, replay_share: float, *, columns: str = EXPORT_COLUMNS
) -> tuple[str, Mapping[str, Any]]:
    """The query, for `Store.stream`, that gives the rows of a dataset in the order of their content.

    Before its selection: all that may be used of what was cut into it. Within one snapshot the order is the same.
    """
    return (
        queries("examples.sql")[f"stream_{strategy}"].replace("{example_columns}", columns),
        {"pipeline": pipeline, "dataset_id": dataset_id, "replay_share": replay_share},
    )


def dataset_tokenizers(cursor: Cursor, query: str, parameters: Mapping[str, Any]) -> dict[str, int]:
    """By what the examples of a `dataset_query` for the column `tokenizer` were counted, with how many each."""
    members = query.rstrip().removesuffix(";")
    statement = f"SELECT tokenizer, count(*) AS examples FROM ({members}) AS members GROUP BY 1 ORDER BY 1"  # noqa: S608 - our own query
    cursor.execute(statement, parameters)
    return {row.tokenizer: row.examples for row in cursor.fetchall()}


def conversation_outcome(cursor: Cursor, source_name: str, conversation_id: str) -> list[Any]:
    """Rows (pipeline, turn, outcome, reason, dataset_id) of what became of a conversation."""
    cursor.execute(
        queries("examples.sql")["conversation_outcome"],
        {"source_name": source_name, "conversation_id": conversation_id},
    )
    return list(cursor.fetchall())
