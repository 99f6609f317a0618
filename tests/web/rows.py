"""Rows of every kind, with text that must never be shown in every column that could hold some."""

from __future__ import annotations

from ftworker.store import Cursor, Store

SECRETS = (
    "me llamo Lucía y no entiendo las fracciones",
    "lucia.perez@example.org",
    "usuario-4711",
    "conversacion-abc-123",
    "tenant-colegio-cervantes",
    "curso-mates-4b",
    "ft:gpt-4.1-mini:colegio::lucia",
    "file-secreto-99",
    "Lucía Pérez",
    "<script>alert(1)</script>",
)
"""Made-up personal data, and whatever else no answer may hold."""

TEXT, MAIL, USER, CONVERSATION, TENANT, COURSE, MODEL, FILE, NAME, SCRIPT = SECRETS


def fill(store: Store) -> None:
    """Put rows of every kind into an empty database. `test_metrics` has the numbers."""
    with store.transaction() as cursor:
        _events(cursor)
        _examples(cursor)
        _runs(cursor)
        _trainings(cursor)
        _rest(cursor)


def _events(cursor: Cursor) -> None:
    cursor.execute(
        """
        INSERT INTO ftworker.inbox
            (event_source, event_id, source_name, conversation_id, payload, received_at, not_before,
             processed_at, outcome)
        VALUES
            (%(user)s, 'e1', 'chat', %(conversation)s, %(text)s, now() - interval '20 minutes',
             now() + interval '5 minutes', NULL, NULL),
            (%(user)s, 'e2', 'chat', %(conversation)s, %(text)s, now() - interval '10 minutes', NULL,
             NULL, NULL),
            (%(user)s, 'e3', 'chat', %(conversation)s, %(text)s, now() - interval '2 days', NULL,
             now(), 'examples'),
            (%(user)s, 'e4', 'chat', %(conversation)s, %(text)s, now() - interval '1 minute', NULL,
             now(), 'dropped')
        """,
        {"user": USER, "conversation": CONVERSATION, "text": TEXT},
    )


def _examples(cursor: Cursor) -> None:
    cursor.execute(
        """
        INSERT INTO ftworker.conversations
            (source_name, conversation_id, tenant_id, course_id, content_sha256, message_count, closed_at)
        SELECT 'chat', %(conversation)s || n, %(tenant)s, %(course)s, ''::bytea, 4, now()
        FROM generate_series(1, 40) AS n
        """,
        {"conversation": CONVERSATION, "tenant": TENANT, "course": COURSE},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.datasets
            (pipeline, sequence, strategy, settings, new_examples, cut_at, sha256, url, manifest, exported_at)
        VALUES
            ('tutor', 1, 'all', '{}', 20, now() - interval '2 days', NULL, NULL, NULL, NULL),
            ('tutor', 2, 'all', jsonb_build_object('system_prompt', %(text)s::text), 10,
             now() - interval '1 day', 'abc', 's3://secret-bucket/' || %(user)s,
             jsonb_build_object('note', %(text)s::text,
                                'provenance', '{"selection": {"own_model_share": 0.25}}'::jsonb), now())
        """,
        {"text": TEXT, "user": USER},
    )
    # 30 that datasets hold, 8 that wait for `tutor`, 2 for a pipeline that the configuration no longer names.
    cursor.execute(
        """
        INSERT INTO ftworker.examples
            (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count, model,
             created_at, dataset_id)
        SELECT CASE WHEN row.n > 38 THEN 'retired' ELSE 'tutor' END, c.id, 0, %(user)s, %(text)s,
               sha256(row.n::text::bytea), 100, %(model)s, now() - row.n * interval '1 hour',
               CASE WHEN row.n <= 20 THEN first.id WHEN row.n <= 30 THEN second.id END
        FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM ftworker.conversations) AS row
        JOIN ftworker.conversations AS c ON c.id = row.id
        JOIN ftworker.datasets AS first ON first.sequence = 1
        JOIN ftworker.datasets AS second ON second.sequence = 2
        """,
        {"user": USER, "text": TEXT, "model": MODEL},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason)
        SELECT 'tutor', min(id), -1, 'too_short' FROM ftworker.conversations
        """
    )
    cursor.execute(
        "INSERT INTO ftworker.pipelines (name, last_cut_at) VALUES ('tutor', now() - interval '1 day')"
    )


