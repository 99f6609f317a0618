-- The generic shape of two tables: conversations and messages; or messages alone.
-- m is the messages table, c the conversations table; which columns there are is the configuration's.

-- name: messages
-- One row a message of the conversations asked for.
SELECT {key} AS key, {columns}
FROM {messages_table} AS m
WHERE {key} = ANY(%(ids)s);

-- name: conversations
-- One row a conversation asked for: what the messages do not say.
SELECT {key} AS key, {columns}
FROM {conversations_table} AS c
WHERE {key} = ANY(%(ids)s);

-- name: changes
-- One row a conversation that has messages; where there is a conversations table, only those that stand in it.
SELECT {key} AS key, count(*) AS message_count, {last_change_at} AS last_change_at, {last_row} AS last_row
FROM {messages_table} AS m {with_conversations}
WHERE {key} IS NOT NULL {within}
GROUP BY {key};

-- name: scopes
-- Every conversation; from the messages, once a message.
SELECT {key} AS scope FROM {table} AS {alias};

-- name: touched
-- Conversations with a message written in a span of time.
SELECT {key} AS scope
FROM {messages_table} AS m
WHERE {created_at} > %(since)s AND {created_at} <= %(until)s;

-- name: closed
-- Conversations closed in a span of time.
SELECT {key} AS scope
FROM {table} AS {alias}
WHERE {closed_at} > %(since)s AND {closed_at} <= %(until)s;

-- name: appended
-- Conversations with a message numbered above the one given.
SELECT {key} AS scope
FROM {messages_table} AS m
WHERE {row} > %(after_row)s;

-- name: last_row
-- The newest message's number.
SELECT max({row}) FROM {messages_table} AS m;
