-- name: upsert_conversations
-- The newest version of each conversation wins; an older event, or one about a deleted conversation, returns no row.
-- Callers sort by key, so that two batches lock rows in the same order and cannot deadlock.
INSERT INTO ftworker.conversations AS known
    (source_name, conversation_id, tenant_id, course_id, content_sha256, message_count, last_message_at, closed_at)
SELECT * FROM unnest(
    %(source_names)s::text[], %(conversation_ids)s::text[], %(tenant_ids)s::text[], %(course_ids)s::text[],
    %(content_sha256s)s::bytea[], %(message_counts)s::integer[], %(last_message_ats)s::timestamptz[],
    %(closed_ats)s::timestamptz[])
ON CONFLICT (source_name, conversation_id) DO UPDATE SET
    tenant_id = excluded.tenant_id, course_id = excluded.course_id, content_sha256 = excluded.content_sha256,
    message_count = excluded.message_count, last_message_at = excluded.last_message_at,
    closed_at = excluded.closed_at, updated_at = now()
WHERE excluded.closed_at >= known.closed_at AND known.deleted_at IS NULL
RETURNING id, source_name, conversation_id;

-- name: deleted_among
SELECT source_name, conversation_id FROM ftworker.conversations
WHERE deleted_at IS NOT NULL AND (source_name, conversation_id) IN (
    SELECT * FROM unnest(%(source_names)s::text[], %(conversation_ids)s::text[]));

-- name: lock_waiting
-- What waits of these conversations stays as it is until the transaction ends; a cut that has it is waited for.
-- Here and below each conversation is looked up by itself (LATERAL), and what waits is not asked for by `dataset_id IS
-- NULL`: a planner with old statistics would read all that waits in every pipeline, or the whole table.
SELECT waiting.id FROM unnest(%(conversation_ids)s::bigint[]) AS known (id)
CROSS JOIN LATERAL (
    SELECT id FROM ftworker.examples
    WHERE conversation_id = known.id AND coalesce(dataset_id, 0) = 0 OFFSET 0 FOR UPDATE) AS waiting;

-- name: cut_turns
-- The last turn of each conversation that a dataset of each pipeline already holds.
SELECT known.id AS conversation_id, held.pipeline, held.turn
FROM unnest(%(conversation_ids)s::bigint[]) AS known (id)
CROSS JOIN LATERAL (
    SELECT pipeline, max(turn) AS turn FROM ftworker.examples
    WHERE conversation_id = known.id AND dataset_id IS NOT NULL GROUP BY pipeline) AS held;

-- name: kept_elsewhere
-- Which of these question-and-answer pairs the pipeline keeps from elsewhere. What waits of the conversations at hand
-- does not count, for it is about to be written anew.
SELECT asked.pipeline, asked.pair_sha256
FROM unnest(%(pipelines)s::text[], %(pair_sha256s)s::bytea[]) AS asked (pipeline, pair_sha256)
CROSS JOIN LATERAL (
    SELECT 1 FROM ftworker.examples
    WHERE pipeline = asked.pipeline AND pair_sha256 = asked.pair_sha256 AND erased_at IS NULL AND withheld IS NULL
      AND (dataset_id IS NOT NULL OR conversation_id <> ALL(%(conversation_ids)s)) LIMIT 1) AS kept;

-- name: delete_stale_examples
-- Waiting examples of these conversations that their newest version does not give any more. Cut ones are untouched.
DELETE FROM ftworker.examples WHERE id IN (
    SELECT stale.id FROM unnest(%(conversation_ids)s::bigint[]) AS known (id)
    CROSS JOIN LATERAL (
        SELECT id, pipeline, conversation_id, turn FROM ftworker.examples
        WHERE conversation_id = known.id AND coalesce(dataset_id, 0) = 0 OFFSET 0) AS stale
    WHERE NOT EXISTS (
        SELECT FROM unnest(%(pipelines)s::text[], %(row_ids)s::bigint[], %(turns)s::integer[])
            AS kept (pipeline, id, turn)
        WHERE kept.pipeline = stale.pipeline AND kept.id = stale.conversation_id AND kept.turn = stale.turn));

-- name: upsert_examples
-- Each turn once a pipeline. What a dataset holds never changes. `inserted` is false for a replaced waiting example.
INSERT INTO ftworker.examples AS known
    (pipeline, conversation_id, turn, split_group, content, content_sha256, token_count, rating, model,
     question_sha256, pair_sha256, refusal, unsupported, corrected, tokenizer)
SELECT * FROM unnest(
    %(pipelines)s::text[], %(row_ids)s::bigint[], %(turns)s::integer[], %(split_groups)s::text[],
    %(contents)s::text[], %(content_sha256s)s::bytea[], %(token_counts)s::integer[], %(ratings)s::smallint[],
    %(models)s::text[], %(question_sha256s)s::bytea[], %(pair_sha256s)s::bytea[], %(refusals)s::boolean[],
    %(unsupporteds)s::boolean[], %(correcteds)s::boolean[], %(tokenizers)s::text[])
ON CONFLICT (conversation_id, pipeline, turn) DO UPDATE SET
    split_group = excluded.split_group, content = excluded.content, content_sha256 = excluded.content_sha256,
    token_count = excluded.token_count, rating = excluded.rating, model = excluded.model,
    question_sha256 = excluded.question_sha256, pair_sha256 = excluded.pair_sha256, refusal = excluded.refusal,
    unsupported = excluded.unsupported, corrected = excluded.corrected, tokenizer = excluded.tokenizer,
    withheld = NULL
WHERE known.dataset_id IS NULL
RETURNING pipeline, (xmax = 0) AS inserted;

