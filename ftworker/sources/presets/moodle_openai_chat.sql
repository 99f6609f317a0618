-- Moodle's block_openai_chat: one log of questions with their answers, without conversations. What one person asks in
-- one context (a course, an activity) is one until a gap, and is named by its first row. l is the log.
--
-- Guests (user 0 or 1) are many people at once, so each row of theirs is a conversation of its own.

-- name: messages
-- One row a turn of the conversations asked for. A person's rows are read from a gap before the first of these on: a
-- row that stands within that gap shows that the one asked for does not begin a conversation.
SELECT turns.*, (
    SELECT u.instanceid
    FROM {context} AS x
    JOIN {context} AS u ON u.id = ANY(string_to_array(trim(BOTH '/' FROM x.path), '/')::bigint[])
    WHERE x.id = turns.contextid AND u.contextlevel = 50
    LIMIT 1) AS course_id
FROM (
    SELECT numbered.*, first_value(numbered.id) OVER (
        PARTITION BY numbered.userid, numbered.contextid, numbered.guest, numbered.number
        ORDER BY numbered.at, numbered.id) AS key
    FROM (
        SELECT marked.*, sum(marked.starts) OVER (
            PARTITION BY marked.userid, marked.contextid, marked.guest ORDER BY marked.at, marked.id) AS number
        FROM (
            SELECT l.id AS id, l.userid AS userid, l.contextid AS contextid, l.timecreated AS at,
                CASE WHEN l.userid <= 1 THEN l.id END AS guest, CASE WHEN l.userid > 1 THEN l.userid END AS user_ref,
                l.usermessage AS question, l.airesponse AS answer, l.timecreated AS created_at,
                CASE WHEN l.timecreated - lag(l.timecreated) OVER (
                    PARTITION BY l.userid, l.contextid, CASE WHEN l.userid <= 1 THEN l.id END
                    ORDER BY l.timecreated, l.id) <= %(gap)s THEN 0 ELSE 1 END AS starts
            FROM {log} AS l
            JOIN (
                SELECT l.userid AS userid, l.contextid AS contextid, min(l.timecreated) AS at
                FROM {log} AS l
                WHERE l.id = ANY(%(ids)s)
                GROUP BY l.userid, l.contextid
            ) AS first ON l.userid = first.userid AND l.contextid = first.contextid
                AND l.timecreated >= first.at - %(gap)s
        ) AS marked
    ) AS numbered
) AS turns
WHERE turns.key = ANY(%(ids)s);

-- name: changes
-- One row a conversation; narrowing by scope (the person) reaches the table's index.
SELECT numbered.userid AS scope, (array_agg(numbered.id ORDER BY numbered.at, numbered.id))[1] AS key,
    2 * count(*) AS message_count, to_timestamp(max(numbered.at)) AS last_change_at, NULL AS last_row
FROM (
    SELECT marked.*, sum(marked.starts) OVER (
        PARTITION BY marked.userid, marked.contextid, marked.guest ORDER BY marked.at, marked.id) AS number
    FROM (
        SELECT l.id AS id, l.userid AS userid, l.contextid AS contextid, l.timecreated AS at,
            CASE WHEN l.userid <= 1 THEN l.id END AS guest,
            CASE WHEN l.timecreated - lag(l.timecreated) OVER (
                PARTITION BY l.userid, l.contextid, CASE WHEN l.userid <= 1 THEN l.id END
                ORDER BY l.timecreated, l.id) <= %(gap)s THEN 0 ELSE 1 END AS starts
        FROM {log} AS l
    ) AS marked
) AS numbered
GROUP BY numbered.userid, numbered.contextid, numbered.guest, numbered.number;

-- name: scopes
-- Every person, once a row.
SELECT l.userid AS scope FROM {log} AS l;

-- name: touched
-- People with a row written in a span of time.
SELECT l.userid AS scope
FROM {log} AS l
WHERE l.timecreated > extract(epoch FROM %(since)s::timestamptz)
    AND l.timecreated <= extract(epoch FROM %(until)s::timestamptz);
