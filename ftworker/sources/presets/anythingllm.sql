-- AnythingLLM on PostgreSQL: `workspace_chats`, one row a question with its answer. Its times are UTC without a zone.
-- m is the table, w the workspace. A conversation is a thread, else an API session, else what one user said in a
-- workspace outside of threads.

-- name: messages
-- One row a turn of the conversations asked for. Rows with include = false are those that a person reset away, and
-- the refusals of a workspace in query mode.
SELECT turns.*, w.slug AS course_id
FROM (
    SELECT {key} AS key, m.id AS id, m."workspaceId" AS workspace_id, m.prompt AS question, m.response AS response,
        m."feedbackScore" AS rating, m."createdAt" AT TIME ZONE 'UTC' AS created_at, m.user_id AS user_ref
    FROM {workspace_chats} AS m
    WHERE m.include
) AS turns
LEFT JOIN {workspaces} AS w ON w.id = turns.workspace_id
WHERE turns.key = ANY(%(ids)s);

-- name: changes
-- One row a conversation.
SELECT turns.key AS key, 2 * count(*) AS message_count, max(turns.created_at) AS last_change_at,
    max(turns.id) AS last_row
FROM (
    SELECT {key} AS key, m.id AS id, m."createdAt" AT TIME ZONE 'UTC' AS created_at
    FROM {workspace_chats} AS m
    WHERE m.include
) AS turns
GROUP BY turns.key;

-- name: scopes
-- Every conversation, once a turn.
SELECT {key} AS scope
FROM {workspace_chats} AS m
WHERE m.include;

-- name: touched
-- Conversations with a turn written in a span of time.
SELECT {key} AS scope
FROM {workspace_chats} AS m
WHERE m.include AND m."createdAt" > %(since)s::timestamptz AT TIME ZONE 'UTC'
    AND m."createdAt" <= %(until)s::timestamptz AT TIME ZONE 'UTC';
