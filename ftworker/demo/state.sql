-- What the demonstration left in ftworker's tables. Named statements, as in store/queries.

-- name: progress
-- One row: how far the demonstration's events have come.
SELECT
    (SELECT count(*) FROM ftworker.inbox WHERE source_name = %(source)s) AS recorded,
    (SELECT count(*) FROM ftworker.inbox
     WHERE source_name = %(source)s AND processed_at IS NOT NULL) AS accumulated,
    (SELECT count(*) FROM ftworker.examples WHERE pipeline = %(pipeline)s) AS kept,
    (SELECT count(*) FROM ftworker.run_journal AS entry
     JOIN ftworker.runs AS run ON run.id = entry.run_id WHERE run.pipeline = %(pipeline)s) AS journal_entries;

-- name: drops
-- Every turn that was left out, and every conversation as a whole (turn -1), with the reason.
SELECT conversation.conversation_id, dropped.turn, dropped.reason
FROM ftworker.drops AS dropped JOIN ftworker.conversations AS conversation
    ON conversation.id = dropped.conversation_id
WHERE dropped.pipeline = %(pipeline)s ORDER BY dropped.reason, conversation.conversation_id, dropped.turn;

-- name: others
-- Work that is not the demonstration's: its processes, which know its pipeline alone, would spoil it.
SELECT
    (SELECT count(*) FROM ftworker.inbox WHERE processed_at IS NULL AND source_name <> %(source)s) AS waiting,
    (SELECT count(*) FROM ftworker.runs WHERE next_action_at IS NOT NULL AND pipeline <> %(pipeline)s) AS runs;

-- name: processes
-- Processes that were seen lately.
SELECT name, host, pid FROM ftworker.processes
WHERE seen_at > now() - make_interval(secs => %(seconds)s) ORDER BY name, pid;

-- name: process_ended
-- Takes away the row of a process that did not say goodbye: one that was killed, or `beat`, for which workers speak.
DELETE FROM ftworker.processes WHERE name = %(name)s AND host = %(host)s AND pid = %(pid)s;

-- name: ready
-- Whether this very process of ours has said that it works.
SELECT EXISTS (
    SELECT FROM ftworker.processes WHERE name = %(name)s AND host = %(host)s AND pid = %(pid)s) AS ready;

-- name: withdraw
-- Takes back what still waits, so that no process with another configuration works on it.
DELETE FROM ftworker.inbox WHERE source_name = %(source)s AND processed_at IS NULL;

-- name: forget
-- Everything of the demonstration, its chat store included, also what another pipeline made of its conversations.
-- The order is that of the foreign keys.
DELETE FROM ftworker.promotions WHERE pipeline = %(pipeline)s;
DELETE FROM ftworker.run_journal WHERE run_id IN (SELECT id FROM ftworker.runs WHERE pipeline = %(pipeline)s);
DELETE FROM ftworker.trainings WHERE run_id IN (SELECT id FROM ftworker.runs WHERE pipeline = %(pipeline)s);
DELETE FROM ftworker.runs WHERE pipeline = %(pipeline)s;
DELETE FROM ftworker.examples WHERE pipeline = %(pipeline)s
    OR conversation_id IN (SELECT id FROM ftworker.conversations WHERE source_name = %(source)s);
DELETE FROM ftworker.drops WHERE pipeline = %(pipeline)s
    OR conversation_id IN (SELECT id FROM ftworker.conversations WHERE source_name = %(source)s);
DELETE FROM ftworker.datasets WHERE pipeline = %(pipeline)s;
DELETE FROM ftworker.pipelines WHERE name = %(pipeline)s;
DELETE FROM ftworker.totals WHERE 'pipeline=' || %(pipeline)s = ANY (string_to_array(labels, ','));
DELETE FROM ftworker.parked WHERE inbox_id IN (SELECT id FROM ftworker.inbox WHERE source_name = %(source)s);
DELETE FROM ftworker.inbox WHERE source_name = %(source)s;
DELETE FROM ftworker.quarantine_reviews
WHERE conversation_id IN (SELECT id FROM ftworker.conversations WHERE source_name = %(source)s);
DELETE FROM ftworker.conversations WHERE source_name = %(source)s;
DROP SCHEMA IF EXISTS rag_demo CASCADE;
