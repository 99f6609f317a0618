-- name: add
-- Adds to totals that only grow. Rows are locked in one order, so that two writers of one shard cannot deadlock.
INSERT INTO ftworker.totals (name, labels, shard, value)
SELECT new.name, new.labels, %(shard)s, new.value
FROM unnest(%(names)s::text[], %(labels)s::text[], %(values)s::double precision[]) AS new (name, labels, value)
ORDER BY new.name, new.labels
ON CONFLICT (name, labels, shard) DO UPDATE SET value = totals.value + excluded.value;

-- name: read
-- Every total, its shards added up.
SELECT name, labels, sum(value) AS value
FROM ftworker.totals
GROUP BY name, labels
ORDER BY name, labels;
