-- The tables of RAGFlow 0.27 (api/db/db_models.py, DB_TYPE=postgres) that hold a chat. JSON stands in columns of type
-- text; create_time and update_time are milliseconds since 1970.

CREATE TABLE dialog (
    id varchar(32) PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    tenant_id varchar(32) NOT NULL,
    name varchar(255),
    llm_id varchar(128) NOT NULL,
    prompt_config text NOT NULL DEFAULT '{}',
    kb_ids text NOT NULL DEFAULT '[]',
    status varchar(1) DEFAULT '1'
);

CREATE TABLE conversation (
    id varchar(32) PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    dialog_id varchar(32) NOT NULL,
    name varchar(255),
    message text,
    reference text DEFAULT '[]',
    user_id varchar(255)
);
CREATE INDEX conversation_update_time ON conversation (update_time);

CREATE TABLE api_4_conversation (
    id varchar(32) PRIMARY KEY,
    create_time bigint, create_date timestamp, update_time bigint, update_date timestamp,
    name varchar(255),
    dialog_id varchar(32) NOT NULL,
    user_id varchar(255) NOT NULL,
    exp_user_id varchar(255),
    message text,
    reference text DEFAULT '[]',
    tokens integer DEFAULT 0,
    source varchar(16),
    dsl text DEFAULT '{}',
    duration double precision DEFAULT 0,
    round integer DEFAULT 0,
    thumb_up integer DEFAULT 0,
    errors text,
    version_title varchar(255)
);
CREATE INDEX api4conversation_update_time ON api_4_conversation (update_time);

INSERT INTO dialog (id, tenant_id, name, llm_id) VALUES ('d1', 't1', 'Historia', 'qwen3:8b@Ollama');

INSERT INTO conversation (id, dialog_id, user_id, create_time, update_time, message, reference) VALUES
    -- A prologue, a rating, both forms of markers, passages in today's names and in the index's.
    ('c1', 'd1', 'alumna-7', 1772359200000, 1772359260000,
        '[{"role": "assistant", "content": "Hola, soy tu tutor."},'
        ' {"role": "user", "content": "¿Cuándo cayó Granada?", "id": "m1"},'
        ' {"role": "assistant", "content": "En 1492 [ID:1].", "id": "m1", "created_at": 1772359205.5, "thumbup": true},'
        ' {"role": "user", "content": "¿Y quién reinaba? \"role\": nadie", "id": "m2"},'
        ' {"role": "assistant", "content": "<think>Veamos</think>Isabel y Fernando ##0$$.", "id": "m2",'
        ' "created_at": 1772359260, "thumbup": false, "feedback": "muy corta"}]',
        '[{"chunks": [{"id": "k1", "content": "Colón zarpó en agosto.", "document_name": "colon.pdf", "similarity": 0.3},'
        ' {"id": "k2", "content": "Granada cayó en enero de 1492.", "document_name": "granada.pdf", "similarity": 0.9}],'
        ' "doc_aggs": []},'
        ' {"chunks": [{"chunk_id": "k3", "content_with_weight": "Los Reyes Católicos.", "docnm_kwd": "reyes.pdf"}]}]'),
    -- RAGFlow dropped an empty reference: the one left is the last answer's.
    ('c2', 'd1', '', 1772362800000, 1772362860000,
        '[{"role": "user", "content": "Hola"}, {"role": "assistant", "content": "Hola, dime."},'
        ' {"role": "user", "content": "¿Qué es un feudo?"}, {"role": "assistant", "content": "Una tierra cedida [ID:0]."}]',
        '[{"chunks": [{"id": "k4", "content": "El feudo se cedía a un vasallo."}]}]'),
    -- The model failed, and an answer that never came.
    ('c3', 'd1', 'alumno-8', 1772366400000, 1772366460000,
        '[{"role": "user", "content": "¿Qué fue la Mesta?"}, {"role": "assistant", "content": "**ERROR**: 429 ¿Qué fue'
        ' la Mesta?"}, {"role": "user", "content": "¿Y ahora?"}, {"role": "assistant", "content": ""}]', 'null'),
    -- No JSON; nothing but the prologue; nothing at all.
    ('c4', 'd1', 'alumno-8', 1772370000000, 1772370000000, '[{"role": "user", "content": "cortad', '[]'),
    ('c5', 'd1', 'alumno-8', 1772370000000, 1772370000000, '[{"role": "assistant", "content": "Hola, soy tu tutor."}]',
        '[]'),
    ('c6', 'd1', 'alumno-8', 1772370000000, NULL, NULL, NULL);

INSERT INTO api_4_conversation (id, dialog_id, user_id, source, create_time, update_time, message, reference) VALUES
    ('a1', 'canvas-1', 'alumna-9', 'agent', 1772373600000, 1772373600000,
        '[{"role": "user", "content": "¿Qué es una fuente primaria?"},'
        ' {"role": "assistant", "content": "Un testimonio de su época."}]', '[]');
