-- Open WebUI with a table of messages (0.8 and later): m is chat_message, c is chat, f is feedback.
-- Times count since 1970, in seconds and in imported chats in milliseconds or nanoseconds.

-- name: messages
-- One row a message of the chats asked for, all branches. Its id stands behind that of its chat; parents are bare.
-- The newest opinion of a message is the one that the person still has.
SELECT m.key, m.id, m.parent_id, m.role, m.content, m.output, m.sources, m.error, m.done, m.model, m.created_at,
    m.current_id, CASE WHEN f.rating IN ('1', '"1"') THEN 1 WHEN f.rating IN ('-1', '"-1"') THEN -1 END AS rating
FROM (
    SELECT m.chat_id AS key, m.parent_id, m.role, m.content, m.output, m.sources, m.error, m.done, m.model_id AS model,
        CASE WHEN starts_with(m.id, m.chat_id || '-') THEN substr(m.id, length(m.chat_id) + 2) ELSE m.id END AS id,
        to_timestamp(m.created_at / CASE WHEN m.created_at > 1e17 THEN 1e9 WHEN m.created_at > 1e14 THEN 1e6
            WHEN m.created_at > 1e11 THEN 1e3 ELSE 1.0 END) AS created_at,
        {current_id} AS current_id
    FROM {chat_message} AS m
    JOIN {chat} AS c ON c.id = m.chat_id
    WHERE m.chat_id = ANY(%(ids)s)
) AS m
LEFT JOIN (
    SELECT DISTINCT ON (1, 2) ({about_feedback} -> 'chat_id')::text AS chat_id,
        ({about_feedback} -> 'message_id')::text AS message_id, ({opinion} -> 'rating')::text AS rating
    FROM {feedback} AS f
    WHERE ({about_feedback} -> 'chat_id')::text IN (SELECT to_json(asked)::text FROM unnest(%(ids)s::text[]) AS asked)
    ORDER BY 1, 2, f.updated_at DESC
) AS f ON f.chat_id = to_json(m.key)::text AND f.message_id = to_json(m.id)::text;

-- name: conversations
-- Chats of people: no copies that were shared, none that Open WebUI holds with itself.
SELECT c.id AS key, c.user_id AS user_ref
FROM {chat} AS c
WHERE c.id = ANY(%(ids)s) AND {people};

-- name: changes
-- One row a chat. Its own time changes with every message, edit and choice of a branch.
SELECT m.chat_id AS key, count(*) AS message_count, NULL AS last_row,
    to_timestamp(max(c.updated_at / CASE WHEN c.updated_at > 1e17 THEN 1e9 WHEN c.updated_at > 1e14 THEN 1e6
        WHEN c.updated_at > 1e11 THEN 1e3 ELSE 1.0 END)) AS last_change_at
FROM {chat_message} AS m
JOIN {chat} AS c ON c.id = m.chat_id
WHERE {people}
GROUP BY m.chat_id;

-- name: scopes
-- Every chat of a person.
SELECT c.id AS scope
FROM {chat} AS c
WHERE {people};

-- name: touched
-- Chats changed in a span of time, whatever unit their time is in; each range can use the index.
SELECT c.id AS scope
FROM {chat} AS c, (
    SELECT floor(extract(epoch FROM %(since)s::timestamptz))::bigint AS since,
        ceil(extract(epoch FROM %(until)s::timestamptz))::bigint AS until
) AS span
WHERE (c.updated_at > span.since AND c.updated_at <= span.until)
    OR (c.updated_at > span.since * 1000 AND c.updated_at <= span.until * 1000)
    OR (c.updated_at > span.since * 1000000000 AND c.updated_at <= span.until * 1000000000);
