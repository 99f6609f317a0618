-- The whole state of ftworker. One schema of its own, so that it can live inside the RAG's database.
-- The database enforces what must never happen: a state without the columns it needs, two runs of one pipeline in
-- flight, a dataset cut twice, an event recorded twice.

-- Events as they arrived. A row without processed_at is work for `accumulate`. The unique key is the CloudEvents
-- identity: a redelivered or republished event is recorded once. Payloads are erased after worker.retention_days.
CREATE TABLE ftworker.inbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_source    text NOT NULL,
    event_id        text NOT NULL,
    source_name     text NOT NULL,
    conversation_id text NOT NULL,
    payload         text,            -- the event's JSON; text, because jsonb refuses \u0000
    received_at     timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    not_before      timestamptz,     -- set after a passing failure; the row is left alone until then
    processed_at    timestamptz,
    outcome         text,            -- examples, dropped, superseded, unmatched, deleted, parked
    CONSTRAINT inbox_event_key UNIQUE (event_source, event_id),
    CONSTRAINT inbox_outcome_check CHECK ((processed_at IS NULL) = (outcome IS NULL)),
    CONSTRAINT inbox_outcome_known CHECK (
        outcome IN ('examples', 'dropped', 'superseded', 'unmatched', 'deleted', 'parked'))
);
-- accumulate: the oldest waiting rows; metrics: how many wait and since when.
CREATE INDEX inbox_waiting ON ftworker.inbox (id) INCLUDE (received_at, not_before) WHERE processed_at IS NULL;
-- retention: processed rows that still hold a payload.
CREATE INDEX inbox_retained ON ftworker.inbox (processed_at) WHERE payload IS NOT NULL AND processed_at IS NOT NULL;
-- forget and explain: what came in about a conversation.
CREATE INDEX inbox_conversation ON ftworker.inbox (source_name, conversation_id);

-- The newest known version of each conversation. Holds no text.
CREATE TABLE ftworker.conversations (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_name     text NOT NULL,
    conversation_id text NOT NULL,
    tenant_id       text,
    course_id       text,
    content_sha256  bytea NOT NULL,
    message_count   integer NOT NULL,
    last_message_at timestamptz,
    closed_at       timestamptz NOT NULL,
    deleted_at      timestamptz,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT conversations_key UNIQUE (source_name, conversation_id)
);

-- A dataset is a set of examples that never changes. `sequence` counts the cuts of a pipeline.
CREATE TABLE ftworker.datasets (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline        text NOT NULL,
    sequence        integer NOT NULL,
    strategy        text NOT NULL CHECK (strategy IN ('all', 'new', 'replay')),
    settings        jsonb NOT NULL,   -- format, system prompt, split, curation: all that decides the bytes
    new_examples    integer NOT NULL CHECK (new_examples >= 0),
    cut_at          timestamptz NOT NULL DEFAULT now(),
    sha256          text,             -- of the canonical manifest; set by export together with url and manifest
    url             text,
    manifest        jsonb,
    exported_at     timestamptz,
    CONSTRAINT datasets_sequence_key UNIQUE (pipeline, sequence),
    CONSTRAINT datasets_exported_check CHECK (
        (exported_at IS NULL) = (sha256 IS NULL) AND (exported_at IS NULL) = (url IS NULL)
        AND (exported_at IS NULL) = (manifest IS NULL))
);

-- One training example for one pipeline. `dataset_id` is the first dataset that holds it; NULL: it waits.
CREATE TABLE ftworker.examples (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline        text NOT NULL,
    conversation_id bigint NOT NULL REFERENCES ftworker.conversations (id),
    turn            integer NOT NULL,      -- position of the answer in its conversation, 0 first
    split_group     text NOT NULL,         -- hash of the user, or of the conversation when no user is known
    content         text NOT NULL,         -- canonical JSON: the messages without the system prompt
    content_sha256  bytea NOT NULL,
    token_count     integer NOT NULL CHECK (token_count >= 0),
    rating          smallint NOT NULL DEFAULT 0,
    model           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    dataset_id      bigint REFERENCES ftworker.datasets (id),
    erased_at       timestamptz,
    CONSTRAINT examples_turn_key UNIQUE (pipeline, conversation_id, turn)
);
-- triggers and cut: what waits, by pipeline, read from the index alone; its size is the backlog, not the history.
CREATE INDEX examples_waiting ON ftworker.examples (pipeline, id) INCLUDE (token_count, created_at)
    WHERE dataset_id IS NULL;
