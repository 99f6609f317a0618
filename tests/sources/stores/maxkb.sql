-- The tables of MaxKB 2 (apps/application/models, apps/knowledge/models) that hold a chat; other columns of `application`
-- and `paragraph` left out.

CREATE TABLE application (
    id uuid PRIMARY KEY,
    workspace_id varchar(64) NOT NULL DEFAULT 'default',
    name varchar(128) NOT NULL
);

CREATE TABLE application_chat (
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    id uuid PRIMARY KEY,
    abstract varchar(1024) NOT NULL,
    chat_user_id varchar,
    chat_user_type varchar(64) NOT NULL DEFAULT 'ANONYMOUS_USER',
    is_deleted boolean NOT NULL DEFAULT false,
    asker jsonb NOT NULL DEFAULT '{"username": "游客"}',
    meta jsonb NOT NULL DEFAULT '{}',
    star_num integer NOT NULL DEFAULT 0,
    trample_num integer NOT NULL DEFAULT 0,
    chat_record_count integer NOT NULL DEFAULT 0,
    mark_sum integer NOT NULL DEFAULT 0,
    source jsonb NOT NULL DEFAULT '{}',
    ip_address varchar(128) NOT NULL DEFAULT '',
    application_id uuid NOT NULL REFERENCES application
);

CREATE TABLE application_chat_record (
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    id uuid PRIMARY KEY,
    vote_status varchar(10) NOT NULL DEFAULT '-1',
    vote_reason varchar(50),
    vote_other_content varchar(1024) NOT NULL DEFAULT '',
    problem_text varchar(10240) NOT NULL,
    answer_text varchar(40960) NOT NULL,
    answer_text_list jsonb[] NOT NULL DEFAULT '{}',
    message_tokens integer NOT NULL DEFAULT 0,
    answer_tokens integer NOT NULL DEFAULT 0,
    const integer NOT NULL DEFAULT 0,
    details jsonb NOT NULL DEFAULT '{}',
    improve_paragraph_id_list uuid[] NOT NULL DEFAULT '{}',
    run_time double precision NOT NULL DEFAULT 0,
    index integer NOT NULL,
    source jsonb NOT NULL DEFAULT '{}',
    ip_address varchar(128) NOT NULL DEFAULT '',
    chat_id uuid NOT NULL REFERENCES application_chat
);
CREATE INDEX application_chat_record_chat_id ON application_chat_record (chat_id);
CREATE INDEX application_chat_record_create_time ON application_chat_record (create_time);
CREATE INDEX application_chat_record_update_time ON application_chat_record (update_time);

CREATE TABLE paragraph (
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL,
    id uuid PRIMARY KEY,
    content varchar(102400) NOT NULL,
    title varchar(256) NOT NULL DEFAULT ''
);

INSERT INTO application VALUES ('00000000-0000-0000-0000-0000000000a1', 'ies-norte', 'Física');
INSERT INTO application_chat (id, application_id, abstract, chat_user_id, chat_user_type, is_deleted, create_time,
    update_time) VALUES
    ('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-0000000000a1', 'x', 'alumna-7', 'CHAT_USER',
        false, '2026-03-01 10:00+00', '2026-03-01 10:00+00'),
    ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-0000000000a1', 'x', 'key-1',
        'APPLICATION_API_KEY', false, '2026-03-01 11:00+00', '2026-03-01 11:00+00'),
    ('00000000-0000-0000-0000-000000000003', '00000000-0000-0000-0000-0000000000a1', 'x', 'alumno-8', 'ANONYMOUS_USER',
        true, '2026-03-01 12:00+00', '2026-03-01 12:00+00');
INSERT INTO paragraph (id, title, content, create_time, update_time) VALUES
    ('00000000-0000-0000-0000-0000000000b1', 'Velocidad', 'Es el cociente del espacio y el tiempo: v = e / t.',
        '2026-03-02 09:00+00', '2026-03-02 09:00+00'),
    ('00000000-0000-0000-0000-0000000000b0', '', 'Un borrador.', '2026-03-02 08:00+00', '2026-03-02 08:00+00');

INSERT INTO application_chat_record (id, chat_id, index, problem_text, answer_text, vote_status, details,
    improve_paragraph_id_list, create_time, update_time) VALUES
    -- A simple application; the vote came an hour later; the answer was made into a better paragraph.
    ('00000000-0000-0000-0000-000000000012', '00000000-0000-0000-0000-000000000001', 0, '¿Qué es la velocidad?',
        'Es lo rápido que va algo.', '1',
        '{"problem_padding": {"padding_problem_text": "velocidad"}, "search_step": {"paragraph_list": [{"id": "p1",
        "title": "Cinemática", "content": "La velocidad relaciona espacio y tiempo.", "document_name": "fisica.docx",
        "similarity": 0.7}]}, "chat_step": {"answer_tokens": 7}}',
        '{00000000-0000-0000-0000-0000000000b0,00000000-0000-0000-0000-0000000000b1}',
        '2026-03-01 10:00+00', '2026-03-01 11:00+00'),
    -- A workflow that searched twice and reranked; stored in the same moment as the turn before.
    ('00000000-0000-0000-0000-000000000011', '00000000-0000-0000-0000-000000000001', 1, '¿Y la aceleración?',
        'El cambio de la velocidad por unidad de tiempo.', '0',
        '{"n1": {"type": "search-knowledge-node", "status": 200, "paragraph_list": [{"id": "p2", "content": "Descartado."},
        {"id": "p3", "content": "La aceleración es el cambio de velocidad."}]}, "n2": {"type": "reranker-node",
        "result_list": [{"page_content": "x", "metadata": {"id": "p3",
        "content": "La aceleración es el cambio de velocidad.", "document_name": "fisica.docx"}}]},
        "n3": {"type": "ai-chat-node", "status": 200}}', '{}', '2026-03-01 10:00+00', '2026-03-01 10:00+00'),
    -- Behind an API key: failed, then a node that failed, then cut off, then details that are JSON null.
    ('00000000-0000-0000-0000-000000000021', '00000000-0000-0000-0000-000000000002', 0, '¿Qué es un julio?',
        'Exception:connection refused', '-1', '{}', '{}', '2026-03-01 11:00+00', '2026-03-01 11:00+00'),
    ('00000000-0000-0000-0000-000000000022', '00000000-0000-0000-0000-000000000002', 1, '¿Y un vatio?', 'Un', '-1',
        '{"n1": {"type": "ai-chat-node", "status": 500, "err_message": "¿Y un vatio?"}}', '{}', '2026-03-01 11:01+00',
        '2026-03-01 11:01+00'),
    ('00000000-0000-0000-0000-000000000023', '00000000-0000-0000-0000-000000000002', 2, '¿Y un newton?',
        repeat('a', 40960), '-1', '{}', '{}', '2026-03-01 11:02+00', '2026-03-01 11:02+00'),
    ('00000000-0000-0000-0000-000000000024', '00000000-0000-0000-0000-000000000002', 3, '¿Y un pascal?',
        'Una unidad de presión.', '-1', 'null', '{}', '2026-03-01 11:03+00', '2026-03-01 11:03+00'),
    -- Deleted, and only marked so.
    ('00000000-0000-0000-0000-000000000031', '00000000-0000-0000-0000-000000000003', 0, 'Bórralo', 'Hecho.', '-1', '{}',
        '{}', '2026-03-01 12:00+00', '2026-03-01 12:00+00');
