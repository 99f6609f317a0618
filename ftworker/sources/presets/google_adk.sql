-- Google ADK's DatabaseSessionService: sessions are a person's own, so their id alone names none. The conversation's id
-- is app/user/session, with %2F for a slash within a user's. to_jsonb takes both schemas: 1 keeps an event in event_data,
-- 0 (before 1.22) in columns; its pickled actions are not looked at. Times have no zone; ADK 2 writes UTC.

-- name: messages
-- One row an event of the conversations asked for.
SELECT s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id AS key, e.id AS id,
    e.timestamp AS at, e.invocation_id AS invocation_id,
    coalesce(to_jsonb(e) -> 'event_data', to_jsonb(e) - 'actions') AS event
FROM {sessions} AS s
JOIN {events} AS e ON e.app_name = s.app_name AND e.user_id = s.user_id AND e.session_id = s.id
WHERE s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id = ANY(%(ids)s);

-- name: conversations
-- Whose each conversation is.
SELECT s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id AS key,
    s.user_id AS user_ref
FROM {sessions} AS s
WHERE s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id = ANY(%(ids)s);

-- name: changes
-- One row a conversation that has events; each event moves update_time.
SELECT s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id AS key,
    counted.events AS message_count, s.update_time::timestamptz AS last_change_at, NULL AS last_row
FROM {sessions} AS s
CROSS JOIN LATERAL (
    SELECT count(*) AS events FROM {events} AS e
    WHERE e.app_name = s.app_name AND e.user_id = s.user_id AND e.session_id = s.id
) AS counted
WHERE counted.events > 0;

-- name: scopes
-- Every session.
SELECT s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id AS scope
FROM {sessions} AS s;

-- name: touched
-- Sessions with an event in a span of time.
SELECT s.app_name || '/' || replace(replace(s.user_id, '%%', '%%25'), '/', '%%2F') || '/' || s.id AS scope
FROM {sessions} AS s
WHERE s.update_time > %(since)s AND s.update_time <= %(until)s;
