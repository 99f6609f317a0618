-- name: conversations
-- The known versions with this id, one for each source; the decision is a person's about the version that stands.
SELECT c.id, c.source_name, encode(c.content_sha256, 'hex') AS version, c.message_count, c.deleted_at, r.decision
FROM ftworker.conversations AS c
LEFT JOIN ftworker.quarantine_reviews AS r ON r.conversation_id = c.id AND r.content_sha256 = c.content_sha256
WHERE c.conversation_id = %(conversation_id)s
  AND (%(source_name)s::text IS NULL OR c.source_name = %(source_name)s)
ORDER BY c.source_name;

-- name: arrived
-- The newest event about this conversation from each source; the payload is NULL once it was erased.
SELECT DISTINCT ON (i.source_name) i.source_name, i.payload, i.received_at, i.processed_at, i.outcome
FROM ftworker.inbox AS i
WHERE i.conversation_id = %(conversation_id)s AND (%(source_name)s::text IS NULL OR i.source_name = %(source_name)s)
ORDER BY i.source_name, i.id DESC;

-- name: examples
-- What is stored of a conversation as examples, turn by turn.
SELECT e.id, e.pipeline, e.turn, e.content, e.token_count, e.tokenizer, e.rating, e.refusal, e.unsupported,
       e.corrected, e.withheld, e.erased_at, e.dataset_id
FROM ftworker.examples AS e WHERE e.conversation_id = %(row_id)s ORDER BY e.pipeline, e.turn;

-- name: drops
-- What is stored of a conversation as left out, turn by turn.
SELECT d.pipeline, d.turn, d.reason FROM ftworker.drops AS d
WHERE d.conversation_id = %(row_id)s ORDER BY d.pipeline, d.turn;

-- name: datasets
-- For each example of a conversation the dataset that held it first, and the newest one that may hold it too; with the
-- reason where the selection left it out.
SELECT e.id AS example_id, d.id AS dataset_id, d.sequence, d.url, d.settings->>'format' AS format,
       d.settings->>'system_prompt' AS system_prompt, l.reason, l.of_example_id
FROM ftworker.examples AS e
JOIN ftworker.datasets AS d ON d.pipeline = e.pipeline AND (
    d.id = e.dataset_id
    OR d.id = (
        SELECT max(n.id) FROM ftworker.datasets AS n
        WHERE n.pipeline = e.pipeline AND n.id > e.dataset_id AND n.strategy <> 'new' AND n.exported_at IS NOT NULL))
LEFT JOIN ftworker.dataset_left_out AS l ON l.dataset_id = d.id AND l.example_id = e.id
WHERE e.conversation_id = %(row_id)s AND e.dataset_id IS NOT NULL
ORDER BY e.id, d.id;
