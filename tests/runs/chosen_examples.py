"""Examples of every kind that a selection tells apart, in a world's database, and the files that an export made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftworker.clock import utc_now
from ftworker.conversations import canonical_json
from ftworker.datasets.split import Side, Split
from ftworker.runs import cutting
from ftworker.runs.states import Step
from ftworker.store import datasets, examples
from ftworker.store.datasets import DatasetRow
from ftworker.store.examples import ConversationVersion, NewExample
from tests.invented import words
from tests.runs.worlds import PIPELINE, World


def lesson(name: int, answer: str | None = None, **fields: Any) -> dict[str, Any]:
    """An example of a conversation and a user of its own, unless said otherwise. `name` numbers the conversation."""
    return {"name": name, "answer": answer if answer is not None else words(name), **fields}


def users(side: Side, split: Split, count: int) -> list[str]:
    """Users that the split puts there."""
    found = (f"user-{number}" for number in range(100_000) if split.side(f"user-{number}") is side)
    return [user for user, _ in zip(found, range(count), strict=False)]


def add_lessons(world: World, lessons: Sequence[dict[str, Any]]) -> None:
    """Store them as waiting examples."""
    names = sorted({one["name"] for one in lessons})
    with world.store.transaction() as cursor:
        ids = examples.upsert_conversations(
            cursor,
            [ConversationVersion("chat", str(name), None, None, b"", 2, None, utc_now()) for name in names],
        )
        new = [_example(one, ids["chat", str(one["name"])]) for one in lessons]
        examples.replace_examples(cursor, list(ids.values()), new, [])


def _example(given: dict[str, Any], row_id: int) -> NewExample:
    fields = {key: value for key, value in given.items() if key not in ("name", "answer")}
    question = fields.pop("question", f"¿Qué sabes de {given['name']}?")
    rejected = fields.pop("rejected", None)
    asked, answer = ({"role": "user", "content": question}, {"role": "assistant", "content": given["answer"]})
    pair = {
        "input": [asked],
        "preferred_output": [answer],
        "non_preferred_output": [{"role": "assistant", "content": rejected}],
    }
    content = canonical_json([asked, answer] if rejected is None else pair)
    known: dict[str, Any] = {
        "pipeline": PIPELINE,
        "row_id": row_id,
        "turn": 0,
        "split_group": f"of-{given['name']}",
        "content": content.decode(),
        "content_sha256": hashlib.sha256(content).digest(),
        "token_count": 50,
        "rating": 0,
        "model": None,
        "question_sha256": hashlib.sha256(question.encode()).digest(),
    }
    return NewExample(**{**known, **fields})


def export(world: World, lessons: Sequence[dict[str, Any]] = ()) -> DatasetRow:
    """Cut what waits, these included, and export it. The run is finished, so that another can begin."""
    add_lessons(world, lessons)
    run_id = cutting.start_by_hand(world.store, world.settings, PIPELINE, world.clock)
    world.worker().perform(run_id, Step.EXPORT)
    with world.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.runs SET state = 'failed', error_code = coalesce(error_code, 'over'), "
            "finished_at = now(), next_action_at = NULL"
        )
    return dataset(world, world.run(run_id).dataset_id)


def dataset(world: World, dataset_id: int) -> DatasetRow:
    with world.store.transaction() as cursor:
        return datasets.get_dataset(cursor, dataset_id)


def folder_of(exported: DatasetRow) -> Path:
    assert exported.url is not None
    return Path(exported.url.removeprefix("file://"))


def answers(exported: DatasetRow, name: str) -> list[str]:
    """The taught answers of a file; none where there is no such file."""
    path = folder_of(exported) / f"{name}.jsonl"
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line)["messages"][-1]["content"] for line in lines]


def left_out(world: World, dataset_id: int) -> list[tuple[str, str, str | None]]:
    """(conversation, reason, conversation of the one in its place) of a dataset."""
    with world.store.transaction() as cursor:
        cursor.execute(
            """
            SELECT c.conversation_id, l.reason, of.conversation_id AS of
            FROM ftworker.dataset_left_out AS l
            JOIN ftworker.examples AS e ON e.id = l.example_id
            JOIN ftworker.conversations AS c ON c.id = e.conversation_id
            LEFT JOIN ftworker.examples AS o ON o.id = l.of_example_id
            LEFT JOIN ftworker.conversations AS of ON of.id = o.conversation_id
            WHERE l.dataset_id = %s ORDER BY 1
            """,
            (dataset_id,),
        )
        return [tuple(row) for row in cursor.fetchall()]