-- export of one dataset in the order of its content, without a sort.
CREATE INDEX examples_dataset ON ftworker.examples (dataset_id, content_sha256) WHERE dataset_id IS NOT NULL;
-- export with strategy `all` or `replay`: everything that a pipeline has cut so far, in the same order.
CREATE INDEX examples_pipeline_content ON ftworker.examples (pipeline, content_sha256) WHERE dataset_id IS NOT NULL;
-- accumulate and forget: the examples of a conversation.
CREATE INDEX examples_conversation ON ftworker.examples (conversation_id);

-- Why a turn (or, with turn = -1, a whole conversation) did not become an example.
CREATE TABLE ftworker.drops (
    pipeline        text NOT NULL,
    conversation_id bigint NOT NULL REFERENCES ftworker.conversations (id),
    turn            integer NOT NULL,
    reason          text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conversation_id, pipeline, turn)
);

-- One row a pipeline: the lock under which datasets are cut, and when it last fired.
CREATE TABLE ftworker.pipelines (
    name              text PRIMARY KEY,
    last_cut_at       timestamptz,
    last_scheduled_at timestamptz,  -- the cron time that was last answered, fired or not
    created_at        timestamptz NOT NULL DEFAULT now()
);

-- One fine-tuning of one dataset. States and moves: ftworker/runs/states.py.
CREATE TABLE ftworker.runs (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline           text NOT NULL,
    dataset_id         bigint NOT NULL REFERENCES ftworker.datasets (id),
    provider           text NOT NULL,
    base_model         text NOT NULL,
    method             jsonb NOT NULL,
    method_sha256      text NOT NULL,
    generation         integer NOT NULL DEFAULT 1,  -- counted up by a person's retry; part of run_key
    trigger            text NOT NULL,               -- min_examples, min_tokens, max_wait, schedule, manual
    state              text NOT NULL,
    state_since        timestamptz NOT NULL DEFAULT now(),
    created_at         timestamptz NOT NULL DEFAULT now(),
    finished_at        timestamptz,
    -- What a worker does next, and who does it now. The lease is a fence: a move must show the token.
    next_action_at     timestamptz,
    notified_at        timestamptz,                 -- when a message for the next step was last sent
    lease_token        uuid,
    lease_expires_at   timestamptz,
    attempts           integer NOT NULL DEFAULT 0,  -- failures of the present step in a row
    cancel_requested   boolean NOT NULL DEFAULT false,
    -- Set by the steps, in this order.
    run_key            text UNIQUE,
    training_file_id   text,
    validation_file_id text,
    approved_at        timestamptz,
    attempted_at       timestamptz,
    job_id             text,
    model              text,
    trained_tokens     bigint,
    estimated_usd      numeric(12, 4),
    provider_status    text,
    provider_changed_at timestamptz,
    detail             jsonb NOT NULL DEFAULT '{}',
    error_code         text,
    error_message      text,
    CONSTRAINT runs_once UNIQUE (dataset_id, provider, base_model, method_sha256),
    CONSTRAINT runs_state_known CHECK (state IN (
        'cut', 'exported', 'awaiting_approval', 'uploaded', 'submitting', 'submitted', 'trained', 'promoted',
        'packaged', 'rejected', 'failed', 'cancelled', 'parked')),
    CONSTRAINT runs_exported_check CHECK (
        state NOT IN ('exported', 'awaiting_approval', 'uploaded', 'submitting', 'submitted', 'trained', 'promoted',
                      'packaged') OR run_key IS NOT NULL),
    CONSTRAINT runs_uploaded_check CHECK (
        state NOT IN ('uploaded', 'submitting', 'submitted', 'trained', 'promoted', 'packaged')
        OR training_file_id IS NOT NULL),
    CONSTRAINT runs_submitting_check CHECK (
        state NOT IN ('submitting', 'submitted', 'trained', 'promoted', 'packaged') OR attempted_at IS NOT NULL),
    CONSTRAINT runs_submitted_check CHECK (
        state NOT IN ('submitted', 'trained', 'promoted', 'packaged') OR job_id IS NOT NULL),
    CONSTRAINT runs_trained_check CHECK (state NOT IN ('trained', 'promoted', 'packaged') OR model IS NOT NULL),
    CONSTRAINT runs_failed_check CHECK (state NOT IN ('failed', 'parked') OR error_code IS NOT NULL),
    CONSTRAINT runs_finished_check CHECK (
        (finished_at IS NOT NULL) = (state IN ('trained', 'promoted', 'packaged', 'rejected', 'failed', 'cancelled'))),
    CONSTRAINT runs_lease_check CHECK ((lease_token IS NULL) = (lease_expires_at IS NULL))
);
-- At most one run of a pipeline in flight, whatever the workers believe.
CREATE UNIQUE INDEX runs_one_in_flight ON ftworker.runs (pipeline) WHERE state IN (
    'cut', 'exported', 'awaiting_approval', 'uploaded', 'submitting', 'submitted', 'parked');
