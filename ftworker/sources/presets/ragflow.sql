-- RAGFlow on PostgreSQL: a row is a whole conversation, its messages a JSON list in a text, its passages another.
-- `conversation` holds those of the assistants, `api_4_conversation` those of agents and embedded pages.

-- name: messages
-- One row a conversation asked for.
SELECT c.id AS key, c.message AS message, c.reference AS reference FROM {conversation} AS c WHERE c.id = ANY(%(ids)s)
UNION ALL
SELECT a.id, a.message, a.reference FROM {api_4_conversation} AS a WHERE a.id = ANY(%(ids)s);

-- name: conversations
-- One row a conversation asked for. That of an agent has no dialog, and so neither tenant nor model. Many messages
-- bear no time; the last change stands for when it was closed.
SELECT c.id AS key, nullif(c.user_id, '') AS user_ref, c.dialog_id AS course_id, d.tenant_id AS tenant_id,
    d.llm_id AS model, to_timestamp(c.update_time / 1000.0) AS closed_at
FROM (
    SELECT id, user_id, dialog_id, update_time FROM {conversation} WHERE id = ANY(%(ids)s)
    UNION ALL
    SELECT id, user_id, dialog_id, update_time FROM {api_4_conversation} WHERE id = ANY(%(ids)s)
) AS c
LEFT JOIN {dialog} AS d ON d.id = c.dialog_id;

-- name: changes
-- One row a conversation in which somebody asked. In JSON `"role":` stands once a message, since quotes within a text
-- are escaped; counting it does not fail where the text is no JSON. RAGFlow touches update_time at each change.
SELECT c.id AS key, (length(c.message) - length(replace(c.message, '"role":', ''))) / 7 AS message_count,
    to_timestamp(coalesce(c.update_time, c.create_time) / 1000.0) AS last_change_at, NULL AS last_row
FROM (
    SELECT id, message, create_time, update_time FROM {conversation}
    UNION ALL
    SELECT id, message, create_time, update_time FROM {api_4_conversation}
) AS c
WHERE c.message LIKE '%%"user"%%';

-- name: scopes
-- Every conversation.
SELECT id AS scope FROM {conversation} UNION ALL SELECT id FROM {api_4_conversation};

-- name: touched
-- Conversations changed in a span of time.
SELECT c.id AS scope
FROM {conversation} AS c
WHERE c.update_time > floor(extract(epoch FROM %(since)s::timestamptz) * 1000)::bigint - 1
    AND c.update_time <= ceil(extract(epoch FROM %(until)s::timestamptz) * 1000)::bigint
UNION ALL
SELECT a.id
FROM {api_4_conversation} AS a
WHERE a.update_time > floor(extract(epoch FROM %(since)s::timestamptz) * 1000)::bigint - 1
    AND a.update_time <= ceil(extract(epoch FROM %(until)s::timestamptz) * 1000)::bigint;
