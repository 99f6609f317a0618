-- name: difference
-- How many examples two exported datasets share, and of the others how many only one holds, and why the other does not.
-- By conversation and turn, so that datasets of two pipelines can be compared as well. Membership is derived as the
-- export derives it: by cut and strategy, without what was left out; what was erased later still counts for a dataset
-- that had it. No text. One pass over the examples of both; memory is PostgreSQL's own, and spills to disk.
WITH compared AS (
    SELECT d.id, d.pipeline, d.strategy, d.exported_at,
           coalesce((d.settings ->> 'replay_share')::double precision, 0) * 4294967296 AS sample_below
    FROM ftworker.datasets AS d WHERE d.id IN (%(before)s::bigint, %(after)s::bigint) AND d.exported_at IS NOT NULL),
members AS MATERIALIZED (
    SELECT compared.id AS dataset_id, e.conversation_id, e.turn, e.content_sha256
    FROM compared JOIN ftworker.examples AS e ON e.pipeline = compared.pipeline AND (
        e.dataset_id = compared.id
        OR (e.dataset_id < compared.id AND (compared.strategy = 'all' OR (compared.strategy = 'replay'
            AND ('x' || encode(substring(e.content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
                < compared.sample_below))))
    WHERE (e.erased_at IS NULL OR e.erased_at > compared.exported_at) AND e.withheld IS NULL
      AND NOT EXISTS (
        SELECT FROM ftworker.dataset_left_out AS left_out
        WHERE left_out.dataset_id = compared.id AND left_out.example_id = e.id)),
both_sides AS (
    SELECT coalesce(b.conversation_id, a.conversation_id) AS conversation_id, coalesce(b.turn, a.turn) AS turn,
           CASE WHEN a.turn IS NULL THEN 'went' WHEN b.turn IS NULL THEN 'came'
                WHEN a.content_sha256 <> b.content_sha256 THEN 'changed' ELSE 'same' END AS kind
    FROM (SELECT * FROM members WHERE dataset_id = %(before)s) AS b
    FULL JOIN (SELECT * FROM members WHERE dataset_id = %(after)s) AS a
        ON a.conversation_id = b.conversation_id AND a.turn = b.turn),
explained AS (
    SELECT moved.kind, moved.conversation_id, moved.turn,
           CASE WHEN moved.kind IN ('same', 'changed') THEN NULL
                WHEN left_out.reason IS NOT NULL THEN left_out.reason
                WHEN e.id IS NULL THEN coalesce((
                    SELECT d.reason FROM ftworker.drops AS d
                    WHERE d.conversation_id = moved.conversation_id AND d.pipeline = missing.pipeline
                      AND d.turn IN (moved.turn, -1)
                    ORDER BY d.turn DESC LIMIT 1), 'not_in_pipeline')
                WHEN e.withheld IS NOT NULL THEN 'withheld'
                WHEN e.erased_at IS NOT NULL THEN 'erased'
                WHEN e.dataset_id IS NULL OR e.dataset_id > missing.id THEN 'cut_later'
                ELSE 'not_drawn' END AS reason
    FROM both_sides AS moved
    -- The dataset that has not what the other has.
    LEFT JOIN compared AS missing
        ON missing.id = CASE moved.kind WHEN 'came' THEN %(before)s::bigint WHEN 'went' THEN %(after)s::bigint END
    LEFT JOIN ftworker.examples AS e
        ON e.pipeline = missing.pipeline AND e.conversation_id = moved.conversation_id AND e.turn = moved.turn
    LEFT JOIN ftworker.dataset_left_out AS left_out
        ON left_out.dataset_id = missing.id AND left_out.example_id = e.id)
{selected};
