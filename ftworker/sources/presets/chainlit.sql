-- Chainlit's SQLAlchemy layer: s is steps, t is threads, f is feedbacks. Times are texts, in UTC.

-- name: messages
-- One row a step of the threads asked for that says or was given something.
SELECT s."threadId" AS key, s.id AS id, s.type AS type, s.output AS content, s.generation AS generation,
    CASE WHEN s."createdAt" ~ '^\d{{4}}-\d\d-\d\dT\d\d:\d\d' THEN s."createdAt"::timestamptz END AS created_at,
    s."isError" AS error, s.type <> 'user_message' AS answers,
    CASE WHEN f.value > 0 THEN 1 WHEN f.value <= 0 THEN -1 END AS rating
FROM {steps} AS s
LEFT JOIN (
    SELECT f."forId", min(f.value) AS value
    FROM {feedbacks} AS f
    WHERE f."threadId" = ANY(%(ids)s)
    GROUP BY f."forId"
) AS f ON f."forId" = s.id
WHERE s."threadId" = ANY(%(ids)s) AND s.type IN ('user_message', 'assistant_message', 'retrieval', 'rerank', 'llm');

-- name: conversations
-- Threads in which something was said.
SELECT t.id AS key, coalesce(t."userId"::text, t."userIdentifier") AS user_ref
FROM {threads} AS t
WHERE t.id = ANY(%(ids)s) AND EXISTS (
    SELECT 1 FROM {steps} AS s WHERE s."threadId" = t.id AND s.type IN ('user_message', 'assistant_message')
);

-- name: changes
-- One row a thread in which something was said.
SELECT s."threadId" AS key, count(*) AS message_count, NULL AS last_row,
    max(CASE WHEN s."createdAt" ~ '^\d{{4}}-\d\d-\d\dT\d\d:\d\d' THEN s."createdAt"::timestamptz END) AS last_change_at
FROM {steps} AS s
WHERE s.type IN ('user_message', 'assistant_message')
GROUP BY s."threadId";

-- name: scopes
-- Every thread.
SELECT t.id AS scope FROM {threads} AS t;

-- name: touched
-- Threads with a step written in a span of time, to the second: compared as texts, so that an index on them serves.
SELECT s."threadId" AS scope
FROM {steps} AS s
WHERE s."createdAt" >= to_char(%(since)s::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
    AND s."createdAt" < to_char(
        %(until)s::timestamptz AT TIME ZONE 'UTC' + interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS');
