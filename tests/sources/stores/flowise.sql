-- Flowise 3.1, by hand after its migrations: the columns that ftworker reads and those that rows cannot be without.

CREATE TABLE chat_message (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), role varchar NOT NULL, chatflowid uuid NOT NULL, content text NOT NULL,
    "sourceDocuments" text, "usedTools" text, "fileAnnotations" text, "agentReasoning" text, "fileUploads" text,
    artifacts text, action text, "chatType" varchar NOT NULL DEFAULT 'INTERNAL', "chatId" varchar NOT NULL,
    "memoryType" varchar, "sessionId" varchar, "leadEmail" text, "followUpPrompts" text, "executionId" uuid,
    "createdDate" timestamp NOT NULL DEFAULT now()
);
CREATE INDEX "IDX_f56c36fe42894d57e5c664d229" ON chat_message (chatflowid);
CREATE TABLE chat_message_feedback (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), chatflowid uuid NOT NULL, "chatId" varchar NOT NULL,
    "messageId" uuid NOT NULL UNIQUE, rating varchar NOT NULL, content text, "createdDate" timestamp NOT NULL DEFAULT now()
);
CREATE INDEX "IDX_9acddcb7a2b51fe37669049fc6" ON chat_message_feedback ("chatId");

INSERT INTO chat_message (id, role, chatflowid, content, "sourceDocuments", "chatType", "chatId", "sessionId", "leadEmail",
    "createdDate") VALUES
    ('10000000-0000-0000-0000-000000000001', 'userMessage', 'f0000000-0000-0000-0000-000000000001',
     '¿Qué es un sustantivo?', NULL, 'EXTERNAL', 'k1', '+34 600 123 456', 'leo@example.org', '2026-07-01 12:00:00'),
    ('10000000-0000-0000-0000-000000000002', 'apiMessage', 'f0000000-0000-0000-0000-000000000001',
     'Una palabra que nombra.',
     '[{"pageContent": "El sustantivo nombra seres y cosas.", "metadata": {"source": "lengua.pdf"}}, {"pageContent": ""}]',
     'EXTERNAL', 'k1', '+34 600 123 456', NULL, '2026-07-01 12:00:04'),
    -- Both saved at one moment; the id of the answer is the smaller one.
    ('30000000-0000-0000-0000-000000000003', 'userMessage', 'f0000000-0000-0000-0000-000000000001',
     '¿Y un verbo?', NULL, 'EXTERNAL', 'k1', '+34 600 123 456', NULL, '2026-07-01 12:01:00'),
    ('20000000-0000-0000-0000-000000000004', 'apiMessage', 'f0000000-0000-0000-0000-000000000001',
     'Una acción, como mesa.', 'no es JSON', 'EXTERNAL', 'k1', '+34 600 123 456', NULL, '2026-07-01 12:01:00'),
    ('10000000-0000-0000-0000-000000000005', 'userMessage', 'f0000000-0000-0000-0000-000000000002', 'Prueba', NULL,
     'INTERNAL', 'k2', NULL, NULL, '2026-07-02 09:00:00'),
    ('10000000-0000-0000-0000-000000000006', 'apiMessage', 'f0000000-0000-0000-0000-000000000002', 'Hola', NULL,
     'INTERNAL', 'k2', NULL, NULL, '2026-07-02 09:00:01');
INSERT INTO chat_message_feedback (chatflowid, "chatId", "messageId", rating, content) VALUES
    ('f0000000-0000-0000-0000-000000000001', 'k1', '10000000-0000-0000-0000-000000000002', 'THUMBS_UP', NULL),
    ('f0000000-0000-0000-0000-000000000001', 'k1', '20000000-0000-0000-0000-000000000004', 'THUMBS_DOWN', 'Está mal');
