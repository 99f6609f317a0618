-- name: own_models
-- Names of models that were tuned here, and whether each was promoted, which gives Ollama's alias its meaning.
SELECT lower(model) AS model, bool_or(promoted) AS promoted FROM (
    SELECT model, false AS promoted FROM ftworker.runs WHERE model IS NOT NULL
    UNION ALL SELECT model, true FROM ftworker.promotions) AS known
GROUP BY 1 ORDER BY 1;

-- name: contents
-- What examples hold, of those that may still be used.
SELECT id, content FROM ftworker.examples
WHERE id = ANY(%(ids)s) AND erased_at IS NULL AND withheld IS NULL;

-- name: golden_rows
-- The golden set as it may still be used, in the order of its content.
SELECT {example_columns} FROM ftworker.examples
WHERE id IN (SELECT example_id FROM ftworker.golden_examples WHERE pipeline = %(pipeline)s)
  AND erased_at IS NULL AND withheld IS NULL
ORDER BY content_sha256, id;

-- name: golden_set
-- Whether there is one, how many of it may still be used, and where it came from. No row: there is none yet.
SELECT count(*) FILTER (WHERE example.erased_at IS NULL AND example.withheld IS NULL) AS examples,
       count(DISTINCT example.split_group) AS users, min(golden.frozen_at) AS frozen_at,
       min(golden.dataset_id) AS dataset_id
FROM ftworker.golden_examples AS golden JOIN ftworker.examples AS example ON example.id = golden.example_id
WHERE golden.pipeline = %(pipeline)s HAVING count(*) > 0;

-- name: never_in_files
-- Of these examples, those in the files of no exported dataset. One of strategy `replay` may have held any that was cut
-- before it, so it counts as if it had.
SELECT example.id FROM ftworker.examples AS example
WHERE example.id = ANY(%(ids)s) AND NOT EXISTS (
    SELECT FROM ftworker.datasets AS held
    WHERE held.pipeline = example.pipeline AND held.exported_at IS NOT NULL
      AND (held.id = example.dataset_id OR (held.strategy <> 'new' AND held.id > example.dataset_id))
      AND NOT EXISTS (
        SELECT FROM ftworker.dataset_left_out AS left_out
        WHERE left_out.dataset_id = held.id AND left_out.example_id = example.id));

-- name: freeze_golden
-- Once a pipeline, under its lock: no row when there is a golden set already. What was erased meanwhile stays out.
INSERT INTO ftworker.golden_examples (pipeline, example_id, dataset_id)
SELECT %(pipeline)s, id, %(dataset_id)s FROM ftworker.examples
WHERE id = ANY(%(ids)s) AND erased_at IS NULL
  AND NOT EXISTS (SELECT FROM ftworker.golden_examples WHERE pipeline = %(pipeline)s)
RETURNING example_id;

-- name: record_left_out
-- With the export that left them out, so each once.
INSERT INTO ftworker.dataset_left_out (dataset_id, example_id, reason, of_example_id)
SELECT %(dataset_id)s, * FROM unnest(%(ids)s::bigint[], %(reasons)s::text[], %(ofs)s::bigint[]);

-- name: audit_rows
-- Every example that the dataset was cut with, in or out of its files. The content of what was erased is empty.
SELECT example.id, example.conversation_id, example.split_group, example.content,
       example.withheld IS NOT NULL AS withheld, left_out.reason IS NOT NULL AS left_out
FROM ftworker.examples AS example
LEFT JOIN ftworker.dataset_left_out AS left_out
       ON left_out.dataset_id = %(dataset_id)s AND left_out.example_id = example.id
WHERE example.pipeline = %(pipeline)s AND example.dataset_id <= %(dataset_id)s
  AND (example.dataset_id = %(dataset_id)s OR %(strategy)s = 'all'
       OR (%(strategy)s = 'replay'
           AND ('x' || encode(substring(example.content_sha256 FROM 1 FOR 4), 'hex'))::bit(32)::bigint
               < %(replay_share)s * 4294967296))
ORDER BY example.id;

-- name: audit_golden
-- The golden set of the pipeline, in the same columns.
SELECT example.id, example.conversation_id, example.split_group, example.content,
       example.withheld IS NOT NULL AS withheld, true AS left_out
FROM ftworker.golden_examples AS golden JOIN ftworker.examples AS example ON example.id = golden.example_id
WHERE golden.pipeline = %(pipeline)s ORDER BY example.id;
