"""What the database itself refuses, whatever the code believes: every CHECK and every uniqueness, by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ftworker.errors import DatabaseRejected
from ftworker.store import Store

DATASET = (
    "INSERT INTO ftworker.datasets (id, pipeline, sequence, strategy, settings, new_examples) "
    "OVERRIDING SYSTEM VALUE VALUES (1, 'tutor', 1, 'all', '{}', 1)"
)
CONVERSATION = (
    "INSERT INTO ftworker.conversations (id, source_name, conversation_id, content_sha256, message_count, closed_at) "
    "OVERRIDING SYSTEM VALUE VALUES (1, 'chat', 'c', '', 1, now())"
)
RUN = (
    "INSERT INTO ftworker.runs (id, pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state) "
    "OVERRIDING SYSTEM VALUE VALUES (1, 'tutor', 1, 'openai', 'gpt', '{}', 'x', 'manual', 'cut')"
)
EVENT = (
    "INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, payload) "
    "VALUES ('/rag', 'e1', 'chat', 'c', '{}')"
)
EXAMPLE = (
    "INSERT INTO ftworker.examples "
    "(pipeline, conversation_id, turn, split_group, content, content_sha256, token_count) "
    "VALUES ('tutor', 1, 0, 'g', '[]', '', 1)"
)
JOURNAL = (
    "INSERT INTO ftworker.run_journal (run_id, kind, message, external_id) VALUES (1, 'event', 'm', 'x')"
)
PARKED = (
    "INSERT INTO ftworker.parked (raw_sha256, raw, raw_bytes, reason, detail, origin) "
    "VALUES ('x', 'raw', 3, 'malformed_json', 'd', 'amqp')"
)
PROMOTION = "INSERT INTO ftworker.promotions (pipeline, run_id, model) VALUES ('tutor', 1, 'm')"
TRAINING = "INSERT INTO ftworker.trainings (run_key, run_id, \"order\") VALUES ('k', 1, '{}')"

ALL = (DATASET, CONVERSATION, RUN, EVENT, EXAMPLE, JOURNAL, PARKED, PROMOTION, TRAINING)


def run_in(state: str, without: str = "") -> str:
    """A run in this state with every column that a late state needs, but one."""
    finished = state in {"trained", "promoted", "packaged", "rejected", "failed", "cancelled"}
    columns = {
        "run_key": "'k'",
        "training_file_id": "'f'",
        "attempted_at": "now()",
        "job_id": "'j'",
        "model": "'m'",
        "error_code": "'e'",
        "finished_at": "now()" if finished else "NULL",
    }
    if without:
        columns[without] = "NULL"
    return f"UPDATE ftworker.runs SET state = '{state}', " + ", ".join(
        f"{k} = {v}" for k, v in columns.items()
    )


BROKEN: dict[str, list[str]] = {
    "inbox_event_key": [EVENT],
    "inbox_outcome_check": [
        "UPDATE ftworker.inbox SET processed_at = now()",
        "UPDATE ftworker.inbox SET outcome = 'examples'",
    ],
    "inbox_outcome_known": ["UPDATE ftworker.inbox SET processed_at = now(), outcome = 'lost'"],
    "conversations_key": [CONVERSATION.replace("VALUES (1,", "VALUES (2,")],
    "datasets_strategy_check": ["UPDATE ftworker.datasets SET strategy = 'some'"],
    "datasets_new_examples_check": ["UPDATE ftworker.datasets SET new_examples = -1"],
    "datasets_sequence_key": [DATASET.replace("VALUES (1,", "VALUES (2,")],
    "datasets_exported_check": [
        "UPDATE ftworker.datasets SET sha256 = 'x', url = 'x', manifest = '{}'",
        "UPDATE ftworker.datasets SET exported_at = now(), url = 'x', manifest = '{}'",
        "UPDATE ftworker.datasets SET exported_at = now(), sha256 = 'x', manifest = '{}'",
        "UPDATE ftworker.datasets SET exported_at = now(), sha256 = 'x', url = 'x'",
    ],
    "examples_token_count_check": ["UPDATE ftworker.examples SET token_count = -1"],
    "examples_turn_key": [EXAMPLE],
    "runs_once": [run_in("failed") + "; " + RUN.replace("VALUES (1,", "VALUES (2,")],
    "runs_one_in_flight": [RUN.replace("VALUES (1,", "VALUES (2,").replace("'gpt'", "'other'")],
    "runs_run_key_key": [
        "UPDATE ftworker.runs SET run_key = 'k'; "
        + RUN.replace("VALUES (1, 'tutor'", "VALUES (2, 'other'").replace("'gpt'", "'other'")
        + "; UPDATE ftworker.runs SET run_key = 'k' WHERE id = 2"
    ],
    "runs_state_known": ["UPDATE ftworker.runs SET state = 'lost'"],
    "runs_exported_check": [
        run_in(state, "run_key")
        for state in (
            "exported",
            "awaiting_approval",
            "uploaded",
            "submitting",
            "submitted",
            "trained",
            "promoted",
            "packaged",
        )
    ],
    "runs_uploaded_check": [
        run_in(state, "training_file_id")
        for state in ("uploaded", "submitting", "submitted", "trained", "promoted", "packaged")
    ],
    "runs_submitting_check": [
        run_in(state, "attempted_at")
        for state in ("submitting", "submitted", "trained", "promoted", "packaged")
    ],
    "runs_submitted_check": [
        run_in(state, "job_id") for state in ("submitted", "trained", "promoted", "packaged")
    ],
    "runs_trained_check": [run_in(state, "model") for state in ("trained", "promoted", "packaged")],
    "runs_failed_check": [run_in(state, "error_code") for state in ("failed", "parked")],
    "runs_finished_check": [
        *(
            run_in(state, "finished_at")
            for state in ("trained", "promoted", "packaged", "rejected", "failed", "cancelled")
        ),
        "UPDATE ftworker.runs SET finished_at = now()",
    ],
    "runs_lease_check": [
        "UPDATE ftworker.runs SET lease_token = gen_random_uuid()",
        "UPDATE ftworker.runs SET lease_expires_at = now()",
    ],
    "run_journal_kind_check": [JOURNAL.replace("'event'", "'gossip'")],
    "run_journal_external_key": [JOURNAL],
    "promotions_present": [PROMOTION],
    "parked_raw_key": [PARKED],
    # Foreign keys: nothing points at what is not there.
    "examples_conversation_id_fkey": ["UPDATE ftworker.examples SET conversation_id = 99"],
    "examples_dataset_id_fkey": ["UPDATE ftworker.examples SET dataset_id = 99"],
    "drops_conversation_id_fkey": [
        "INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason) VALUES ('tutor', 99, 0, 'x')"
    ],
    "runs_dataset_id_fkey": ["UPDATE ftworker.runs SET dataset_id = 99"],
    "run_journal_run_id_fkey": ["UPDATE ftworker.run_journal SET run_id = 99"],
    "promotions_run_id_fkey": ["UPDATE ftworker.promotions SET run_id = 99"],
    "parked_inbox_id_fkey": ["UPDATE ftworker.parked SET inbox_id = 99"],
    "dataset_left_out_dataset_id_fkey": [
        "INSERT INTO ftworker.dataset_left_out SELECT 99, id, 'x' FROM ftworker.examples"
    ],
    "dataset_left_out_example_id_fkey": [
        "INSERT INTO ftworker.dataset_left_out (dataset_id, example_id, reason) VALUES (1, 99, 'x')"
    ],
    "golden_examples_dataset_id_fkey": [
        (
            "INSERT INTO ftworker.golden_examples (pipeline, example_id, dataset_id) "
            "SELECT 'tutor', id, 99 FROM ftworker.examples"
        )
    ],
    "golden_examples_example_id_fkey": [
        "INSERT INTO ftworker.golden_examples (pipeline, example_id, dataset_id) VALUES ('tutor', 99, 1)"
    ],
    "quarantine_reviews_conversation_id_fkey": [
        (
            "INSERT INTO ftworker.quarantine_reviews (conversation_id, content_sha256, decision) "
            "VALUES (99, '', 'released')"
        )
    ],
    "quarantine_reviews_decision_check": [
        "INSERT INTO ftworker.quarantine_reviews (conversation_id, content_sha256, decision) VALUES (1, '', 'x')"
    ],
    "trainings_state_check": ["UPDATE ftworker.trainings SET state = 'lost'"],
    "trainings_run_id_fkey": ["UPDATE ftworker.trainings SET run_id = 99"],
    "trainings_leased": [
        "UPDATE ftworker.trainings SET state = 'running', lease_token = gen_random_uuid()",
        "UPDATE ftworker.trainings SET state = 'running', lease_expires_at = now()",
        "UPDATE ftworker.trainings SET lease_token = gen_random_uuid()",
        "UPDATE ftworker.trainings SET lease_expires_at = now()",
    ],
    "trainings_failed": [
        "UPDATE ftworker.trainings SET state = 'failed', finished_at = now()",
        "UPDATE ftworker.trainings SET error_code = 'x'",
    ],
    "trainings_finished": [
        "UPDATE ftworker.trainings SET state = 'succeeded'",
        "UPDATE ftworker.trainings SET state = 'cancelled'",
        "UPDATE ftworker.trainings SET state = 'failed', error_code = 'x'",
        "UPDATE ftworker.trainings SET finished_at = now()",
    ],
}


@pytest.fixture
def store(emptied_database_url: str) -> Iterator[Store]:
    """One row of each kind, all well."""
    made = Store(emptied_database_url)
    with made.transaction() as cursor:
        for statement in ALL:
            cursor.execute(statement)
    yield made
    made.close()


@pytest.mark.parametrize("constraint", BROKEN)
def test_the_database_refuses_what_must_never_be(store: Store, constraint: str) -> None:
    for statement in BROKEN[constraint]:
        with pytest.raises(DatabaseRejected) as caught, store.transaction() as cursor:
            cursor.execute(statement)
        assert str(caught.value).endswith(f" {constraint}"), statement


def test_every_check_uniqueness_and_foreign_key_has_its_case(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute(
            """
            SELECT conname AS name FROM pg_constraint
            WHERE connamespace = 'ftworker'::regnamespace AND contype IN ('c', 'u', 'f')
            UNION
            SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
            WHERE relnamespace = 'ftworker'::regnamespace AND indisunique AND indpred IS NOT NULL
            """
        )
        known = {row.name.removeprefix("ftworker.") for row in cursor.fetchall()}
    assert known == set(BROKEN)


def test_a_run_with_all_that_its_state_needs_is_welcome(store: Store) -> None:
    for state in (
        "exported",
        "uploaded",
        "submitted",
        "trained",
        "packaged",
        "failed",
        "cancelled",
        "parked",
    ):
        with store.transaction() as cursor:
            cursor.execute(run_in(state))


def test_two_runs_of_a_pipeline_may_be_over_and_one_in_flight(store: Store) -> None:
    with store.transaction() as cursor:
        cursor.execute(run_in("failed"))
        for number, model in ((2, "b"), (3, "c")):
            cursor.execute(RUN.replace("VALUES (1,", f"VALUES ({number},").replace("'gpt'", f"'{model}'"))
            if number == 2:
                cursor.execute(
                    "UPDATE ftworker.runs SET state = 'cancelled', finished_at = now() WHERE id = 2"
                )
