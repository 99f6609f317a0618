-- The generic shape of one question/answer log: a row is a question with its answer. l is the log.

-- name: messages
-- One row a turn of the conversations asked for.
SELECT {key} AS key, {columns}
FROM {table} AS l
WHERE {key} = ANY(%(ids)s);

-- name: changes
-- One row a conversation.
SELECT {key} AS key, 2 * count(*) AS message_count, {last_change_at} AS last_change_at, {last_row} AS last_row
FROM {table} AS l
WHERE {key} IS NOT NULL
GROUP BY {key};

-- name: scopes
-- Every conversation (by_gap: every person), once a row.
SELECT {scope} AS scope FROM {table} AS l;

-- name: touched
-- Conversations (by_gap: people) with a row written in a span of time.
SELECT {scope} AS scope
FROM {table} AS l
WHERE {created_at} > %(since)s AND {created_at} <= %(until)s;

-- name: appended
-- Conversations with a row numbered above the one given.
SELECT {key} AS scope
FROM {table} AS l
WHERE {row} > %(after_row)s;

-- name: last_row
-- The newest row's number.
SELECT max({row}) FROM {table} AS l;

-- name: messages_by_gap
-- A log without conversations: those of one person go on until a gap, and are named by their first row. A person's
-- rows are read once for all their conversations asked for, from a gap before the first of these on: a row that
-- stands within that gap shows that the one asked for does not begin a conversation.
SELECT turns.*
FROM (
    SELECT numbered.*, first_value(numbered.id) OVER (
        PARTITION BY numbered.scope, numbered.number ORDER BY numbered.at, numbered.id) AS key
    FROM (
        SELECT marked.*, sum(marked.starts) OVER (PARTITION BY marked.scope ORDER BY marked.at, marked.id) AS number
        FROM (
            SELECT {user} AS scope, {at} AS at, {columns}, CASE WHEN {at} - lag({at}) OVER (
                PARTITION BY {user} ORDER BY {at}, {id}) <= %(gap)s THEN 0 ELSE 1 END AS starts
            FROM {table} AS l
            JOIN (
                SELECT {user} AS scope, min({at}) AS at
                FROM {table} AS l
                WHERE {id} = ANY(%(ids)s)
                GROUP BY {user}
            ) AS first ON {user} = first.scope AND {at} >= first.at - %(gap)s
        ) AS marked
    ) AS numbered
) AS turns
WHERE turns.key = ANY(%(ids)s);

-- name: changes_by_gap
-- One row a conversation; narrowing by scope (the person) reaches the table's index.
SELECT numbered.scope, (array_agg(numbered.id ORDER BY numbered.at, numbered.id))[1] AS key,
    2 * count(*) AS message_count, max(numbered.at) AS last_change_at, NULL AS last_row
FROM (
    SELECT marked.*, sum(marked.starts) OVER (PARTITION BY marked.scope ORDER BY marked.at, marked.id) AS number
    FROM (
        SELECT {user} AS scope, {at} AS at, {id} AS id, CASE WHEN {at} - lag({at}) OVER (
            PARTITION BY {user} ORDER BY {at}, {id}) <= %(gap)s THEN 0 ELSE 1 END AS starts
        FROM {table} AS l
        WHERE {user} IS NOT NULL AND {at} IS NOT NULL
    ) AS marked
) AS numbered
GROUP BY numbered.scope, numbered.number;
