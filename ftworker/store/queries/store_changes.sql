-- name: observe
-- Notes new and changed conversations with the time of this look; what has not changed is not written.
INSERT INTO ftworker.store_changes AS known
    (source_name, conversation_id, message_count, content_sha256, last_changed_at, closed_count, closed_sha256)
SELECT %(source_name)s, seen.conversation_id, seen.message_count, seen.version, %(now)s,
    CASE WHEN %(closed)s THEN seen.message_count END, CASE WHEN %(closed)s THEN seen.version END
FROM unnest(%(conversation_ids)s::text[], %(message_counts)s::integer[], %(versions)s::bytea[])
    AS seen (conversation_id, message_count, version)
LEFT JOIN ftworker.store_changes AS before
    ON before.source_name = %(source_name)s AND before.conversation_id = seen.conversation_id
WHERE before.content_sha256 IS DISTINCT FROM seen.version
ON CONFLICT (source_name, conversation_id) DO UPDATE
SET message_count = excluded.message_count, content_sha256 = excluded.content_sha256,
    last_changed_at = excluded.last_changed_at, closed_count = excluded.closed_count,
    closed_sha256 = coalesce(excluded.closed_sha256, known.closed_sha256)
WHERE known.content_sha256 IS DISTINCT FROM excluded.content_sha256;

-- name: close_idle
-- Closes conversations that have not changed since a time, the longest unchanged first, and gives them. No
-- conversation that another worker is closing; each version once.
UPDATE ftworker.store_changes AS closed
SET closed_count = closed.message_count, closed_sha256 = closed.content_sha256
FROM (
    SELECT conversation_id
    FROM ftworker.store_changes
    WHERE source_name = %(source_name)s AND closed_count IS DISTINCT FROM message_count
        AND last_changed_at <= %(until)s
    ORDER BY last_changed_at
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
) AS idle
WHERE closed.source_name = %(source_name)s AND closed.conversation_id = idle.conversation_id
RETURNING closed.conversation_id, closed.message_count, closed.content_sha256, closed.last_changed_at;
