-- name: hand_in
-- Once for each run key; a training that is there stays as it is.
INSERT INTO ftworker.trainings (run_key, run_id, "order") VALUES (%(run_key)s, %(run_id)s, %(order)s)
ON CONFLICT (run_key) DO NOTHING;

-- name: get
SELECT {training_columns} FROM ftworker.trainings AS training WHERE run_key = %(run_key)s;

-- name: of_run
-- The newest training of the run; an earlier generation has a key of its own.
SELECT {training_columns} FROM ftworker.trainings AS training
WHERE run_id = %(run_id)s ORDER BY created_at DESC, run_key LIMIT 1;

-- name: claim
-- The lease and its token, for one process; no row when another works on it, it is over, it is to be cancelled, or it
-- pauses. Whoever held a lease that ran out ended without a word: one more crash, which `crashed` says.
WITH found AS (
    SELECT run_key, state = 'running' AS crashed FROM ftworker.trainings
    WHERE run_key = %(run_key)s AND NOT cancel_requested
      AND (state = 'waiting' OR (state = 'running' AND lease_expires_at < now()))
      AND (not_before IS NULL OR not_before <= now())
    FOR UPDATE)
UPDATE ftworker.trainings AS training SET
    state = 'running', lease_token = gen_random_uuid(),
    lease_expires_at = now() + make_interval(secs => %(lease_seconds)s),
    host = %(host)s, pid = %(pid)s, attempts = attempts + 1, crashes = crashes + found.crashed::int,
    not_before = NULL, message = '', started_at = coalesce(started_at, now())
FROM found WHERE training.run_key = found.run_key
RETURNING {training_columns}, found.crashed;

-- name: may_start
-- Whether a claim would be granted now.
SELECT EXISTS (
    SELECT FROM ftworker.trainings WHERE run_key = %(run_key)s AND NOT cancel_requested
      AND (state = 'waiting' OR (state = 'running' AND lease_expires_at < now()))
      AND (not_before IS NULL OR not_before <= now())) AS may_start;

-- name: renew
-- No row when the lease was lost: whoever holds it now goes on, and the caller must stop. A lease that ran out while
-- the database was away is renewed, unless another took it meanwhile. `unwanted`: somebody cancelled the run, or it is
-- over, or it was begun anew under another key.
UPDATE ftworker.trainings AS training SET
    lease_expires_at = now() + make_interval(secs => %(lease_seconds)s), stage = %(stage)s,
    progress = coalesce(%(progress)s, progress),
    crashes = CASE WHEN %(reached)s > reached THEN 0 ELSE crashes END,
    failures = CASE WHEN %(reached)s > reached THEN 0 ELSE failures END,
    reached = greatest(reached, %(reached)s)
FROM ftworker.runs AS run
WHERE training.run_key = %(run_key)s AND training.lease_token = %(token)s AND run.id = training.run_id
RETURNING training.cancel_requested OR run.cancel_requested OR run.state IN ('failed', 'cancelled', 'rejected')
          OR run.run_key IS DISTINCT FROM training.run_key AS unwanted;

-- name: give_back
-- The training waits again; no row when the lease was lost. `crashes` and `failures` count this end.
UPDATE ftworker.trainings SET
    state = 'waiting', lease_token = NULL, lease_expires_at = NULL, message = %(message)s,
    crashes = crashes + %(crashed)s::int, failures = failures + %(failed)s::int,
    not_before = now() + make_interval(secs => %(pause_seconds)s)
WHERE run_key = %(run_key)s AND lease_token = %(token)s
RETURNING run_key;

-- name: finish
-- The end; no row when the lease was lost.
UPDATE ftworker.trainings SET
    state = %(state)s, lease_token = NULL, lease_expires_at = NULL, finished_at = now(),
    message = %(message)s, error_code = %(error_code)s
WHERE run_key = %(run_key)s AND lease_token = %(token)s
RETURNING run_key;

-- name: cancel
-- One that nobody works on ends at once, also where the lease of a dead process ran out; else its process is asked to
-- stop. Nothing happens to one that is over.
UPDATE ftworker.trainings SET
    cancel_requested = true,
    state = CASE WHEN alone THEN 'cancelled' ELSE state END,
    message = CASE WHEN alone THEN %(message)s ELSE message END,
    finished_at = CASE WHEN alone THEN now() END,
    lease_token = CASE WHEN NOT alone THEN lease_token END,
    lease_expires_at = CASE WHEN NOT alone THEN lease_expires_at END
FROM (SELECT run_key AS key, state = 'waiting' OR lease_expires_at < now() AS alone
      FROM ftworker.trainings WHERE run_key = %(run_key)s FOR UPDATE) AS found
WHERE run_key = found.key AND state IN ('waiting', 'running')
RETURNING run_key;

-- name: open_trainings
-- What waits or runs, oldest first.
SELECT {training_columns} FROM ftworker.trainings AS training
WHERE state IN ('waiting', 'running') ORDER BY created_at, run_key;
