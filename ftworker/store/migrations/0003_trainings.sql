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
    crashes          integer NOT NULL DEFAULT 0,   -- of these, how many ended without a word, in a row
    -- Who works on it. The token is a fence: a process that was taken for dead writes nothing more, here or in files.
    host             text,
    pid              integer,
    lease_token      uuid,
    lease_expires_at timestamptz,
    not_before       timestamptz,                  -- a pause after a crash
    progress         jsonb NOT NULL DEFAULT '{}',  -- the newest ftworker.training.events.Progressed
    error_code       text,
    error_message    text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    started_at       timestamptz,
    finished_at      timestamptz,
    CONSTRAINT trainings_leased CHECK ((state = 'running') = (lease_token IS NOT NULL)),
    CONSTRAINT trainings_failed CHECK ((state = 'failed') = (error_code IS NOT NULL))
);
CREATE INDEX trainings_run ON ftworker.trainings (run_id);
-- Metrics and `status`: what is going on, without reading the past.
CREATE INDEX trainings_open ON ftworker.trainings (state) WHERE state IN ('waiting', 'running');
