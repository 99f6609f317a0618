-- Trainings on machines of our own: one for a run, worked on by one process at a time.

CREATE TABLE ftworker.trainings (
    run_key          text PRIMARY KEY,
    run_id           bigint NOT NULL REFERENCES ftworker.runs (id),
    "order"          jsonb NOT NULL,               -- ftworker.training.order.TrainingOrder; no conversation
    state            text NOT NULL DEFAULT 'waiting'
        CHECK (state IN ('waiting', 'running', 'succeeded', 'failed', 'cancelled')),
    cancel_requested boolean NOT NULL DEFAULT false,
    stage            text,                         -- fetch, train, convert, check, publish
    attempts         integer NOT NULL DEFAULT 0,   -- how often a process took it
    -- In a row, without getting any further: ends without a word, and failures that may pass. `reached` is from where
    -- the present attempt went on (a checkpoint, a later stage); when that moves, both begin anew.
    crashes          integer NOT NULL DEFAULT 0,
    failures         integer NOT NULL DEFAULT 0,
    reached          bigint NOT NULL DEFAULT 0,
    -- Who works on it. The token is a fence: a process that was taken for dead writes nothing more, here or in files.
    host             text,
    pid              integer,
    lease_token      uuid,
    lease_expires_at timestamptz,
    not_before       timestamptz,                  -- a pause after a crash or a failure that may pass
    progress         jsonb NOT NULL DEFAULT '{}',  -- the newest ftworker.training.events.Progressed
    message          text NOT NULL DEFAULT '',     -- for people: why it waits, or what came of it
    error_code       text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    CONSTRAINT trainings_leased CHECK (
        (state = 'running') = (lease_token IS NOT NULL) AND (state = 'running') = (lease_expires_at IS NOT NULL)),
    CONSTRAINT trainings_failed CHECK ((state = 'failed') = (error_code IS NOT NULL)),
    CONSTRAINT trainings_finished CHECK (
        (finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled')))
);
CREATE INDEX trainings_run ON ftworker.trainings (run_id);
-- Metrics and `doctor`: what is going on, without reading the past.
CREATE INDEX trainings_open ON ftworker.trainings (state) WHERE state IN ('waiting', 'running');
