-- name: begin
-- One moment of the database for all the numbers; no write by mistake; no statement longer than the limit.
-- Sequential scans are out, so that statistics gone stale after a bulk load cannot turn a scrape into a reading of
-- the whole history. That raises estimated costs, which would wake the JIT compiler: it is out, too.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SET LOCAL statement_timeout = %(timeout_milliseconds)s;
SET LOCAL enable_seqscan = off;
SET LOCAL jit = off;

-- name: has_migrations
-- Whether anybody ever migrated this database.
SELECT to_regclass('ftworker.migrations') IS NOT NULL AS present;

-- name: migrations
-- What has been applied.
SELECT name FROM ftworker.migrations;

-- name: inbox
-- What waits, read from the index `inbox_waiting` alone, and when the newest event came, one row by the primary
-- key: costs the backlog, never the history.
SELECT count(*) AS waiting,
       count(*) FILTER (WHERE not_before > now()) AS postponed,
       coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 AS oldest_age_seconds,
       (SELECT extract(epoch FROM received_at)::float8 FROM ftworker.inbox ORDER BY id DESC LIMIT 1)
           AS last_received_timestamp
FROM ftworker.inbox
WHERE processed_at IS NULL;

-- name: waiting_examples
-- What waits for the next dataset, read from the index `examples_waiting` alone; the same rows that triggers count.
SELECT pipeline, count(*) AS examples, sum(token_count)::bigint AS tokens,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_age_seconds
FROM ftworker.examples
WHERE dataset_id IS NULL
GROUP BY pipeline;

-- name: latest_datasets
-- The newest dataset of each pipeline, one look into the index a pipeline. `sequence` counts the cuts.
SELECT named.pipeline, latest.sequence, latest.new_examples, latest.cut_timestamp, latest.own_model_share
FROM (SELECT name FROM ftworker.pipelines UNION SELECT unnest(%(pipelines)s::text[])) AS named (pipeline)
CROSS JOIN LATERAL (
    SELECT sequence, new_examples, extract(epoch FROM cut_at)::float8 AS cut_timestamp,
           (manifest #>> '{provenance,selection,own_model_share}')::float8 AS own_model_share
    FROM ftworker.datasets
    WHERE datasets.pipeline = named.pipeline
    ORDER BY sequence DESC
    LIMIT 1) AS latest;

-- name: runs
-- All runs by pipeline, provider and state. A small table: one row a training, thousands where examples are millions.
-- Money counts from the moment the job is asked for, as in the budget's own sum.
SELECT pipeline, provider, state, count(*) AS runs,
       coalesce(sum(estimated_usd) FILTER (WHERE attempted_at IS NOT NULL), 0)::float8 AS estimated_usd
FROM ftworker.runs
GROUP BY pipeline, provider, state;

-- name: runs_in_flight
-- At most one a pipeline, by the index `runs_one_in_flight`. `overdue`: its next step was due and nobody took it.
SELECT id, pipeline, provider, state,
       extract(epoch FROM now() - state_since)::float8 AS state_seconds,
       CASE WHEN state = 'submitted'
            THEN extract(epoch FROM now() - coalesce(provider_changed_at, state_since)) ELSE 0 END::float8
           AS silent_seconds,
       CASE WHEN next_action_at < now() AND (lease_expires_at IS NULL OR lease_expires_at < now())
            THEN extract(epoch FROM now() - greatest(next_action_at, lease_expires_at)) ELSE 0 END::float8
           AS overdue_seconds
FROM ftworker.runs
WHERE state IN ('cut', 'exported', 'awaiting_approval', 'uploaded', 'submitting', 'submitted', 'parked');

-- name: trainings
-- What waits and runs on machines of the operator's own, by the index `trainings_open`; figures of what runs alone.
SELECT run.pipeline, run.provider,
       count(*) FILTER (WHERE training.state = 'waiting') AS waiting,
       count(*) FILTER (WHERE training.state = 'running') AS running,
       max((now.progress ->> 'completed')::float8 / nullif((now.progress ->> 'total')::float8, 0)) AS progress_ratio,
       max((now.progress ->> 'loss')::float8) AS loss,
       sum((now.progress ->> 'tokens_per_second')::float8) AS tokens_per_second,
       sum((now.progress ->> 'memory_bytes')::float8) AS memory_bytes
FROM ftworker.trainings AS training
JOIN ftworker.runs AS run ON run.id = training.run_id
LEFT JOIN LATERAL (
    SELECT training.progress
    WHERE training.state = 'running' AND training.progress ->> 'stage' = training.stage) AS now ON true
WHERE training.state IN ('waiting', 'running')
GROUP BY run.pipeline, run.provider;

-- name: promotions
-- The present model of each pipeline, by the index `promotions_present`.
SELECT pipeline, extract(epoch FROM promoted_at)::float8 AS promoted_timestamp
FROM ftworker.promotions
WHERE demoted_at IS NULL;

-- name: parked
-- What a person has still to look at, read from the index `parked_reason` alone.
SELECT reason, count(*) AS messages, extract(epoch FROM now() - min(first_at))::float8 AS oldest_age_seconds
FROM ftworker.parked
GROUP BY reason;

-- name: quarantined
-- What a person has still to decide about, by the index `drops_quarantined`; a conversation once in each pipeline.
SELECT d.pipeline, count(*) AS conversations,
       extract(epoch FROM now() - min(d.created_at))::float8 AS oldest_age_seconds
FROM ftworker.drops AS d
JOIN ftworker.conversations AS c ON c.id = d.conversation_id
WHERE d.reason LIKE 'quarantined%%' AND d.turn = -1 AND c.deleted_at IS NULL
  AND NOT EXISTS (
    SELECT FROM ftworker.quarantine_reviews AS r
    WHERE r.conversation_id = c.id AND r.content_sha256 = c.content_sha256)
GROUP BY d.pipeline;

-- name: processes
-- Living and dead processes by name; rows of the dead go after a day. A tick of beat is noted by whichever worker
-- gets it, so beat's rows count workers: that there is one is all they say.
SELECT name,
       least(count(*) FILTER (WHERE seen_at > now() - %(dead_after_seconds)s * interval '1 second'),
             CASE WHEN name = 'beat' THEN 1 END) AS alive,
       extract(epoch FROM now() - max(seen_at))::float8 AS last_seen_seconds
FROM ftworker.processes
GROUP BY name;

-- name: record_sweep
-- When a sweep last ended; of two that end together the later time stands.
INSERT INTO ftworker.totals AS known (name, value)
VALUES (%(name)s, extract(epoch FROM clock_timestamp()))
ON CONFLICT (name, labels, shard) DO UPDATE SET value = greatest(known.value, excluded.value);
