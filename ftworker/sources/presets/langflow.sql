-- Langflow's `message`: one row a message of a session; what failed and what is half written stands there too. m is
-- the table. Its times are UTC: without a zone until 1.12, with one from 1.13 on.

-- name: messages
-- One row a message of the sessions asked for. At the same moment the question comes first: ids are random.
SELECT m.session_id AS key, m.id AS id, m.sender AS role, m.text AS content, {time} AS created_at,
    CASE m.sender WHEN 'User' THEN 0 ELSE 1 END AS turn,
    m.error OR m.category = 'error' OR m.properties ->> 'state' = 'partial' AS error,
    m.properties ->> 'positive_feedback' AS rating, m.properties -> 'source' ->> 'source' AS model,
    m.flow_id AS course_id, {about}
    m.session_id = m.flow_id::text
        OR m.session_id ~ '^Session [A-Z][a-z]+ [0-9]+, [0-9]+:[0-9]+:[0-9]+$' AS debug
FROM {message} AS m
WHERE m.session_id = ANY(%(ids)s);

-- name: changes
-- One row a session.
SELECT m.session_id AS key, count(*) AS message_count, max({time}) AS last_change_at, NULL AS last_row
FROM {message} AS m
WHERE m.session_id IS NOT NULL
GROUP BY m.session_id;

-- name: scopes
-- Every session, once a message.
SELECT m.session_id AS scope FROM {message} AS m;

-- name: touched
-- Sessions with a message written in a span of time.
SELECT m.session_id AS scope
FROM {message} AS m
WHERE m.timestamp > {since} AND m.timestamp <= {until};
