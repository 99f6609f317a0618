-- What curation learnt to tell of an example, what a dataset leaves out and why, the golden set, and what waits for a
-- person's eye.

ALTER TABLE ftworker.examples
    -- Hashes of normalised text (docs/DATASETS.md): of the question, and of question and answer. NULL: an older release.
    ADD COLUMN question_sha256 bytea,
    ADD COLUMN pair_sha256 bytea,
    ADD COLUMN refusal boolean NOT NULL DEFAULT false,    -- the answer refuses, and may stay within a share
    ADD COLUMN unsupported boolean NOT NULL DEFAULT false, -- the answer says what its retrieved context does not
    ADD COLUMN corrected boolean NOT NULL DEFAULT false,  -- a person wrote the answer
    ADD COLUMN tokenizer text NOT NULL DEFAULT 'estimate', -- by which token_count was counted
    ADD COLUMN withheld text;                              -- why no dataset may use it any more; NULL: it may
-- accumulate: whether the same question and answer was kept before.
CREATE INDEX examples_pair ON ftworker.examples (pipeline, pair_sha256) WHERE pair_sha256 IS NOT NULL;

-- Examples that belong to a dataset by its cut and strategy and do not stand in its files, and why.
CREATE TABLE ftworker.dataset_left_out (
    dataset_id    bigint NOT NULL REFERENCES ftworker.datasets (id),
    example_id    bigint NOT NULL REFERENCES ftworker.examples (id) ON DELETE CASCADE,
    reason        text NOT NULL,      -- ftworker.datasets.selection.LeftOutReason
    of_example_id bigint,             -- the one that stands in its place, where it is a copy
    PRIMARY KEY (dataset_id, example_id)
);
CREATE INDEX dataset_left_out_example ON ftworker.dataset_left_out (example_id);

-- The golden set of each pipeline: frozen once, never trained on. Erasure of a conversation takes its examples out.
CREATE TABLE ftworker.golden_examples (
    pipeline   text NOT NULL,
    example_id bigint NOT NULL REFERENCES ftworker.examples (id) ON DELETE CASCADE,
    dataset_id bigint NOT NULL REFERENCES ftworker.datasets (id), -- the export that froze it
    frozen_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, example_id)
);
CREATE INDEX golden_examples_example ON ftworker.golden_examples (example_id);

-- What a person decided about a quarantined conversation, for the version that they saw. No text.
CREATE TABLE ftworker.quarantine_reviews (
    conversation_id bigint PRIMARY KEY REFERENCES ftworker.conversations (id),
    content_sha256  bytea NOT NULL,
    decision        text NOT NULL CHECK (decision IN ('released', 'rejected')),
    decided_at      timestamptz NOT NULL DEFAULT now()
);
-- quarantine list: what waits for a person, without reading the other drops.
CREATE INDEX drops_quarantined ON ftworker.drops (created_at) WHERE reason LIKE 'quarantined%';
