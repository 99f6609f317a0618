-- The tables of Onyx 4.7 (backend/onyx/db/models.py) that hold a chat; foreign keys to other tables left out.

CREATE TABLE chat_session (
    id uuid PRIMARY KEY,
    user_id uuid,
    persona_id integer,
    description text,
    onyxbot_flow boolean NOT NULL DEFAULT false,
    incognito_record_mode varchar,
    deleted boolean NOT NULL DEFAULT false,
    shared_status varchar NOT NULL DEFAULT 'PRIVATE',
    current_alternate_model varchar,
    slack_thread_id varchar,
    project_id integer,
    llm_override jsonb,
    prompt_override jsonb,
    temperature_override double precision,
    reasoning_effort_override varchar,
    time_updated timestamptz NOT NULL DEFAULT now(),
    time_created timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE chat_message (
    id serial PRIMARY KEY,
    chat_session_id uuid NOT NULL REFERENCES chat_session,
    parent_message_id integer REFERENCES chat_message DEFERRABLE INITIALLY DEFERRED,
    latest_child_message_id integer REFERENCES chat_message DEFERRABLE INITIALLY DEFERRED,
    last_summarized_message_id integer REFERENCES chat_message ON DELETE SET NULL,
    preferred_response_id integer REFERENCES chat_message ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    model_display_name varchar,
    request_params jsonb,
    reasoning_tokens text,
    message text NOT NULL,
    token_count integer NOT NULL,
    message_type varchar NOT NULL,
    files jsonb,
    citations jsonb,
    error text,
    time_sent timestamptz NOT NULL DEFAULT now(),
    is_clarification boolean NOT NULL DEFAULT false,
    processing_duration_seconds double precision
);
CREATE INDEX ix_chat_message_chat_session_id ON chat_message (chat_session_id);

CREATE TABLE chat_feedback (
    id serial PRIMARY KEY,
    chat_message_id integer REFERENCES chat_message ON DELETE SET NULL,
    is_positive boolean,
    required_followup boolean,
    feedback_text text,
    predefined_feedback varchar
);

CREATE TABLE search_doc (
    id serial PRIMARY KEY,
    document_id varchar NOT NULL,
    chunk_ind integer NOT NULL,
    semantic_id varchar NOT NULL,
    link varchar,
    blurb varchar NOT NULL,
    boost integer NOT NULL DEFAULT 0,
    source_type varchar NOT NULL DEFAULT 'FILE',
    hidden boolean NOT NULL DEFAULT false,
    doc_metadata jsonb NOT NULL DEFAULT '{}',
    score double precision NOT NULL,
    match_highlights varchar[] NOT NULL DEFAULT '{}',
    updated_at timestamptz,
    primary_owners varchar[],
    secondary_owners varchar[],
    is_internet boolean DEFAULT false,
    is_relevant boolean,
    relevance_explanation varchar
);

CREATE TABLE chat_message__search_doc (
    chat_message_id integer NOT NULL REFERENCES chat_message ON DELETE CASCADE,
    search_doc_id integer NOT NULL REFERENCES search_doc ON DELETE CASCADE,
    PRIMARY KEY (chat_message_id, search_doc_id)
);

INSERT INTO chat_session (id, user_id, persona_id, deleted, incognito_record_mode) VALUES
    ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-00000000000a', 3, false, NULL),
    ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000b', 3, false, NULL),
    ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-00000000000b', 3, true, NULL),
    ('00000000-0000-0000-0000-000000000004', '00000000-0000-0000-0000-00000000000b', 3, false, 'full_history'),
    ('00000000-0000-0000-0000-000000000005', NULL, NULL, false, NULL);

-- 1: two models answered the first question and the second one's answer was preferred; the second question was edited,
-- and what followed its first form is another branch. All of it in one transaction: the times are the same.
INSERT INTO chat_message (id, chat_session_id, parent_message_id, latest_child_message_id, preferred_response_id,
    message, token_count, message_type, model_display_name, citations, time_sent) VALUES
    (1, '00000000-0000-0000-0000-000000000001', NULL, 2, NULL, '', 0, 'SYSTEM', NULL, NULL, '2026-03-01 10:00+00'),
    (2, '00000000-0000-0000-0000-000000000001', 1, 3, 4, '¿Qué es un ecosistema?', 6, 'USER', NULL, NULL,
        '2026-03-01 10:00+00'),
    (3, '00000000-0000-0000-0000-000000000001', 2, NULL, NULL, 'Un conjunto de animales.', 6, 'ASSISTANT', 'GPT-4.1',
        'null', '2026-03-01 10:00+00'),
    (4, '00000000-0000-0000-0000-000000000001', 2, 7, NULL, 'Los seres vivos de un lugar y su medio [[1]](http://b).',
        9, 'ASSISTANT', 'Claude Sonnet', '{"1": 1}', '2026-03-01 10:00+00'),
    (5, '00000000-0000-0000-0000-000000000001', 4, 6, NULL, '¿Y un bioma?', 4, 'USER', NULL, NULL,
        '2026-03-01 10:00+00'),
    (6, '00000000-0000-0000-0000-000000000001', 5, NULL, NULL, 'Una región con un clima.', 5, 'ASSISTANT', NULL, NULL,
        '2026-03-01 10:00+00'),
    (7, '00000000-0000-0000-0000-000000000001', 4, 8, NULL, '¿Qué es un bioma mediterráneo?', 7, 'USER', NULL, NULL,
        '2026-03-01 10:00+00'),
    (8, '00000000-0000-0000-0000-000000000001', 7, NULL, NULL, 'El de inviernos suaves y veranos secos.', 9,
        'ASSISTANT', NULL, NULL, '2026-03-01 10:00+00');
-- A summary for the model hangs on the tip of the branch; it was written by nobody.
INSERT INTO chat_message (id, chat_session_id, parent_message_id, last_summarized_message_id, message, token_count,
    message_type, time_sent) VALUES
    (9, '00000000-0000-0000-0000-000000000001', 8, 4, 'Resumen: se habló de ecosistemas.', 7, 'ASSISTANT',
        '2026-03-01 10:00+00');
INSERT INTO chat_feedback (chat_message_id, is_positive) VALUES (3, false), (4, false), (4, NULL), (4, true), (NULL, true);
INSERT INTO search_doc (id, document_id, chunk_ind, semantic_id, blurb, score) VALUES
    (1, 'FILE__bio', 4, 'biologia.pdf', 'Un ecosistema es...', 0.4), (2, 'FILE__geo', 0, 'geografia.pdf', 'Clima', 0.9);
INSERT INTO chat_message__search_doc VALUES (4, 1), (4, 2);

-- 2: the provider failed. 3: deleted by the person, and only hidden. 4: incognito. 5: opened, and nothing asked.
INSERT INTO chat_message (id, chat_session_id, parent_message_id, latest_child_message_id, message, token_count,
    message_type, error, time_sent) VALUES
    (20, '00000000-0000-0000-0000-000000000002', NULL, 21, '', 0, 'SYSTEM', NULL, '2026-03-02 10:00+00'),
    (21, '00000000-0000-0000-0000-000000000002', 20, 22, '¿Cuánto mide el Teide?', 5, 'USER', NULL,
        '2026-03-02 10:00:01+00'),
    (22, '00000000-0000-0000-0000-000000000002', 21, NULL, 'The model provider is unavailable.', 5, 'ASSISTANT',
        'LLM failed to answer: ¿Cuánto mide el Teide?', '2026-03-02 10:00:02+00'),
    (30, '00000000-0000-0000-0000-000000000003', NULL, 31, '', 0, 'SYSTEM', NULL, '2026-03-03 10:00+00'),
    (31, '00000000-0000-0000-0000-000000000003', 30, 32, 'Me arrepiento de esto', 4, 'USER', NULL,
        '2026-03-03 10:00:01+00'),
    (32, '00000000-0000-0000-0000-000000000003', 31, NULL, 'Está bien.', 3, 'ASSISTANT', NULL,
        '2026-03-03 10:00:02+00'),
    (40, '00000000-0000-0000-0000-000000000004', NULL, 41, '', 0, 'SYSTEM', NULL, '2026-03-04 10:00+00'),
    (41, '00000000-0000-0000-0000-000000000004', 40, 42, 'Esto es secreto', 4, 'USER', NULL, '2026-03-04 10:00:01+00'),
    (42, '00000000-0000-0000-0000-000000000004', 41, NULL, 'De acuerdo.', 3, 'ASSISTANT', NULL,
        '2026-03-04 10:00:02+00'),
    (50, '00000000-0000-0000-0000-000000000005', NULL, NULL, '', 0, 'SYSTEM', NULL, '2026-03-05 10:00+00');
