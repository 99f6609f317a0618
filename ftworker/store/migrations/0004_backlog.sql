-- Indexes by which a batch costs the batch, whatever waits and whatever was done before, also where the planner's
-- statistics are old; and one index less to write for each example.

-- accumulate: the rows that have been due longest; metrics: how many wait and since when. By its own order and not by the
-- primary key's, which a planner that believes that every row waits would walk along, over all that is done.
DROP INDEX ftworker.inbox_waiting;
CREATE INDEX inbox_waiting ON ftworker.inbox (coalesce(not_before, received_at), id) INCLUDE (received_at, not_before)
    WHERE processed_at IS NULL;

-- The key itself finds the examples of a conversation, for accumulate and forget.
ALTER TABLE ftworker.examples
    DROP CONSTRAINT examples_turn_key,
    ADD CONSTRAINT examples_turn_key UNIQUE (conversation_id, pipeline, turn);
DROP INDEX ftworker.examples_conversation;