def _runs(cursor: Cursor) -> None:
    cursor.execute(
        """
        INSERT INTO ftworker.runs
            (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state, state_since,
             finished_at, next_action_at, run_key, training_file_id, attempted_at, job_id, model,
             trained_tokens, estimated_usd, provider_status, provider_changed_at, detail, error_code,
             error_message)
        SELECT row.pipeline, dataset.id, row.provider, %(model)s, '{}', row.hash, 'min_examples', row.state,
               now() - row.age, row.finished_at, row.due, 'key-' || row.hash, %(file)s, now() - row.age,
               %(file)s || 'job', %(model)s, row.tokens, row.usd, %(text)s, now() - row.silent,
               jsonb_build_object('note', %(text)s::text), row.error, %(text)s
        FROM (VALUES
            ('tutor', 'openai', 'h1', 1, 'promoted', interval '2 days', now() - interval '2 days',
             NULL::timestamptz, 60000, 1.5, interval '2 days', NULL),
            ('tutor', 'openai', 'h2', 2, 'submitted', interval '8 hours', NULL, now() - interval '15 minutes',
             NULL, 0.75, interval '7 hours', NULL),
            ('other', 'local', 'h3', 2, 'parked', interval '1 hour', NULL, NULL,
             NULL, 0.25, NULL, 'needs_person'),
            ('retired', 'openai', 'h4', 1, 'failed', interval '3 days', now(), NULL,
             NULL, 2.0, NULL, 'server_error')
        ) AS row (pipeline, provider, hash, sequence, state, age, finished_at, due,
                  tokens, usd, silent, error)
        JOIN ftworker.datasets AS dataset ON dataset.sequence = row.sequence
        """,
        {"model": MODEL, "file": FILE, "text": TEXT},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.run_journal (run_id, kind, message, data)
        SELECT id, 'event', %(text)s, jsonb_build_object('name', %(name)s::text) FROM ftworker.runs
        """,
        {"text": TEXT, "name": NAME},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.promotions (pipeline, run_id, model, promoted_at)
        SELECT 'tutor', id, %(model)s, now() - interval '1 day' FROM ftworker.runs WHERE state = 'promoted'
        """,
        {"model": MODEL},
    )


def _trainings(cursor: Cursor) -> None:
    cursor.execute(
        """
        INSERT INTO ftworker.trainings (run_key, run_id, "order", state, stage, host, message, progress,
                                        lease_token, lease_expires_at)
        SELECT row.key, run.id, jsonb_build_object('system_prompt', %(text)s::text), row.state, 'train', %(name)s,
               %(text)s, row.progress, row.token, CASE WHEN row.token IS NOT NULL THEN now() END
        FROM (VALUES
            ('running', 'running', 'tutor', gen_random_uuid(),
             '{"stage": "train", "completed": 30, "total": 120, "unit": "steps", "loss": 1.5,
               "tokens_per_second": 200, "memory_bytes": 2000000000}'::jsonb),
            ('waiting', 'waiting', 'other', NULL, '{"stage": "train", "completed": 9, "total": 10}')
        ) AS row (key, state, pipeline, token, progress)
        JOIN ftworker.runs AS run ON run.pipeline = row.pipeline AND run.state IN ('submitted', 'parked')
        """,
        {"text": TEXT, "name": NAME},
    )


