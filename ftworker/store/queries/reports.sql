-- name: timeline
-- Examples of a dataset by course and by the UTC day on which their conversation ended, without those left out. No text.
SELECT c.course_id, (coalesce(c.last_message_at, c.closed_at) AT TIME ZONE 'UTC')::date AS day, count(*) AS examples
FROM ftworker.examples AS e
JOIN ftworker.conversations AS c ON c.id = e.conversation_id
LEFT JOIN unnest(%(left_out)s::bigint[]) AS absent (example_id) ON absent.example_id = e.id
WHERE e.pipeline = %(pipeline)s AND e.erased_at IS NULL AND e.withheld IS NULL AND absent.example_id IS NULL
  AND (e.dataset_id = %(dataset_id)s OR (e.dataset_id < %(dataset_id)s AND (
    %(strategy)s = 'all' OR (%(strategy)s = 'replay'
        AND ('x' || encode(substring(e.content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
            < %(replay_share)s * 4294967296))))
GROUP BY 1, 2;

-- name: conversations
-- From how many conversations the examples of a dataset come, without those left out.
SELECT count(DISTINCT e.conversation_id) AS conversations
FROM ftworker.examples AS e
LEFT JOIN unnest(%(left_out)s::bigint[]) AS absent (example_id) ON absent.example_id = e.id
WHERE e.pipeline = %(pipeline)s AND e.erased_at IS NULL AND e.withheld IS NULL AND absent.example_id IS NULL
  AND (e.dataset_id = %(dataset_id)s OR (e.dataset_id < %(dataset_id)s AND (
    %(strategy)s = 'all' OR (%(strategy)s = 'replay'
        AND ('x' || encode(substring(e.content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
            < %(replay_share)s * 4294967296))));

-- name: left_out_ids
-- What an exported dataset left out, whatever the reason.
SELECT example_id FROM ftworker.dataset_left_out WHERE dataset_id = %(dataset_id)s;

-- name: stream_members
-- What still stands in the files of an exported dataset, in the order in which they were written.
SELECT {example_columns} FROM ftworker.examples AS e
WHERE e.pipeline = %(pipeline)s AND e.erased_at IS NULL AND e.withheld IS NULL
  AND e.dataset_id <= %(dataset_id)s
  AND (e.dataset_id = %(dataset_id)s OR %(strategy)s = 'all' OR (%(strategy)s = 'replay'
        AND ('x' || encode(substring(e.content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
            < %(replay_share)s * 4294967296))
  AND NOT EXISTS (
    SELECT FROM ftworker.dataset_left_out AS left_out
    WHERE left_out.dataset_id = %(dataset_id)s AND left_out.example_id = e.id)
ORDER BY e.content_sha256;
