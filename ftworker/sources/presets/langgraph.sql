-- LangGraph's PostgresSaver: the channel `messages` of each thread's newest checkpoint of the root graph. Its list is one
-- MessagePack in checkpoint_blobs. A DeltaChannel keeps a list now and then, or never, and otherwise what was written at
-- each checkpoint: the chain of parents then goes back to the newest list.

-- name: messages
-- One row a stored list or write of the threads asked for: the list first, then the writes as they were applied.
WITH RECURSIVE chain AS (
    SELECT newest.*, 0 AS back, EXISTS (
        SELECT FROM {checkpoint_blobs} AS b
        WHERE b.thread_id = newest.thread_id AND b.checkpoint_ns = '' AND b.channel = 'messages'
            AND b.version = newest.version AND b.type <> 'empty') AS is_whole
    FROM (
        SELECT DISTINCT ON (c.thread_id) c.thread_id, c.checkpoint_id, c.parent_checkpoint_id,
            c.checkpoint -> 'channel_versions' ->> 'messages' AS version, c.checkpoint ->> 'ts' AS closed_at
        FROM {checkpoints} AS c
        WHERE c.thread_id = ANY(%(ids)s) AND c.checkpoint_ns = ''
        ORDER BY c.thread_id, c.checkpoint_id DESC
    ) AS newest
    WHERE newest.version IS NOT NULL
    UNION ALL
    SELECT c.thread_id, c.checkpoint_id, c.parent_checkpoint_id, c.checkpoint -> 'channel_versions' ->> 'messages',
        chain.closed_at, chain.back + 1, EXISTS (
            SELECT FROM {checkpoint_blobs} AS b
            WHERE b.thread_id = c.thread_id AND b.checkpoint_ns = '' AND b.channel = 'messages'
                AND b.version = c.checkpoint -> 'channel_versions' ->> 'messages' AND b.type <> 'empty')
    FROM chain
    JOIN {checkpoints} AS c
        ON c.thread_id = chain.thread_id AND c.checkpoint_ns = '' AND c.checkpoint_id = chain.parent_checkpoint_id
    -- LangGraph keeps a list at least every 5,000 steps; the bound also ends a chain that closes on itself.
    WHERE NOT chain.is_whole AND chain.back < 10000
)
SELECT chain.thread_id AS key, -chain.back AS step, false AS is_write, '' AS path, '' AS task, 0 AS idx,
    chain.closed_at AS closed_at, b.type AS type, encode(b.blob, 'base64') AS blob
FROM chain
JOIN {checkpoint_blobs} AS b
    ON b.thread_id = chain.thread_id AND b.checkpoint_ns = '' AND b.channel = 'messages' AND b.version = chain.version
WHERE chain.is_whole
UNION ALL
SELECT chain.thread_id, -chain.back, true, w.task_path, w.task_id, w.idx, chain.closed_at, w.type,
    encode(w.blob, 'base64')
FROM chain
JOIN {checkpoint_writes} AS w
    ON w.thread_id = chain.thread_id AND w.checkpoint_ns = '' AND w.checkpoint_id = chain.checkpoint_id
        AND w.channel = 'messages'
WHERE chain.back > 0;

-- name: changes
-- One row a thread that has messages. A list's number of items stands in its first bytes, so only these are read; of a
-- DeltaChannel the writes are counted.
SELECT counted.*
FROM (
    SELECT newest.thread_id AS key, newest.ts::timestamptz AS last_change_at, NULL AS last_row, CASE
        WHEN list.size IS NULL THEN written.number
        WHEN list.type <> 'msgpack' OR list.size < 1 THEN 1
        WHEN get_byte(list.head, 0) BETWEEN 144 AND 159 THEN get_byte(list.head, 0) - 144
        WHEN get_byte(list.head, 0) = 220 AND list.size > 2
            THEN get_byte(list.head, 1) * 256 + get_byte(list.head, 2)
        ELSE greatest(written.number, 1)
    END AS message_count
    FROM (
        SELECT DISTINCT ON (c.thread_id) c.thread_id, c.checkpoint ->> 'ts' AS ts,
            c.checkpoint -> 'channel_versions' ->> 'messages' AS version
        FROM {checkpoints} AS c
        WHERE c.checkpoint_ns = ''
        ORDER BY c.thread_id, c.checkpoint_id DESC
    ) AS newest
    LEFT JOIN LATERAL (
        SELECT b.type, octet_length(b.blob) AS size, substring(b.blob FROM 1 FOR 3) AS head
        FROM {checkpoint_blobs} AS b
        WHERE b.thread_id = newest.thread_id AND b.checkpoint_ns = '' AND b.channel = 'messages'
            AND b.version = newest.version AND b.type <> 'empty'
    ) AS list ON true
    CROSS JOIN LATERAL (
        SELECT count(*) AS number FROM {checkpoint_writes} AS w
        WHERE w.thread_id = newest.thread_id AND w.checkpoint_ns = '' AND w.channel = 'messages'
    ) AS written
    WHERE newest.version IS NOT NULL
) AS counted
WHERE counted.message_count > 0;

-- name: scopes
-- Every thread, once a checkpoint.
SELECT c.thread_id AS scope FROM {checkpoints} AS c WHERE c.checkpoint_ns = '';

-- name: touched
-- Threads with a checkpoint of a span of time.
SELECT c.thread_id AS scope
FROM {checkpoints} AS c
WHERE c.checkpoint_ns = '' AND (c.checkpoint ->> 'ts')::timestamptz > %(since)s
    AND (c.checkpoint ->> 'ts')::timestamptz <= %(until)s;
