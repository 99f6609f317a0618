-- name: ensure_pipeline
INSERT INTO ftworker.pipelines (name) VALUES (%(pipeline)s) ON CONFLICT (name) DO NOTHING;

-- name: lock_pipeline
-- The lock under which datasets of a pipeline are cut: N workers cut one after the other.
SELECT name, last_cut_at, last_scheduled_at FROM ftworker.pipelines WHERE name = %(pipeline)s FOR UPDATE;

-- name: read_pipelines
SELECT name, last_cut_at, last_scheduled_at FROM ftworker.pipelines WHERE name = ANY(%(pipelines)s);

-- name: pipeline_cut
UPDATE ftworker.pipelines SET last_cut_at = %(now)s WHERE name = %(pipeline)s;

-- name: pipeline_scheduled
-- The cron time is answered, whether it fired or not.
UPDATE ftworker.pipelines SET last_scheduled_at = %(now)s WHERE name = %(pipeline)s;

-- name: insert_dataset
INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples)
SELECT %(pipeline)s, coalesce(max(sequence), 0) + 1, %(strategy)s, %(settings)s, 0
FROM ftworker.datasets WHERE pipeline = %(pipeline)s
RETURNING id, sequence;

-- name: claim_examples
-- Each waiting example goes to exactly one dataset. Rows that accumulate is rewriting at this moment wait for the next.
WITH chosen AS (
    SELECT id FROM ftworker.examples
    WHERE pipeline = %(pipeline)s AND dataset_id IS NULL
    ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
claimed AS (
    UPDATE ftworker.examples SET dataset_id = %(dataset_id)s
    FROM chosen WHERE examples.id = chosen.id RETURNING 1)
UPDATE ftworker.datasets SET new_examples = (SELECT count(*) FROM claimed)
WHERE id = %(dataset_id)s RETURNING (SELECT count(*) FROM claimed) AS claimed;

-- name: drops_by_reason
-- From the totals, so that it costs the number of reasons and not the history.
SELECT labels, sum(value)::bigint AS drops FROM ftworker.totals
WHERE name = 'examples_dropped' AND labels LIKE 'pipeline=' || replace(%(pipeline)s, '_', '\_') || ',reason=%%'
GROUP BY labels ORDER BY labels;

-- name: finish_export
-- Once: no row when another exporter of the same dataset was first.
UPDATE ftworker.datasets SET sha256 = %(sha256)s, url = %(url)s, manifest = %(manifest)s, exported_at = now()
WHERE id = %(dataset_id)s AND exported_at IS NULL
RETURNING id;

-- name: get_dataset
SELECT id, pipeline, sequence, strategy, settings, new_examples, cut_at, sha256, url, manifest, exported_at
FROM ftworker.datasets WHERE id = %(dataset_id)s;

-- name: newest_whole
-- The newest exported dataset that holds everything its pipeline had cut.
SELECT sequence, manifest -> 'content' -> 'train' AS train FROM ftworker.datasets
WHERE pipeline = %(pipeline)s AND strategy = 'all' AND manifest IS NOT NULL ORDER BY sequence DESC LIMIT 1;

-- name: cut_after
-- Examples that datasets of the pipeline were the first to hold, after one of them. Costs the number of datasets.
SELECT coalesce(sum(new_examples), 0)::bigint AS examples FROM ftworker.datasets
WHERE pipeline = %(pipeline)s AND sequence > %(sequence)s;

-- name: list_datasets
SELECT id, pipeline, sequence, strategy, settings, new_examples, cut_at, sha256, url, manifest, exported_at
FROM ftworker.datasets
WHERE (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s) ORDER BY id DESC LIMIT %(limit)s;