-- sweep: runs whose next action is due.
CREATE INDEX runs_due ON ftworker.runs (next_action_at) WHERE next_action_at IS NOT NULL;
-- metrics and listings.
CREATE INDEX runs_state ON ftworker.runs (state, pipeline, state_since);
CREATE INDEX runs_pipeline ON ftworker.runs (pipeline, id);

-- Every move, and what the provider said on the way.
CREATE TABLE ftworker.run_journal (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id      bigint NOT NULL REFERENCES ftworker.runs (id),
    at          timestamptz NOT NULL DEFAULT now(),
    kind        text NOT NULL CHECK (kind IN ('move', 'event', 'metric', 'progress', 'note', 'alert', 'error')),
    message     text NOT NULL,
    data        jsonb NOT NULL DEFAULT '{}',
    external_id text,
    CONSTRAINT run_journal_external_key UNIQUE (run_id, external_id)
);
CREATE INDEX run_journal_run ON ftworker.run_journal (run_id, id);

-- The model that each pipeline serves; the newest row without demoted_at is the present one.
CREATE TABLE ftworker.promotions (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline    text NOT NULL,
    run_id      bigint NOT NULL REFERENCES ftworker.runs (id),
    model       text NOT NULL,
    promoted_at timestamptz NOT NULL DEFAULT now(),
    demoted_at  timestamptz
);
CREATE UNIQUE INDEX promotions_present ON ftworker.promotions (pipeline) WHERE demoted_at IS NULL;

-- What could not be understood or used, raw, until a person replays or drops it. sha256 makes a repeat one row.
CREATE TABLE ftworker.parked (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    raw_sha256  bytea NOT NULL,
    raw         bytea NOT NULL,
    raw_bytes   bigint NOT NULL,      -- size as it came; `raw` is cut for messages beyond the limit
    reason      text NOT NULL,        -- a code: malformed_json, unknown_version, too_large, unknown_source...
    detail      text NOT NULL,        -- what, where, and the next step; never text of a conversation
    origin      text NOT NULL,        -- amqp, stream, task, accumulate
    inbox_id    bigint REFERENCES ftworker.inbox (id),
    times       integer NOT NULL DEFAULT 1,
    first_at    timestamptz NOT NULL DEFAULT now(),
    last_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT parked_raw_key UNIQUE (raw_sha256)
);
CREATE INDEX parked_reason ON ftworker.parked (reason, first_at);

-- What is known of conversations in stores that have no times: the worker's own change table.
CREATE TABLE ftworker.store_changes (
    source_name     text NOT NULL,
    conversation_id text NOT NULL,
    message_count   integer NOT NULL,
    content_sha256  bytea,
    last_changed_at timestamptz NOT NULL,
    closed_sha256   bytea,            -- the version that was last handed on as closed
    closed_count    integer,
    PRIMARY KEY (source_name, conversation_id)
);
CREATE INDEX store_changes_open ON ftworker.store_changes (source_name, last_changed_at)
    WHERE closed_count IS DISTINCT FROM message_count;

-- How far `backfill` and `sweep_idle` have come in each source.
CREATE TABLE ftworker.source_progress (
    source_name text NOT NULL,
    purpose     text NOT NULL,        -- backfill:<since>, sweep_idle
    position    jsonb NOT NULL,
    done        bigint NOT NULL DEFAULT 0,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    PRIMARY KEY (source_name, purpose)
);

-- Totals that only grow, written in the transaction of what they count. `shard` spreads writers over rows.
CREATE TABLE ftworker.totals (
    name    text NOT NULL,
    labels  text NOT NULL DEFAULT '',  -- "key=value,key=value"; never personal data
    shard   smallint NOT NULL DEFAULT 0,
    value   double precision NOT NULL DEFAULT 0,
    PRIMARY KEY (name, labels, shard)
);

-- Processes that are alive, for `status` and `doctor`.
CREATE TABLE ftworker.processes (
    name       text NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(),
    version    text NOT NULL,
    PRIMARY KEY (name, host, pid)
);
