-- LangChain's chat history, whoever writes it: langchain-postgres, langchain-community's message_store, n8n's
-- n8n_chat_histories, LangChain.js. One row a message; `message` is json, jsonb, or JSON in a text. l is the table.

-- name: messages
-- One row a message of the conversations asked for.
SELECT l.session_id AS key, l.id AS id, l.message AS message {with_created_at}
FROM {table} AS l
WHERE l.session_id = ANY(%(ids)s);

-- name: changes
-- One row a conversation. Its newest row's number changes even where a store keeps the last messages alone.
SELECT l.session_id AS key, count(*) AS message_count, {last_change_at} AS last_change_at, max(l.id) AS last_row
FROM {table} AS l
WHERE l.session_id IS NOT NULL
GROUP BY l.session_id;

-- name: scopes
-- Every conversation, once a message.
SELECT l.session_id AS scope FROM {table} AS l;

-- name: touched
-- Conversations with a message written in a span of time.
SELECT l.session_id AS scope
FROM {table} AS l
WHERE {created_at} > %(since)s AND {created_at} <= %(until)s;

-- name: appended
-- Conversations with a message numbered above the one given.
SELECT l.session_id AS scope
FROM {table} AS l
WHERE l.id > %(after_row)s;

-- name: last_row
-- The newest message's number.
SELECT max(l.id) FROM {table} AS l;
