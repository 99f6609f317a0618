-- LobeChat's server database: a topic is a conversation; messages outside of topics are one for each session of a user.
-- Sub-threads and groups of several assistants are not read. m is a message.

-- name: messages
-- One row a message of the conversations asked for, the other branches too. While an answer is being written its text
-- is `...`, and so it stays when nobody waited for it.
SELECT {key} AS key, m.id AS id, m.parent_id AS parent_id, m.role AS role, m.content AS content,
    m.created_at AS created_at, m.model AS model,
    m.error <> 'null' OR m.role = 'assistant' AND m.content = '...' AS error, m.metadata ->> 'activeBranchIndex' AS active_branch,
    m.user_id AS user_ref, coalesce(m.agent_id, m.session_id) AS course_id,
    (SELECT json_agg(json_build_object('text', k.text, 'chunk_id', k.id, 'score', q.similarity)
        ORDER BY q.similarity DESC NULLS LAST, k.id)
     FROM {message_query_chunks} AS q
     JOIN {chunks} AS k ON k.id = q.chunk_id
     WHERE q.id = m.id) AS context
FROM {messages} AS m
WHERE (m.topic_id = ANY(%(ids)s) OR m.topic_id IS NULL AND {key} = ANY(%(ids)s))
    AND m.thread_id IS NULL AND m.group_id IS NULL;

-- name: changes
-- One row a conversation. An edited message shows in its updated_at.
SELECT {key} AS key, count(*) AS message_count, max(m.updated_at) AS last_change_at, NULL AS last_row
FROM {messages} AS m
WHERE m.thread_id IS NULL AND m.group_id IS NULL
GROUP BY {key};

-- name: changes_within
-- The same, narrowed so that the index on topic_id serves.
SELECT {key} AS key, count(*) AS message_count, max(m.updated_at) AS last_change_at, NULL AS last_row
FROM {messages} AS m
WHERE (m.topic_id = ANY(%(scopes)s) OR m.topic_id IS NULL AND {key} = ANY(%(scopes)s))
    AND m.thread_id IS NULL AND m.group_id IS NULL
GROUP BY {key};

-- name: scopes
-- Every conversation, once a message.
SELECT {key} AS scope FROM {messages} AS m WHERE m.thread_id IS NULL AND m.group_id IS NULL;

-- name: touched
-- Conversations with a message written or changed in a span of time.
SELECT {key} AS scope
FROM {messages} AS m
WHERE m.thread_id IS NULL AND m.group_id IS NULL AND m.updated_at > %(since)s AND m.updated_at <= %(until)s;
