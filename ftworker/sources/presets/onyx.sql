-- Onyx (Danswer): a session's messages are a tree below an empty root of type SYSTEM. c is the session, m a message.

-- name: messages
-- One row a message of the sessions asked for, the other branches too. A message that sums up what went before for
-- the model is none that anybody wrote. A document's rank is the number by which the answer cites it, so that [1]
-- means the same in a prompt of ours; those that are not cited come after, best first.
SELECT m.chat_session_id AS key, m.id AS id, m.parent_message_id AS parent_id, m.message_type AS role,
    m.message AS content, m.time_sent AS created_at, m.error AS error, {model} AS model,
    {preferred} AS preferred_child,
    (SELECT CASE WHEN f.is_positive THEN 'up' ELSE 'down' END
     FROM {chat_feedback} AS f
     WHERE f.chat_message_id = m.id AND f.is_positive IS NOT NULL
     ORDER BY f.id DESC LIMIT 1) AS rating,
    (SELECT json_agg(json_build_object(
        'text', r.blurb, 'source', r.semantic_id, 'chunk_id', r.document_id || '#' || r.chunk_ind, 'score', r.score,
        'rank', r.rank, 'cited', r.number IS NOT NULL
     ) ORDER BY r.rank)
     FROM (
        SELECT d.blurb, d.semantic_id, d.document_id, d.chunk_ind, d.score, n.number,
            coalesce(n.number, coalesce(max(n.number) OVER (), 0) + row_number() OVER (
                PARTITION BY n.number IS NULL ORDER BY d.score DESC, d.id)) AS rank
        FROM {chat_message__search_doc} AS s
        JOIN {search_doc} AS d ON d.id = s.search_doc_id
        CROSS JOIN LATERAL (
            SELECT min(c.key::integer) AS number
            FROM jsonb_each_text(CASE jsonb_typeof(m.citations) WHEN 'object' THEN m.citations ELSE '{{}}' END) AS c
            WHERE c.value = d.id::text AND c.key ~ '^[0-9]{{1,4}}$'
        ) AS n
        WHERE s.chat_message_id = m.id
     ) AS r) AS context
FROM {chat_message} AS m
WHERE m.chat_session_id = ANY(%(ids)s) {unless_summary};

-- name: conversations
-- One row a session asked for; neither those that were deleted and only hidden, nor those opened as incognito.
SELECT c.id AS key, c.user_id AS user_ref, c.persona_id AS course_id
FROM {chat_session} AS c
WHERE c.id = ANY(%(ids)s) AND NOT c.deleted {unless_incognito}
    AND EXISTS (SELECT FROM {chat_message} AS m WHERE m.chat_session_id = c.id AND m.parent_message_id IS NOT NULL);

-- name: changes
-- One row a session that has messages besides its root.
SELECT m.chat_session_id AS key, count(*) AS message_count, max(m.time_sent) AS last_change_at,
    max(m.id) AS last_row
FROM {chat_message} AS m
JOIN {chat_session} AS c ON c.id = m.chat_session_id
WHERE NOT c.deleted AND m.parent_message_id IS NOT NULL {unless_incognito} {unless_summary}
GROUP BY m.chat_session_id;

-- name: scopes
-- Every session.
SELECT c.id AS scope FROM {chat_session} AS c;

-- name: touched
-- Sessions with a message sent in a span of time.
SELECT m.chat_session_id AS scope
FROM {chat_message} AS m
WHERE m.time_sent > %(since)s AND m.time_sent <= %(until)s;
