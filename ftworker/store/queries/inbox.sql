-- name: record
-- Each event once, whatever is redelivered or published again; as many rows as are new. Columns come as one text each,
-- cut by a separator: measured at half the cost of array parameters, whose every element is quoted and parsed.
INSERT INTO ftworker.inbox (event_source, event_id, source_name, conversation_id, payload)
SELECT * FROM unnest(string_to_array(%(event_sources)s, %(separator)s), string_to_array(%(event_ids)s, %(separator)s),
                     string_to_array(%(source_names)s, %(separator)s),
                     string_to_array(%(conversation_ids)s, %(separator)s),
                     string_to_array(%(payloads)s, %(separator)s))
ON CONFLICT (event_source, event_id) DO NOTHING;

-- name: limit_statements
-- Until the transaction ends: behind a pooler the connection is another's after it, and an export takes longer.
SELECT set_config('statement_timeout', %(milliseconds)s, true);

-- name: take_waiting
-- Rows to work on, those due longest first. No row that another worker holds; held until the caller's transaction ends.
SELECT id, event_source, event_id, source_name, conversation_id, payload, received_at, attempts
FROM ftworker.inbox
WHERE processed_at IS NULL AND (not_before IS NULL OR not_before <= now())
-- The order of the index `inbox_waiting`, and of no other.
ORDER BY coalesce(not_before, received_at), id
LIMIT %(limit)s
FOR UPDATE SKIP LOCKED;

-- name: has_waiting
-- True when a row is due, also one that a worker holds at this moment. Not by EXISTS, which forgets the order, and with
-- it the index.
SELECT count(*) > 0 AS waiting FROM (
    SELECT 1 FROM ftworker.inbox
    WHERE processed_at IS NULL AND (not_before IS NULL OR not_before <= now())
    ORDER BY coalesce(not_before, received_at), id LIMIT 1) AS first;

-- name: finish
-- A row that is already processed keeps its first outcome. What has no outcome is not processed, by a CHECK; asked here
-- and below by `processed_at`, a planner that knows of no backlog reads the whole index of waiting rows for every batch.
UPDATE ftworker.inbox SET processed_at = now(), outcome = %(outcome)s, not_before = NULL
WHERE id = ANY(%(ids)s::bigint[]) AND outcome IS NULL;

-- name: postpone
-- Leaves waiting rows alone for a while after a passing failure, and counts it.
UPDATE ftworker.inbox
SET attempts = attempts + 1, not_before = now() + %(seconds)s * interval '1 second'
WHERE id = ANY(%(ids)s::bigint[]) AND outcome IS NULL;

-- name: park
-- Copies waiting rows to `parked` with a reason and ends them; both or neither. A row that is processed is not parked.
WITH waiting AS (
    UPDATE ftworker.inbox
    SET processed_at = now(), outcome = 'parked', not_before = NULL
    WHERE id = ANY(%(ids)s::bigint[]) AND outcome IS NULL
    RETURNING id, coalesce(
        convert_to(payload, 'UTF8'),
        convert_to(jsonb_build_object('source', event_source, 'id', event_id)::text, 'UTF8')) AS raw
)
INSERT INTO ftworker.parked AS held (raw_sha256, raw, raw_bytes, reason, detail, origin, inbox_id)
SELECT DISTINCT ON (sha256(raw)) sha256(raw), raw, octet_length(raw), %(reason)s, %(detail)s, 'accumulate', id
FROM waiting
ON CONFLICT (raw_sha256) DO UPDATE
SET reason = excluded.reason, detail = excluded.detail, origin = excluded.origin, inbox_id = excluded.inbox_id,
    times = held.times + 1, last_at = now();

-- name: forget_backfilled
-- Events that `backfill` made and whose payload retention has erased; nobody else can send them again.
DELETE FROM ftworker.inbox
WHERE source_name = %(source_name)s AND event_source = 'ftworker/backfill/' || %(source_name)s AND payload IS NULL
  AND outcome IN ('examples', 'dropped', 'superseded', 'unmatched');

-- name: take_again
-- Processed rows wait once more. Parked and deleted ones stay as they are.
UPDATE ftworker.inbox SET processed_at = NULL, outcome = NULL, attempts = 0, not_before = NULL
WHERE source_name = %(source_name)s AND payload IS NOT NULL
  AND outcome IN ('examples', 'dropped', 'superseded', 'unmatched');

-- name: erase_old
-- Payloads of rows processed long ago; the rows stay, so that a late redelivery is still known.
UPDATE ftworker.inbox
SET payload = NULL
WHERE id IN (
    SELECT id FROM ftworker.inbox
    WHERE processed_at < now() - %(days)s * interval '1 day' AND payload IS NOT NULL
    ORDER BY processed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED);

-- name: erase_conversation
-- Every payload about one conversation, processed or not; what still waited is ended, for there is nothing to read.
-- A row that a worker holds at this moment is left to it: after the tombstone, `accumulate` erases what it holds. To
-- wait for it here could be a deadlock.
UPDATE ftworker.inbox
SET payload = NULL, processed_at = coalesce(processed_at, now()), outcome = coalesce(outcome, 'deleted'),
    not_before = NULL
WHERE id IN (
    SELECT id FROM ftworker.inbox
    WHERE source_name = %(source_name)s AND conversation_id = %(conversation_id)s
      AND (payload IS NOT NULL OR processed_at IS NULL)
    FOR UPDATE SKIP LOCKED);

-- name: erase_parked_of_conversation
-- What `accumulate` parked about one conversation.
DELETE FROM ftworker.parked
WHERE inbox_id IN (
    SELECT id FROM ftworker.inbox WHERE source_name = %(source_name)s AND conversation_id = %(conversation_id)s);
