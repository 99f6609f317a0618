-- name: hold
-- Keeps raw messages until a person replays or drops them. The same bytes again count up instead of adding a row.
-- Rows are locked in one order, so that two consumers cannot deadlock.
INSERT INTO ftworker.parked AS held (raw_sha256, raw, raw_bytes, reason, detail, origin, times)
SELECT new.raw_sha256, new.raw, new.raw_bytes, new.reason, new.detail, %(origin)s, new.times
FROM unnest(%(sha256s)s::bytea[], %(raws)s::bytea[], %(sizes)s::bigint[], %(reasons)s::text[], %(details)s::text[],
            %(times)s::integer[]) AS new (raw_sha256, raw, raw_bytes, reason, detail, times)
ORDER BY new.raw_sha256
ON CONFLICT (raw_sha256) DO UPDATE SET times = held.times + excluded.times, last_at = now();
