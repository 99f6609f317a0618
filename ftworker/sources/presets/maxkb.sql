-- MaxKB 2: `application_chat` is a conversation, a row of `application_chat_record` a question with its answer. Runs of
-- the editor's preview are kept in a cache and never stored. c is the conversation, r the record.

-- name: messages
-- One row a turn of the conversations asked for. vote_status is '0' for a vote up and '1' for one down. A paragraph
-- that somebody made out of an answer, to mend the knowledge base, is what the answer should have been.
SELECT r.chat_id AS key, r.id AS id, r.problem_text AS question, r.answer_text AS answer, r.create_time AS created_at,
    r.index AS number, CASE r.vote_status WHEN '0' THEN 'up' WHEN '1' THEN 'down' END AS rating, r.details AS details,
    (SELECT p.content FROM {paragraph} AS p WHERE p.id = ANY(r.improve_paragraph_id_list)
     ORDER BY p.create_time DESC, p.id DESC LIMIT 1) AS correction
FROM {application_chat_record} AS r
WHERE r.chat_id = ANY(%(ids)s);

-- name: conversations
-- One row a conversation asked for, unless it was deleted. Behind an API key there may be anybody.
SELECT c.id AS key, c.application_id AS course_id, a.workspace_id AS tenant_id,
    CASE WHEN c.chat_user_type NOT LIKE '%%API_KEY' THEN c.chat_user_id END AS user_ref
FROM {application_chat} AS c
LEFT JOIN {application} AS a ON a.id = c.application_id
WHERE c.id = ANY(%(ids)s) AND NOT c.is_deleted;

-- name: changes
-- One row a conversation. A record's update_time changes with a vote too.
SELECT r.chat_id AS key, 2 * count(*) AS message_count, max(r.update_time) AS last_change_at, NULL AS last_row
FROM {application_chat_record} AS r
JOIN {application_chat} AS c ON c.id = r.chat_id
WHERE NOT c.is_deleted
GROUP BY r.chat_id;

-- name: scopes
-- Every conversation.
SELECT c.id AS scope FROM {application_chat} AS c;

-- name: touched
-- Conversations with a record written or voted on in a span of time.
SELECT r.chat_id AS scope
FROM {application_chat_record} AS r
WHERE r.update_time > %(since)s AND r.update_time <= %(until)s;
