-- Chainlit's official layer (chainlit-datalayer): s is "Step", t is "Thread", f is "Feedback".
-- Its times are UTC without a zone, whatever the source's naive_timezone says; "createdAt" is when the row was saved.

-- name: messages
-- One row a step of the threads asked for that says or was given something.
SELECT s."threadId" AS key, s.id AS id, s.type AS type, s.output AS content,
    s."startTime" AT TIME ZONE 'UTC' AS created_at, s."isError" AS error, s.type <> 'user_message' AS answers,
    CASE WHEN f.value > 0 THEN 1 WHEN f.value <= 0 THEN -1 END AS rating
FROM {Step} AS s
LEFT JOIN LATERAL (
    SELECT min(f.value) AS value FROM {Feedback} AS f WHERE f."stepId" = s.id AND f.name = 'user_feedback'
) AS f ON true
WHERE s."threadId" = ANY(%(ids)s) AND s.type IN ('user_message', 'assistant_message', 'retrieval', 'rerank');

-- name: conversations
-- Threads in which something was said, and which are not deleted.
SELECT t.id AS key, t."userId" AS user_ref
FROM {Thread} AS t
WHERE t.id = ANY(%(ids)s) AND t."deletedAt" IS NULL AND EXISTS (
    SELECT 1 FROM {Step} AS s WHERE s."threadId" = t.id AND s.type IN ('user_message', 'assistant_message')
);

-- name: changes
-- One row a thread in which something was said.
SELECT s."threadId" AS key, count(*) AS message_count, max(s."startTime" AT TIME ZONE 'UTC') AS last_change_at,
    NULL AS last_row
FROM {Step} AS s
JOIN {Thread} AS t ON t.id = s."threadId"
WHERE t."deletedAt" IS NULL AND s.type IN ('user_message', 'assistant_message')
GROUP BY s."threadId";

-- name: scopes
-- Every thread.
SELECT t.id AS scope FROM {Thread} AS t WHERE t."deletedAt" IS NULL;

-- name: touched
-- Threads with a step begun in a span of time.
SELECT s."threadId" AS scope
FROM {Step} AS s
WHERE s."startTime" > (%(since)s::timestamptz AT TIME ZONE 'UTC')
    AND s."startTime" <= (%(until)s::timestamptz AT TIME ZONE 'UTC');
