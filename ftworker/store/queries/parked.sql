-- name: hold
-- Keeps raw messages until a person replays or drops them. The same bytes again count up instead of adding a row.
-- Rows are locked in one order, so that two consumers cannot deadlock.
INSERT INTO ftworker.parked AS held (raw_sha256, raw, raw_bytes, reason, detail, origin, times)
SELECT new.raw_sha256, new.raw, new.raw_bytes, new.reason, new.detail, %(origin)s, new.times
FROM unnest(%(sha256s)s::bytea[], %(raws)s::bytea[], %(sizes)s::bigint[], %(reasons)s::text[], %(details)s::text[],
            %(times)s::integer[]) AS new (raw_sha256, raw, raw_bytes, reason, detail, times)
ORDER BY new.raw_sha256
ON CONFLICT (raw_sha256) DO UPDATE SET times = held.times + excluded.times, last_at = now();

-- name: summary
-- One line for each reason: how many rows, how many messages with repeats, since when.
SELECT reason, count(*) AS rows, sum(times) AS times, min(first_at) AS oldest_at, max(last_at) AS newest_at
FROM ftworker.parked
GROUP BY reason
ORDER BY reason;

-- name: rows
-- Without the raw bytes. The newest last, so that a terminal ends on it.
SELECT id, reason, detail, origin, raw_bytes, octet_length(raw) < raw_bytes AS is_cut, inbox_id, times, first_at, last_at
FROM ftworker.parked
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND id > %(after_id)s
ORDER BY id
LIMIT %(limit)s;

-- name: show
-- One row with its raw bytes; no row when it was replayed or dropped meanwhile.
SELECT id, reason, detail, origin, raw_bytes, octet_length(raw) < raw_bytes AS is_cut, inbox_id, times, first_at, last_at,
       raw, encode(raw_sha256, 'hex') AS raw_sha256
FROM ftworker.parked
WHERE id = %(id)s;

-- name: ids
-- The rows that a choice means, for replay and drop.
SELECT id FROM ftworker.parked
WHERE (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[])) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
ORDER BY id;

-- name: take
-- Locks rows to replay or drop them; none that someone else is replaying or dropping now.
SELECT id, raw, octet_length(raw) < raw_bytes AS is_cut, inbox_id
FROM ftworker.parked
WHERE id = ANY(%(ids)s::bigint[])
ORDER BY id
FOR UPDATE SKIP LOCKED;

-- name: wait_again
-- Sets inbox rows that `accumulate` parked waiting once more, with their text where retention had erased it.
UPDATE ftworker.inbox AS row
SET processed_at = NULL, outcome = NULL, attempts = 0, not_before = NULL,
    payload = coalesce(row.payload, convert_from(held.raw, 'UTF8'))
FROM ftworker.parked AS held
WHERE held.id = ANY(%(ids)s::bigint[]) AND row.id = held.inbox_id AND row.outcome = 'parked';

-- name: drop
-- Removes rows for good.
DELETE FROM ftworker.parked WHERE id = ANY(%(ids)s::bigint[]);

-- name: explain_again
-- A replay that failed: the row stays, with the reason that holds now.
UPDATE ftworker.parked AS held
SET reason = new.reason, detail = new.detail, last_at = now()
FROM unnest(%(ids)s::bigint[], %(reasons)s::text[], %(details)s::text[]) AS new (id, reason, detail)
WHERE held.id = new.id;
