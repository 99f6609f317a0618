-- name: waiting
-- Conversations whose newest version is quarantined in some pipeline and waits for a decision, the oldest first. Read
-- from the index `drops_quarantined`: what was decided leaves it. No text, no user.
SELECT c.id, encode(c.content_sha256, 'hex') AS version, c.source_name, c.conversation_id, c.message_count,
       array_agg(DISTINCT d.pipeline ORDER BY d.pipeline) AS pipelines,
       array_agg(DISTINCT d.reason ORDER BY d.reason) AS reasons,
       c.updated_at AS since, NULL AS decision
FROM ftworker.drops AS d
JOIN ftworker.conversations AS c ON c.id = d.conversation_id
WHERE d.reason LIKE 'quarantined%%' AND d.turn = -1 AND c.deleted_at IS NULL
  AND NOT EXISTS (
    SELECT FROM ftworker.quarantine_reviews AS r
    WHERE r.conversation_id = c.id AND r.content_sha256 = c.content_sha256)
  AND (%(pipeline)s::text IS NULL OR d.pipeline = %(pipeline)s)
  AND (%(reason)s::text IS NULL OR d.reason = %(reason)s)
  AND c.id > %(after_id)s
GROUP BY c.id
ORDER BY c.id
LIMIT %(limit)s;

-- name: rejected
-- Conversations that a person keeps out, in the version that stands.
SELECT c.id, encode(c.content_sha256, 'hex') AS version, c.source_name, c.conversation_id, c.message_count,
       array_agg(DISTINCT d.pipeline ORDER BY d.pipeline) AS pipelines,
       array_agg(DISTINCT d.reason ORDER BY d.reason) AS reasons,
       r.decided_at AS since, r.decision
FROM ftworker.quarantine_reviews AS r
JOIN ftworker.conversations AS c ON c.id = r.conversation_id AND c.content_sha256 = r.content_sha256
JOIN ftworker.drops AS d ON d.conversation_id = c.id AND d.turn = -1 AND d.reason = 'rejected_by_person'
WHERE r.decision = 'rejected' AND c.deleted_at IS NULL
  AND (%(pipeline)s::text IS NULL OR d.pipeline = %(pipeline)s)
  AND c.id > %(after_id)s
GROUP BY c.id, r.conversation_id
ORDER BY c.id
LIMIT %(limit)s;

-- name: row
-- One conversation, whatever was decided about it; pipelines and reasons are empty once nothing of it is quarantined.
SELECT c.id, encode(c.content_sha256, 'hex') AS version, c.source_name, c.conversation_id, c.message_count,
       coalesce(array_agg(DISTINCT d.pipeline ORDER BY d.pipeline) FILTER (WHERE d.pipeline IS NOT NULL), '{}')
           AS pipelines,
       coalesce(array_agg(DISTINCT d.reason ORDER BY d.reason) FILTER (WHERE d.reason IS NOT NULL), '{}') AS reasons,
       c.updated_at AS since, r.decision
FROM ftworker.conversations AS c
LEFT JOIN ftworker.drops AS d ON d.conversation_id = c.id AND d.turn = -1
    AND (d.reason LIKE 'quarantined%%' OR d.reason = 'rejected_by_person')
LEFT JOIN ftworker.quarantine_reviews AS r ON r.conversation_id = c.id AND r.content_sha256 = c.content_sha256
WHERE c.id = %(id)s AND c.deleted_at IS NULL
GROUP BY c.id, r.decision;

-- name: lock
-- The version that stands, until the transaction ends: `accumulate` writes a newer one before or after, never meanwhile.
SELECT c.tenant_id, c.course_id, c.closed_at
FROM ftworker.conversations AS c WHERE c.id = %(id)s AND c.deleted_at IS NULL FOR UPDATE;

-- name: review
-- One decision a conversation, for the version that stands; a newer version makes it void.
INSERT INTO ftworker.quarantine_reviews AS known (conversation_id, content_sha256, decision)
SELECT id, content_sha256, %(decision)s FROM ftworker.conversations WHERE id = %(id)s
ON CONFLICT (conversation_id) DO UPDATE
SET content_sha256 = excluded.content_sha256, decision = excluded.decision, decided_at = now();

-- name: reject
-- The drop says from now on that a person kept the conversation out, and not what was found in it.
UPDATE ftworker.drops SET reason = 'rejected_by_person'
WHERE conversation_id = %(id)s AND turn = -1 AND reason LIKE 'quarantined%%';

-- name: decisions
-- What a person decided about these conversations, in the version that stands now.
SELECT r.conversation_id, r.decision
FROM ftworker.quarantine_reviews AS r
JOIN ftworker.conversations AS c ON c.id = r.conversation_id AND c.content_sha256 = r.content_sha256
WHERE r.conversation_id = ANY(%(row_ids)s);

-- name: event
-- The event that gave the newest version, while its text is there.
SELECT id, payload, received_at
FROM ftworker.inbox
WHERE source_name = %(source_name)s AND conversation_id = %(conversation_id)s AND payload IS NOT NULL
  AND outcome IN ('examples', 'dropped')
ORDER BY processed_at DESC, id DESC
LIMIT 1;

-- name: waits
-- Whether an event of this origin about the conversation waits to be accumulated.
SELECT EXISTS (
    SELECT FROM ftworker.inbox
    WHERE source_name = %(source_name)s AND conversation_id = %(conversation_id)s AND processed_at IS NULL
      AND event_source = %(event_source)s) AS waits;

-- name: wait_again
-- Sets one processed event waiting once more.
UPDATE ftworker.inbox SET processed_at = NULL, outcome = NULL, attempts = 0, not_before = NULL
WHERE id = %(id)s AND processed_at IS NOT NULL;

-- name: erase
-- Nothing about health or well-being stays of conversations that were deleted.
WITH quarantined AS (
    DELETE FROM ftworker.drops
    WHERE conversation_id = ANY(%(row_ids)s) AND (reason LIKE 'quarantined%%' OR reason = 'rejected_by_person'))
DELETE FROM ftworker.quarantine_reviews WHERE conversation_id = ANY(%(row_ids)s);