def _rest(cursor: Cursor) -> None:
    # Four in quarantine: one waits, one for both pipelines, one was decided about, one was deleted meanwhile.
    cursor.execute(
        """
        INSERT INTO ftworker.drops (pipeline, conversation_id, turn, reason, created_at)
        SELECT pipeline, c.id, -1, 'quarantined_health', now() - c.n * interval '1 hour'
        FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM ftworker.conversations) AS c
        JOIN (VALUES ('tutor', 2), ('tutor', 3), ('other', 3), ('tutor', 4), ('tutor', 5)) AS row (pipeline, n)
             USING (n);
        INSERT INTO ftworker.quarantine_reviews (conversation_id, content_sha256, decision)
        SELECT id, content_sha256, 'rejected' FROM ftworker.conversations ORDER BY id LIMIT 1 OFFSET 3;
        UPDATE ftworker.conversations SET deleted_at = now()
        WHERE id = (SELECT id FROM ftworker.conversations ORDER BY id LIMIT 1 OFFSET 4);
        """
    )
    cursor.execute(
        """
        INSERT INTO ftworker.parked (raw_sha256, raw, raw_bytes, reason, detail, origin, first_at)
        SELECT sha256(n::text::bytea), convert_to(%(text)s, 'UTF8'), 40, reason, %(text)s, 'amqp',
               now() - n * interval '1 hour'
        FROM (VALUES (1, 'malformed_json'), (2, 'malformed_json'), (3, 'too_large'), (4, %(script)s))
             AS row (n, reason)
        """,
        {"text": TEXT, "script": SCRIPT},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.processes (name, host, pid, seen_at, version)
        VALUES ('ingest', %(name)s, 1, now(), '0'), ('worker', %(name)s, 2, now(), '0'),
               ('worker', %(name)s, 3, now(), '0'),
               ('worker', %(name)s, 4, now() - interval '5 minutes', '0'),
               ('beat', %(name)s, 2, now(), '0'), ('beat', %(name)s, 3, now(), '0'),
               ('trainer', %(name)s, 5, now() - interval '2 hours', '0')
        """,
        {"name": NAME},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.store_changes (source_name, conversation_id, message_count, last_changed_at)
        VALUES ('chat', %(conversation)s, 3, now());
        INSERT INTO ftworker.source_progress (source_name, purpose, position)
        VALUES ('chat', 'backfill:' || %(user)s, jsonb_build_object('id', %(conversation)s::text));
        """,
        {"conversation": CONVERSATION, "user": USER},
    )
    cursor.execute(
        """
        INSERT INTO ftworker.totals (name, labels, shard, value) VALUES
            ('ingest_events', 'transport=amqp', 1, 900), ('ingest_events', 'transport=amqp', 2, 100),
            ('ingest_events', 'transport=stream', 1, 5),
            ('ingest_duplicates', 'transport=amqp', 1, 20),
            ('ingest_parked', 'reason=malformed_json,transport=amqp', 1, 3),
            ('ingest_batches', 'transport=amqp', 1, 4),
            ('ingest_batch_size', 'le=500,transport=amqp', 1, 2),
            ('ingest_batch_size', 'le=10,transport=amqp', 1, 1),
            ('ingest_batch_size', 'le=+Inf,transport=amqp', 2, 1),
            ('examples_kept', 'pipeline=tutor', 1, 38),
            ('examples_dropped', 'pipeline=tutor,reason=too_short', 1, 7),
            ('examples_left_out', 'pipeline=tutor,reason=near_duplicate', 1, 4),
            ('redactions', 'kind=name,pipeline=tutor', 1, 7),
            ('examples_dropped', 'pipeline=tutor,reason=' || %(text)s, 1, 2),
            ('provider_errors', 'kind=rate_limit_exceeded,provider=openai,step=create_job', 1, 3),
            ('runs_finished', 'outcome=promoted,pipeline=tutor,provider=openai', 1, 1),
            ('tokens_trained', 'pipeline=tutor,provider=openai', 1, 60000),
            ('training_crashes', 'pipeline=tutor,provider=openai', 1, 2),
            ('sweep_timestamp_seconds', '', 0, extract(epoch FROM now())),
            ('unknown_total', %(name)s, 0, 1)
        """,
        {"text": TEXT, "name": NAME},
    )
