-- Vercel's chatbot template (vercel/ai-chatbot, now Chat SDK): m is "Message_v2", c is "Chat", v is "Vote_v2".
-- Its times are UTC without a zone, whatever the source's naive_timezone says.

-- name: messages
-- One row a message of the conversations asked for.
SELECT m."chatId" AS key, m.id AS id, m.role AS role, m.parts AS parts, m."createdAt" AT TIME ZONE 'UTC' AS created_at,
    m.role <> 'user' AS answers, CASE v."isUpvoted" WHEN true THEN 1 WHEN false THEN -1 END AS rating
FROM {Message_v2} AS m
LEFT JOIN {Vote_v2} AS v ON v."chatId" = m."chatId" AND v."messageId" = m.id
WHERE m."chatId" = ANY(%(ids)s);

-- name: conversations
-- One row a conversation asked for.
SELECT c.id AS key, c."userId" AS user_ref
FROM {Chat} AS c
WHERE c.id = ANY(%(ids)s);

-- name: changes
-- One row a conversation that has messages.
SELECT m."chatId" AS key, count(*) AS message_count, max(m."createdAt" AT TIME ZONE 'UTC') AS last_change_at,
    NULL AS last_row
FROM {Message_v2} AS m
GROUP BY m."chatId";

-- name: scopes
-- Every conversation.
SELECT c.id AS scope FROM {Chat} AS c;

-- name: touched
-- Conversations with a message written in a span of time.
SELECT m."chatId" AS scope
FROM {Message_v2} AS m
WHERE m."createdAt" > (%(since)s::timestamptz AT TIME ZONE 'UTC')
    AND m."createdAt" <= (%(until)s::timestamptz AT TIME ZONE 'UTC');
