-- Dify 1.x, by hand after its models (Conversation, Message, MessageFeedback, MessageAnnotation): the columns that
-- ftworker reads, and those that rows cannot be without. Times are UTC without a zone, as Dify's connections write them.

CREATE TABLE conversations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id uuid NOT NULL, model_id varchar(255),
    override_model_configs text, mode varchar(255) NOT NULL DEFAULT 'chat', name varchar(255) NOT NULL DEFAULT '',
    inputs json, status varchar(255) NOT NULL DEFAULT 'normal', invoke_from varchar(255),
    from_source varchar(255) NOT NULL, from_end_user_id uuid, from_account_id uuid,
    created_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP,
    is_deleted boolean NOT NULL DEFAULT false
);
CREATE INDEX conversation_app_from_user_idx ON conversations (app_id, from_source, from_end_user_id);
CREATE TABLE messages (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), app_id uuid, model_id varchar(255), override_model_configs text,
    conversation_id uuid NOT NULL REFERENCES conversations, inputs json, query text NOT NULL, message json,
    answer text NOT NULL, parent_message_id uuid, status varchar(255) NOT NULL DEFAULT 'normal', error text,
    message_metadata text, invoke_from varchar(255), from_source varchar(255), from_end_user_id uuid,
    created_at timestamp NOT NULL, updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX message_conversation_id_idx ON messages (conversation_id);
CREATE INDEX message_created_at_idx ON messages (created_at);
CREATE TABLE message_feedbacks (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), message_id uuid NOT NULL, rating varchar(255) NOT NULL, content text,
    from_source varchar(255) NOT NULL
);
CREATE INDEX message_feedback_message_idx ON message_feedbacks (message_id, from_source);
CREATE TABLE message_annotations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), message_id uuid, question text, content text NOT NULL,
    updated_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
);
CREATE INDEX message_annotation_message_idx ON message_annotations (message_id);

INSERT INTO conversations (id, app_id, invoke_from, from_source, from_end_user_id, is_deleted) VALUES
    ('c0000000-0000-0000-0000-000000000001', 'a0000000-0000-0000-0000-000000000001', 'web-app', 'api',
     'e0000000-0000-0000-0000-000000000001', false),
    ('c0000000-0000-0000-0000-000000000002', 'a0000000-0000-0000-0000-000000000001', 'service-api', 'api',
     'e0000000-0000-0000-0000-000000000002', false),
    ('c0000000-0000-0000-0000-000000000003', 'a0000000-0000-0000-0000-000000000001', 'web-app', 'api',
     'e0000000-0000-0000-0000-000000000002', true);
INSERT INTO conversations (id, app_id, invoke_from, from_source, from_account_id, override_model_configs) VALUES
    ('c0000000-0000-0000-0000-000000000004', 'a0000000-0000-0000-0000-000000000001', 'debugger', 'console',
     'f0000000-0000-0000-0000-000000000001', NULL),
    ('c0000000-0000-0000-0000-000000000005', 'a0000000-0000-0000-0000-000000000001', NULL, 'console',
     'f0000000-0000-0000-0000-000000000001', NULL);

-- Conversation 1: the first answer was made anew, the conversation went on from the second.
INSERT INTO messages (id, conversation_id, query, answer, parent_message_id, created_at, model_id, message_metadata) VALUES
    ('00000000-0000-0000-0000-00000000a001', 'c0000000-0000-0000-0000-000000000001', '¿Qué es una célula?',
     'Una cosa pequeña.', NULL, '2026-03-02 09:00:00', 'gpt-4.1-mini', NULL),
    ('00000000-0000-0000-0000-00000000a002', 'c0000000-0000-0000-0000-000000000001', '¿Qué es una célula?',
     'La unidad básica de los seres vivos.', NULL, '2026-03-02 09:00:40', 'gpt-4.1-mini',
     '{"retriever_resources": [{"position": 1, "dataset_id": "d1", "document_name": "bio.pdf", "segment_id": "s1",
       "score": 0.83, "content": "La célula es la unidad básica de los seres vivos."},
       {"position": 2, "document_name": "bio.pdf", "segment_id": "s2", "score": 0.41, "content": "Hay células sin núcleo."}],
       "usage": {"total_tokens": 120}}'),
    ('00000000-0000-0000-0000-00000000a003', 'c0000000-0000-0000-0000-000000000001', '¿Y el núcleo?',
     'Guarda el agua.', '00000000-0000-0000-0000-00000000a002', '2026-03-02 09:02:00', 'gpt-4.1-mini', '{"usage": {}}');
INSERT INTO message_feedbacks (message_id, rating, from_source) VALUES
    ('00000000-0000-0000-0000-00000000a001', 'dislike', 'user'),
    ('00000000-0000-0000-0000-00000000a002', 'like', 'user'),
    ('00000000-0000-0000-0000-00000000a003', 'like', 'user'),
    ('00000000-0000-0000-0000-00000000a003', 'dislike', 'admin');
INSERT INTO message_annotations (message_id, question, content, updated_at) VALUES
    ('00000000-0000-0000-0000-00000000a002', '¿Qué es una célula?', 'La unidad básica de los seres vivos.', '2026-03-03'),
    ('00000000-0000-0000-0000-00000000a003', '¿Y el núcleo?', 'Guarda agua y ADN.', '2026-03-03'),
    ('00000000-0000-0000-0000-00000000a003', '¿Y el núcleo?', 'Guarda el ADN.', '2026-03-04');

-- Conversation 2 came through the API: every turn has the nil parent. The last one failed.
INSERT INTO messages (id, conversation_id, query, answer, parent_message_id, created_at, status, error) VALUES
    ('00000000-0000-0000-0000-00000000b001', 'c0000000-0000-0000-0000-000000000002', '¿Capital de Perú?', 'Lima.',
     '00000000-0000-0000-0000-000000000000', '2026-03-02 10:00:00', 'normal', NULL),
    ('00000000-0000-0000-0000-00000000b002', 'c0000000-0000-0000-0000-000000000002', '¿Y de Chile?', 'Santiago.',
     '00000000-0000-0000-0000-000000000000', '2026-03-02 10:00:30', 'normal', ''),
    ('00000000-0000-0000-0000-00000000b003', 'c0000000-0000-0000-0000-000000000002', '¿Y de Bolivia?', '',
     '00000000-0000-0000-0000-000000000000', '2026-03-02 10:01:00', 'error', 'Rate limit reached');

-- Deleted, and tried out by those who build the app: in the editor, and before Dify kept where a call came from.
INSERT INTO messages (id, conversation_id, query, answer, created_at, override_model_configs) VALUES
    ('00000000-0000-0000-0000-00000000c001', 'c0000000-0000-0000-0000-000000000003', 'P', 'R', '2026-03-02 11:00', NULL),
    ('00000000-0000-0000-0000-00000000d001', 'c0000000-0000-0000-0000-000000000004', 'P', 'R', '2026-03-02 11:00', NULL),
    ('00000000-0000-0000-0000-00000000e001', 'c0000000-0000-0000-0000-000000000005', 'P', 'R', '2026-03-02 11:00',
     '{"model": {"name": "gpt-4.1"}}');
