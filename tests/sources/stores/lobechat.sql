-- The tables of LobeChat's server database (packages/database/src/schemas, 2025-12) that hold a chat; other tables that
-- they refer to left out.

CREATE TABLE topics (
    id text PRIMARY KEY,
    title text,
    favorite boolean DEFAULT false,
    session_id text,
    group_id text,
    user_id text NOT NULL,
    client_id text,
    history_summary text,
    metadata jsonb,
    accessed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE messages (
    id text PRIMARY KEY,
    role varchar(255) NOT NULL,
    content text,
    reasoning jsonb,
    search jsonb,
    metadata jsonb,
    model text,
    provider text,
    favorite boolean DEFAULT false,
    error jsonb,
    tools jsonb,
    trace_id text,
    observation_id text,
    client_id text,
    user_id text NOT NULL,
    session_id text,
    topic_id text REFERENCES topics ON DELETE CASCADE,
    thread_id text,
    parent_id text REFERENCES messages ON DELETE SET NULL,
    quota_id text,
    agent_id text,
    group_id text,
    target_id text,
    accessed_at timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_created_at_idx ON messages (created_at);
CREATE INDEX messages_topic_id_idx ON messages (topic_id);
CREATE INDEX messages_parent_id_idx ON messages (parent_id);
CREATE INDEX messages_session_id_idx ON messages (session_id);

CREATE TABLE chunks (
    id uuid PRIMARY KEY,
    text text,
    abstract text,
    metadata jsonb,
    index integer,
    type varchar,
    user_id text
);

CREATE TABLE message_query_chunks (
    id text REFERENCES messages ON DELETE CASCADE,
    query_id uuid,
    chunk_id uuid REFERENCES chunks ON DELETE CASCADE,
    similarity numeric(6, 5),
    user_id text NOT NULL,
    PRIMARY KEY (chunk_id, id, query_id)
);

INSERT INTO topics (id, title, session_id, user_id) VALUES
    ('tpc_rios', 'Ríos', 'ssn_geo', 'user_7'), ('tpc_ramas', 'Ramas', 'ssn_geo', 'user_7'),
    ('tpc_fallo', 'Fallo', 'ssn_geo', 'user_8'), ('tpc_grupo', 'Grupo', NULL, 'user_8');

INSERT INTO messages (id, role, content, parent_id, topic_id, session_id, agent_id, thread_id, group_id, user_id, model,
    metadata, error, created_at, updated_at) VALUES
    -- Without branches, as older versions write: a question has no parent. The first answer was made anew, then a tool
    -- was asked. A sub-thread about one answer stands aside.
    ('r1', 'user', '¿Cuál es el río más largo de España?', NULL, 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', NULL,
        NULL, NULL, '2026-03-01 10:00+00', '2026-03-01 10:00+00'),
    ('r2', 'assistant', 'El Ebro.', 'r1', 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', 'gpt-4.1', NULL, NULL,
        '2026-03-01 10:00:05+00', '2026-03-01 10:00:05+00'),
    ('r3', 'assistant', 'El Tajo, que nace en Teruel.', 'r1', 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', 'gpt-4.1', NULL, 'null',
        '2026-03-01 10:00:20+00', '2026-03-01 10:00:20+00'),
    ('r4', 'user', '¿Cuánto mide?', NULL, 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', NULL, NULL, NULL,
        '2026-03-01 10:01+00', '2026-03-01 10:01+00'),
    ('r5', 'assistant', '', 'r4', 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', 'gpt-4.1', NULL, NULL,
        '2026-03-01 10:01:05+00', '2026-03-01 10:01:05+00'),
    ('r6', 'tool', '{"km": 1007}', 'r5', 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', NULL, NULL, NULL,
        '2026-03-01 10:01:06+00', '2026-03-01 10:01:06+00'),
    ('r7', 'assistant', 'Mide 1007 km de largo.', 'r6', 'tpc_rios', 'ssn_geo', NULL, NULL, NULL, 'user_7', 'gpt-4.1', NULL, NULL,
        '2026-03-01 10:01:10+00', '2026-03-01 10:01:10+00'),
    ('r8', 'user', '¿Por qué dices eso?', 'r7', 'tpc_rios', 'ssn_geo', NULL, 'thd_1', NULL, 'user_7', NULL, NULL, NULL,
        '2026-03-01 10:02+00', '2026-03-01 10:02+00'),
    -- With branches: the second answer is shown; below it, without a word about it, the question that goes on. The
    -- rows of the first turn have one time.
    ('b1', 'user', '¿Qué es un delta?', NULL, 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL, 'user_7', NULL,
        '{"activeBranchIndex": 1}', NULL, '2026-03-01 11:00+00', '2026-03-01 11:00+00'),
    ('b2', 'assistant', 'Una letra griega.', 'b1', 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL, 'user_7', 'qwen3',
        NULL, NULL, '2026-03-01 11:00+00', '2026-03-01 11:00+00'),
    ('b3', 'assistant', 'La tierra que un río deposita en su boca.', 'b1', 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL,
        'user_7', 'qwen3', 'null', NULL, '2026-03-01 11:00+00', '2026-03-01 11:00+00'),
    ('b4', 'user', '¿Y un estuario?', 'b3', 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL, 'user_7', NULL, NULL, NULL,
        '2026-03-01 11:01+00', '2026-03-01 11:01+00'),
    ('b5', 'user', '¿Qué es un estuario?', 'b3', 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL, 'user_7', NULL, NULL,
        NULL, '2026-03-01 11:02+00', '2026-03-01 11:02+00'),
    ('b6', 'assistant', 'Una boca en la que entra el mar.', 'b5', 'tpc_ramas', 'ssn_geo', 'agt_geo', NULL, NULL, 'user_7',
        'qwen3', NULL, NULL, '2026-03-01 11:02:05+00', '2026-03-01 11:02:05+00'),
    -- What failed, and what nobody waited for.
    ('f1', 'user', '¿Qué es un glaciar?', NULL, 'tpc_fallo', 'ssn_geo', NULL, NULL, NULL, 'user_8', NULL, NULL, NULL,
        '2026-03-01 12:00+00', '2026-03-01 12:00+00'),
    ('f2', 'assistant', '', 'f1', 'tpc_fallo', 'ssn_geo', NULL, NULL, NULL, 'user_8', 'gpt-4.1', NULL,
        '{"type": "ProviderBizError", "body": {"message": "¿Qué es un glaciar?"}}', '2026-03-01 12:00:01+00',
        '2026-03-01 12:00:01+00'),
    ('f3', 'user', '¿Y ahora?', NULL, 'tpc_fallo', 'ssn_geo', NULL, NULL, NULL, 'user_8', NULL, NULL, NULL,
        '2026-03-01 12:01+00', '2026-03-01 12:01+00'),
    ('f4', 'assistant', '...', 'f3', 'tpc_fallo', 'ssn_geo', NULL, NULL, NULL, 'user_8', 'gpt-4.1', NULL, NULL,
        '2026-03-01 12:01:01+00', '2026-03-01 12:01:01+00'),
    -- Outside of topics: one conversation in the inbox, one in a session. And a group of assistants.
    ('i1', 'user', '¿Qué es una isla?', NULL, NULL, NULL, NULL, NULL, NULL, 'user_8', NULL, NULL, NULL,
        '2026-03-01 13:00+00', '2026-03-01 13:00+00'),
    ('i2', 'assistant', 'Tierra rodeada de agua.', 'i1', NULL, NULL, NULL, NULL, NULL, 'user_8', 'gpt-4.1', NULL, NULL,
        '2026-03-01 13:00:05+00', '2026-03-01 13:00:05+00'),
    ('s1', 'user', '¿Qué es un cabo?', NULL, NULL, 'ssn_geo', NULL, NULL, NULL, 'user_8', NULL, NULL, NULL,
        '2026-03-01 14:00+00', '2026-03-01 14:00+00'),
    ('s2', 'assistant', 'Tierra que entra en el mar.', 's1', NULL, 'ssn_geo', NULL, NULL, NULL, 'user_8', 'gpt-4.1', NULL,
        NULL, '2026-03-01 14:00:05+00', '2026-03-01 14:00:05+00'),
    ('g1', 'user', 'Hablad entre vosotros', NULL, 'tpc_grupo', NULL, NULL, NULL, 'cg_1', 'user_8', NULL, NULL, NULL,
        '2026-03-01 15:00+00', '2026-03-01 15:00+00');

INSERT INTO chunks (id, text) VALUES ('00000000-0000-0000-0000-0000000000c1', 'El Tajo nace en Teruel.'),
    ('00000000-0000-0000-0000-0000000000c2', 'El Tajo mide 1007 km.');
INSERT INTO message_query_chunks (id, query_id, chunk_id, similarity, user_id) VALUES
    ('r7', '00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-0000000000c1', 0.41, 'user_7'),
    ('r7', '00000000-0000-0000-0000-0000000000d1', '00000000-0000-0000-0000-0000000000c2', 0.92, 'user_7');
