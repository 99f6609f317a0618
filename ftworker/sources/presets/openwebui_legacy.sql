-- Open WebUI before it had a table of messages: c is chat, whose column `chat` holds a whole conversation.

-- name: messages
-- One row a chat.
SELECT c.id AS key, c.id AS id, c.chat AS chat
FROM {chat} AS c
WHERE c.id = ANY(%(ids)s) AND ({length}) > 0;

-- name: conversations
-- Chats of people: no copies that were shared, none that Open WebUI holds with itself.
SELECT c.id AS key, c.user_id AS user_ref
FROM {chat} AS c
WHERE c.id = ANY(%(ids)s) AND {people};

-- name: changes
-- One row a chat. The list holds the messages of the current branch.
SELECT c.id AS key, {length} AS message_count, NULL AS last_row,
    to_timestamp(c.updated_at / CASE WHEN c.updated_at > 1e17 THEN 1e9 WHEN c.updated_at > 1e14 THEN 1e6
        WHEN c.updated_at > 1e11 THEN 1e3 ELSE 1.0 END) AS last_change_at
FROM {chat} AS c
WHERE {people} AND ({length}) > 0;

-- name: scopes
-- Every chat of a person.
SELECT c.id AS scope FROM {chat} AS c WHERE {people};

-- name: touched
-- Chats changed in a span of time, whatever unit their time is in.
SELECT c.id AS scope
FROM {chat} AS c, (
    SELECT floor(extract(epoch FROM %(since)s::timestamptz))::bigint AS since,
        ceil(extract(epoch FROM %(until)s::timestamptz))::bigint AS until
) AS span
WHERE (c.updated_at > span.since AND c.updated_at <= span.until)
    OR (c.updated_at > span.since * 1000 AND c.updated_at <= span.until * 1000)
    OR (c.updated_at > span.since * 1000000000 AND c.updated_at <= span.until * 1000000000);
