-- name: insert_run
-- No row when this dataset was given to this provider, base model and method before.
INSERT INTO ftworker.runs
    (pipeline, dataset_id, provider, base_model, method, method_sha256, trigger, state, next_action_at, notified_at)
VALUES (%(pipeline)s, %(dataset_id)s, %(provider)s, %(base_model)s, %(method)s, %(method_sha256)s, %(trigger)s,
        'cut', now(), now())
ON CONFLICT ON CONSTRAINT runs_once DO NOTHING
RETURNING id;

-- name: find_run
SELECT id FROM ftworker.runs WHERE dataset_id = %(dataset_id)s AND provider = %(provider)s
  AND base_model = %(base_model)s AND method_sha256 = %(method_sha256)s;

-- name: in_flight
SELECT pipeline, id, state FROM ftworker.runs WHERE pipeline = ANY(%(pipelines)s) AND state IN (
    'cut', 'exported', 'awaiting_approval', 'uploaded', 'submitting', 'submitted', 'parked');

-- name: get_run
SELECT {columns} FROM ftworker.runs WHERE id = %(run_id)s;

-- name: list_runs
SELECT {columns} FROM ftworker.runs
WHERE (%(pipeline)s::text IS NULL OR pipeline = %(pipeline)s) AND (%(state)s::text IS NULL OR state = %(state)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: claim_run
-- The lease and its token, for one worker; no row when the run moved on, is not due, or another works on it.
UPDATE ftworker.runs SET
    lease_token = gen_random_uuid(), lease_expires_at = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(run_id)s AND state = ANY(%(states)s)
  AND (lease_expires_at IS NULL OR lease_expires_at < now())
  AND (%(even_if_not_due)s OR next_action_at <= now())
RETURNING {columns};

-- name: renew_lease
-- No row when the lease was lost: whoever holds it now goes on, and the caller must stop.
UPDATE ftworker.runs SET lease_expires_at = now() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(run_id)s AND lease_token = %(token)s
RETURNING id;

-- name: move_run
-- Compare and set: no row when another worker moved the run first or the lease was lost.
UPDATE ftworker.runs SET
    state = %(target)s, state_since = now(), attempts = %(attempts)s,
    -- Promoting or rejecting a trained model later does not change when its training was over.
    finished_at = CASE WHEN %(finished)s THEN coalesce(finished_at, now()) END,
    -- A cancel that came during the step does not wait for what the step waits for.
    next_action_at = CASE WHEN %(delay_seconds)s::float8 IS NULL THEN NULL
                          WHEN cancel_requested AND NOT %(cancel_heard)s THEN now()
                          ELSE now() + make_interval(secs => %(delay_seconds)s) END,
    -- A step that is due at once has its message on the way already: the next link of the chain.
    notified_at = CASE WHEN %(delay_seconds)s::float8 = 0 THEN now() END,
    lease_token = CASE WHEN %(keep_lease)s THEN lease_token END,
    lease_expires_at = CASE WHEN %(keep_lease)s THEN now() + make_interval(secs => %(lease_seconds)s) END
    {assignments}
WHERE id = %(run_id)s AND state = %(origin)s
  AND (lease_token = %(token)s OR (%(token)s::uuid IS NULL AND (lease_token IS NULL OR lease_expires_at < now())))
RETURNING id;

-- name: release_run
-- The step is not finished: try again after a time. No row when the lease was lost.
UPDATE ftworker.runs SET
    lease_token = NULL, lease_expires_at = NULL, attempts = %(attempts)s,
    -- A cancel that came during the step does not wait for what the step waits for.
    next_action_at = CASE WHEN %(delay_seconds)s::float8 IS NULL THEN NULL
                          WHEN cancel_requested AND NOT %(cancel_heard)s THEN now()
                          ELSE now() + make_interval(secs => %(delay_seconds)s) END
    {assignments}
WHERE id = %(run_id)s AND lease_token = %(token)s
RETURNING id;

-- name: wake_run
-- A person asks: look at it now.
UPDATE ftworker.runs SET next_action_at = now(), notified_at = NULL, cancel_requested = cancel_requested OR %(cancel)s
WHERE id = %(run_id)s RETURNING id;

-- name: due_runs
-- Runs whose next action is due, that nobody works on, and whose message was not sent since or was sent so long ago
-- that it must be lost. Marked as notified, so that the next sweep does not fill the queue with the same message.
UPDATE ftworker.runs SET notified_at = now()
WHERE id IN (
    SELECT id FROM ftworker.runs
    WHERE next_action_at <= now() AND (lease_expires_at IS NULL OR lease_expires_at < now())
      AND (notified_at IS NULL OR notified_at < next_action_at
           OR notified_at < now() - make_interval(secs => %(revive_after_seconds)s))
    ORDER BY next_action_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
RETURNING id, state, provider;

-- name: journal
-- Once for each external id; NULL ids are always written.
INSERT INTO ftworker.run_journal (run_id, kind, message, data, external_id)
VALUES (%(run_id)s, %(kind)s, %(message)s, %(data)s, %(external_id)s)
ON CONFLICT ON CONSTRAINT run_journal_external_key DO NOTHING;

-- name: replace_progress
-- Progress is one row a run, rewritten: a long upload must not fill the journal. Its id is new each time, so that who
-- reads on from the last entry sees it.
INSERT INTO ftworker.run_journal (run_id, kind, message, data, external_id)
VALUES (%(run_id)s, 'progress', %(message)s, %(data)s, 'progress')
ON CONFLICT ON CONSTRAINT run_journal_external_key
DO UPDATE SET id = DEFAULT, message = excluded.message, data = excluded.data, at = now();

-- name: read_journal
SELECT id, at, kind, message, data FROM ftworker.run_journal
WHERE run_id = %(run_id)s AND id > %(after)s ORDER BY id LIMIT %(limit)s;

-- name: errors_among_failures
-- Each failure of a step in a row wrote one entry with its number.
SELECT count(*) FILTER (WHERE kind = 'error') AS errors FROM (
    SELECT kind FROM ftworker.run_journal
    WHERE run_id = %(run_id)s AND data ? 'attempt' ORDER BY id DESC LIMIT %(failures)s) AS failures;

-- name: spent_this_month
-- Estimated dollars of jobs that were or may have been created since the first of the month, UTC, those of earlier
-- generations included: a retry leaves what it may have cost in the journal. A failed run without a job cost nothing.
WITH month AS (SELECT date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS begin)
SELECT coalesce(sum(usd), 0)::float8 AS usd FROM (
    SELECT estimated_usd AS usd FROM ftworker.runs, month
    WHERE pipeline = %(pipeline)s AND attempted_at >= month.begin AND NOT (state = 'failed' AND job_id IS NULL)
    UNION ALL
    SELECT (entry.data ->> 'spent_usd')::numeric FROM month, ftworker.runs AS run
    JOIN ftworker.run_journal AS entry ON entry.run_id = run.id
    WHERE run.pipeline = %(pipeline)s AND run.generation > 1 AND entry.data ? 'spent_usd'
      AND (entry.data ->> 'attempted_at')::timestamptz >= month.begin) AS spent;

-- name: present_promotion
SELECT id, run_id, model, promoted_at FROM ftworker.promotions
WHERE pipeline = %(pipeline)s AND demoted_at IS NULL;

-- name: demote
UPDATE ftworker.promotions SET demoted_at = now() WHERE pipeline = %(pipeline)s AND demoted_at IS NULL;

-- name: promote
INSERT INTO ftworker.promotions (pipeline, run_id, model) VALUES (%(pipeline)s, %(run_id)s, %(model)s);