-- name: delete_stale_drops
-- Drops that the newest version does not give any more. Those among turns that a dataset holds are settled: they stay.
DELETE FROM ftworker.drops AS stale
WHERE stale.conversation_id = ANY(%(conversation_ids)s)
  AND NOT EXISTS (
    SELECT FROM unnest(%(pipelines)s::text[], %(row_ids)s::bigint[], %(turns)s::integer[]) AS kept (pipeline, id, turn)
    WHERE kept.pipeline = stale.pipeline AND kept.id = stale.conversation_id AND kept.turn = stale.turn)
  AND NOT (stale.turn >= 0 AND EXISTS (
    SELECT FROM ftworker.examples AS held
    WHERE held.conversation_id = stale.conversation_id AND held.pipeline = stale.pipeline
      AND held.dataset_id IS NOT NULL AND held.turn >= stale.turn));

-- name: upsert_drops
-- One reason for each dropped turn; the newest reason stands.
INSERT INTO ftworker.drops AS known (pipeline, conversation_id, turn, reason)
SELECT * FROM unnest(%(pipelines)s::text[], %(row_ids)s::bigint[], %(turns)s::integer[], %(reasons)s::text[])
ON CONFLICT (conversation_id, pipeline, turn) DO UPDATE SET reason = excluded.reason
RETURNING pipeline, reason, (xmax = 0) AS inserted;

-- name: mark_deleted
-- A tombstone for each conversation, made when it was never seen, so that a late event cannot bring it back.
INSERT INTO ftworker.conversations AS known
    (source_name, conversation_id, content_sha256, message_count, closed_at, deleted_at)
SELECT source_name, conversation_id, ''::bytea, 0, now(), now()
FROM unnest(%(source_names)s::text[], %(conversation_ids)s::text[]) AS gone (source_name, conversation_id)
ON CONFLICT (source_name, conversation_id) DO UPDATE SET
    deleted_at = coalesce(known.deleted_at, now()), content_sha256 = ''::bytea, updated_at = now()
RETURNING id;

-- name: erase_examples
-- Waiting examples go; those in datasets lose their content and keep their place, so that lineage can still answer.
WITH waiting AS (
    DELETE FROM ftworker.examples WHERE conversation_id = ANY(%(conversation_ids)s) AND dataset_id IS NULL)
UPDATE ftworker.examples SET content = '', erased_at = now(), split_group = ''
WHERE conversation_id = ANY(%(conversation_ids)s) AND dataset_id IS NOT NULL AND erased_at IS NULL;

-- name: withhold
-- Out of this dataset's files and of all later ones.
UPDATE ftworker.examples SET withheld = %(reason)s
WHERE id = ANY(%(ids)s) AND withheld IS NULL RETURNING id;

-- name: backlogs
-- What waits in each of these pipelines, read from the index `examples_waiting` alone. No row where nothing does.
SELECT pipeline, count(*) AS examples, sum(token_count)::bigint AS tokens, min(created_at) AS oldest_at
FROM ftworker.examples WHERE pipeline = ANY(%(pipelines)s) AND dataset_id IS NULL
GROUP BY pipeline;

-- name: waiting_tokenizers
-- By what the tokens of waiting examples were counted; costs the backlog.
SELECT DISTINCT tokenizer FROM ftworker.examples
WHERE pipeline = %(pipeline)s AND dataset_id IS NULL ORDER BY tokenizer;

-- name: count_kept
-- Up to a limit, so that it never costs the history.
SELECT count(*) AS kept FROM (
    SELECT 1 FROM ftworker.examples
    WHERE pipeline = %(pipeline)s AND dataset_id IS NOT NULL AND erased_at IS NULL AND withheld IS NULL
    LIMIT %(limit)s) AS kept_examples;

-- name: stream_all
-- Everything that the pipeline had cut up to this dataset, in the order of content: the same rows, the same bytes.
SELECT {example_columns} FROM ftworker.examples
WHERE pipeline = %(pipeline)s AND dataset_id <= %(dataset_id)s AND erased_at IS NULL AND withheld IS NULL
ORDER BY content_sha256, id;

-- name: stream_new
-- Only what this dataset was the first to hold.
SELECT {example_columns} FROM ftworker.examples
WHERE dataset_id = %(dataset_id)s AND erased_at IS NULL AND withheld IS NULL
ORDER BY content_sha256, id;

-- name: stream_replay
-- The new ones, and a sample of the old that is the same for every dataset: by the first four bytes of the hash.
SELECT {example_columns} FROM ftworker.examples
WHERE pipeline = %(pipeline)s AND erased_at IS NULL AND withheld IS NULL AND dataset_id <= %(dataset_id)s
  AND (dataset_id = %(dataset_id)s
       OR ('x' || encode(substring(content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
          < %(replay_share)s * 4294967296)
ORDER BY content_sha256, id;

-- name: conversation_outcome
-- What became of a conversation in each pipeline, turn by turn. No text.
SELECT e.pipeline, e.turn, 'example' AS outcome, NULL AS reason, e.dataset_id
FROM ftworker.examples AS e JOIN ftworker.conversations AS c ON c.id = e.conversation_id
WHERE c.source_name = %(source_name)s AND c.conversation_id = %(conversation_id)s
UNION ALL
SELECT d.pipeline, d.turn, 'dropped', d.reason, NULL
FROM ftworker.drops AS d JOIN ftworker.conversations AS c ON c.id = d.conversation_id
WHERE c.source_name = %(source_name)s AND c.conversation_id = %(conversation_id)s
ORDER BY 1, 2;
