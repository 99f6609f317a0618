-- LlamaIndex's Memory (and any other SQLAlchemyChatStore): a row a message. `archived` is what fell out of the
-- short-term memory: said all the same, so it is read like the rest. Times are nanoseconds since 1970, and compared
-- as microseconds, which is what PostgreSQL's times can hold.

-- name: messages
-- One row a message of the conversations asked for.
SELECT m.key AS key, m.id AS id, m.timestamp AS created_at, m.data AS message
FROM {llama_index_memory} AS m
WHERE m.key = ANY(%(ids)s);

-- name: changes
-- One row a conversation. set_messages writes all rows anew, so their numbers change with them.
SELECT m.key AS key, count(*) AS message_count, max(m.id) AS last_row,
    timestamptz '1970-01-01 00:00:00+00' + max(m.timestamp) / 1000 * interval '1 microsecond' AS last_change_at
FROM {llama_index_memory} AS m
WHERE m.key IS NOT NULL
GROUP BY m.key;

-- name: scopes
-- Every conversation, once a message.
SELECT m.key AS scope FROM {llama_index_memory} AS m;

-- name: touched
-- Conversations with a message written in a span of time; the comparison leaves the index on timestamp its work.
SELECT m.key AS scope
FROM {llama_index_memory} AS m
WHERE m.timestamp >= ((extract(epoch FROM %(since)s::timestamptz) * 1000000)::bigint + 1) * 1000
    AND m.timestamp < ((extract(epoch FROM %(until)s::timestamptz) * 1000000)::bigint + 1) * 1000;
