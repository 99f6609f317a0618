-- The OpenAI Agents SDK's SQLAlchemySession: a row an item of the Responses API, as JSON in a text. One call gives all
-- its rows one time; the numbers give their order. created_at has no zone: it is in that of the server's session.

-- name: messages
-- One row an item of the conversations asked for.
SELECT m.session_id AS key, m.id AS id, m.created_at AS created_at, m.message_data AS item
FROM {agent_messages} AS m
WHERE m.session_id = ANY(%(ids)s);

-- name: changes
-- One row a conversation. An item taken back and given anew changes the newest number.
SELECT m.session_id AS key, count(*) AS message_count, max(m.created_at)::timestamptz AS last_change_at,
    max(m.id) AS last_row
FROM {agent_messages} AS m
WHERE m.session_id IS NOT NULL
GROUP BY m.session_id;

-- name: scopes
-- Every conversation, once an item.
SELECT m.session_id AS scope FROM {agent_messages} AS m;

-- name: touched
-- Conversations with an item written in a span of time.
SELECT m.session_id AS scope
FROM {agent_messages} AS m
WHERE m.created_at > %(since)s AND m.created_at <= %(until)s;
