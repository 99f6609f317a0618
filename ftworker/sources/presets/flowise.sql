-- Flowise: one row a message. m is chat_message, f the opinion of it.
-- Its times without a zone are those of the machine that Flowise runs on: the source's naive_timezone.

-- name: messages
-- One row a message of the conversations asked for. INTERNAL is the chat window of the editor.
SELECT m."chatId" AS key, m.id AS id, m.role AS role, m.content AS content, m."createdDate" AS created_at,
    m."sourceDocuments" AS context, m.role <> 'userMessage' AS answers,
    CASE f.rating WHEN 'THUMBS_UP' THEN 1 WHEN 'THUMBS_DOWN' THEN -1 END AS rating,
    m.chatflowid AS course_id, m."leadEmail" AS user_ref, m."chatType" IN ('INTERNAL', 'EVALUATION') AS debug
FROM {chat_message} AS m
LEFT JOIN {chat_message_feedback} AS f ON f."messageId" = m.id
WHERE m."chatId" = ANY(%(ids)s);

-- name: changes
-- One row a conversation.
SELECT m."chatId" AS key, count(*) AS message_count, max(m."createdDate")::timestamptz AS last_change_at,
    NULL AS last_row
FROM {chat_message} AS m
WHERE m."chatId" IS NOT NULL
GROUP BY m."chatId";

-- name: scopes
-- Every conversation, once a message.
SELECT m."chatId" AS scope FROM {chat_message} AS m;

-- name: touched
-- Conversations with a message written in a span of time.
SELECT m."chatId" AS scope
FROM {chat_message} AS m
WHERE m."createdDate" > %(since)s AND m."createdDate" <= %(until)s;
