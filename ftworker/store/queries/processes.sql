-- name: seen
-- One row for each living process; a process number used again by a later process begins anew.
INSERT INTO ftworker.processes AS known (name, host, pid, started_at, seen_at, version)
VALUES (%(name)s, %(host)s, %(pid)s, %(started_at)s, now(), %(version)s)
ON CONFLICT (name, host, pid) DO UPDATE
SET started_at = excluded.started_at, seen_at = excluded.seen_at, version = excluded.version;

-- name: gone
-- Takes the row away when the process ends in order. A killed one stays until it is old.
DELETE FROM ftworker.processes WHERE name = %(name)s AND host = %(host)s AND pid = %(pid)s;

-- name: forget_dead
-- Rows of processes that were not seen for a day: killed, or their host is gone.
DELETE FROM ftworker.processes WHERE seen_at < now() - interval '1 day';

-- name: is_alive
-- One row: whether a process of that name was seen lately, on that host or, when it is null, on any.
SELECT EXISTS (
    SELECT FROM ftworker.processes
    WHERE name = %(name)s
      AND (%(host)s::text IS NULL OR host = %(host)s)
      AND seen_at > now() - make_interval(secs => %(seconds)s)
) AS alive;
