-- Dify: a row of `messages` is a turn, question and answer. m is messages, c is conversations.
-- Dify's connections are in UTC, so its times without a zone are UTC whatever the source's naive_timezone says.

-- name: messages
-- One row a turn of the conversations asked for. What either side disliked counts as disliked.
SELECT m.conversation_id AS key, m.id AS id, m.parent_message_id AS parent_id, m.query AS question, m.answer AS answer,
    m.created_at AT TIME ZONE 'UTC' AS created_at, m.model_id AS model, m.message_metadata AS metadata,
    m.status <> 'normal' OR coalesce(m.error, '') <> '' AS error, f.rating AS rating, a.content AS correction
FROM {messages} AS m
LEFT JOIN LATERAL (
    SELECT min(CASE f.rating WHEN 'like' THEN 1 WHEN 'dislike' THEN -1 END) AS rating
    FROM {message_feedbacks} AS f
    WHERE f.message_id = m.id
) AS f ON true
LEFT JOIN LATERAL (
    SELECT a.content
    FROM {message_annotations} AS a
    WHERE a.message_id = m.id
    ORDER BY a.updated_at DESC, a.id
    LIMIT 1
) AS a ON true
WHERE m.conversation_id = ANY(%(ids)s);

-- name: conversations
-- Those that the person has not deleted. What is tried out in Dify's editor runs with a configuration of its own.
SELECT c.id AS key, coalesce(c.from_end_user_id, c.from_account_id) AS user_ref, c.app_id AS course_id,
    c.invoke_from = 'debugger' OR c.override_model_configs IS NOT NULL OR EXISTS (
        SELECT 1 FROM {messages} AS m WHERE m.conversation_id = c.id AND m.override_model_configs IS NOT NULL
    ) AS debug
FROM {conversations} AS c
WHERE c.id = ANY(%(ids)s) AND NOT c.is_deleted;

-- name: changes
-- One row a conversation.
SELECT m.conversation_id AS key, 2 * count(*) AS message_count, max(m.created_at AT TIME ZONE 'UTC') AS last_change_at,
    NULL AS last_row
FROM {messages} AS m
JOIN {conversations} AS c ON c.id = m.conversation_id
WHERE NOT c.is_deleted
GROUP BY m.conversation_id;

-- name: scopes
-- Every conversation.
SELECT c.id AS scope FROM {conversations} AS c WHERE NOT c.is_deleted;

-- name: touched
-- Conversations with a turn begun in a span of time.
SELECT m.conversation_id AS scope
FROM {messages} AS m
WHERE m.created_at > (%(since)s::timestamptz AT TIME ZONE 'UTC')
    AND m.created_at <= (%(until)s::timestamptz AT TIME ZONE 'UTC');
