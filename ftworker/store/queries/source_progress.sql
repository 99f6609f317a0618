-- name: read
-- How far a walk has come; no row when it never began.
SELECT position, done, updated_at, finished_at
FROM ftworker.source_progress
WHERE source_name = %(source_name)s AND purpose = %(purpose)s;

-- name: walks
-- Every walk through a source.
SELECT purpose, position, done, updated_at, finished_at
FROM ftworker.source_progress
WHERE source_name = %(source_name)s
ORDER BY purpose;

-- name: begin
-- The walk begins (again) at a position, whatever was there.
INSERT INTO ftworker.source_progress (source_name, purpose, position)
VALUES (%(source_name)s, %(purpose)s, %(position)s::jsonb)
ON CONFLICT (source_name, purpose) DO UPDATE
SET position = excluded.position, done = 0, updated_at = now(), finished_at = NULL;

-- name: advance
-- One step of the walk. No row when another walker has moved it meanwhile, or has begun it again.
UPDATE ftworker.source_progress
SET position = %(position)s::jsonb, done = done + %(added)s, updated_at = now(),
    finished_at = CASE WHEN %(finished)s THEN now() END
WHERE source_name = %(source_name)s AND purpose = %(purpose)s AND position = %(before)s::jsonb
    AND done = %(done)s AND finished_at IS NULL;
