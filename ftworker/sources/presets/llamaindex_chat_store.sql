-- LlamaIndex's PostgresChatStore: a row a conversation, its messages a json[] or jsonb[] that is rewritten in place.
-- Nothing says when. {chatstore} is the table; versions before 0.4 called it data_chatstore.

-- name: messages
-- One row a message of the conversations asked for.
SELECT s.key AS key, said.number AS number, said.message AS message
FROM {chatstore} AS s
CROSS JOIN LATERAL unnest(s.value) WITH ORDINALITY AS said (message, number)
WHERE s.key = ANY(%(ids)s);

-- name: changes
-- One row a conversation that has messages. The revision is a hash: an answer made anew leaves their number as it was.
SELECT s.key AS key, cardinality(s.value) AS message_count, NULL AS last_change_at, s.id AS last_row,
    md5(s.value::text) AS revision
FROM {chatstore} AS s
WHERE s.key IS NOT NULL AND cardinality(s.value) > 0;

-- name: scopes
-- Every conversation that has messages.
SELECT s.key AS scope FROM {chatstore} AS s WHERE cardinality(s.value) > 0;
