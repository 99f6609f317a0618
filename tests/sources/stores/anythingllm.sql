-- The tables of AnythingLLM 1.16 (server/prisma/schema.prisma, its PostgreSQL option) that hold a chat. Prisma keeps
-- times in UTC, in columns without a zone.

CREATE TABLE workspaces (
    id serial PRIMARY KEY,
    name text NOT NULL,
    slug text NOT NULL UNIQUE,
    "vectorTag" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "openAiTemp" double precision,
    "openAiHistory" integer NOT NULL DEFAULT 20,
    "lastUpdatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "openAiPrompt" text,
    "chatModel" text,
    "chatMode" text DEFAULT 'chat',
    "queryRefusalResponse" text
);

CREATE TABLE workspace_chats (
    id serial PRIMARY KEY,
    "workspaceId" integer NOT NULL,
    prompt text NOT NULL,
    response text NOT NULL,
    include boolean NOT NULL DEFAULT true,
    user_id integer,
    thread_id integer,
    api_session_id text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUpdatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "feedbackScore" boolean,
    memory_processed boolean
);

INSERT INTO workspaces (id, name, slug) VALUES (1, 'Matemáticas', 'matematicas'), (2, 'Lengua', 'lengua');

INSERT INTO workspace_chats (id, "workspaceId", prompt, response, include, user_id, thread_id, api_session_id,
    "createdAt", "feedbackScore") VALUES
    -- A thread of user 7, both turns in the same millisecond.
    (1, 1, '¿Qué es un número primo?',
        '{"text": "El que solo se divide por 1 y por sí mismo.", "sources": [{"id": "a1", "title": "tema2.pdf",'
        ' "text": "Un primo tiene dos divisores.", "score": 0.81}, {"title": "apuntes.txt", "text": "  "}],'
        ' "type": "chat", "attachments": [], "metrics": {"model": "llama3.1:8b", "duration": 1.2}}',
        true, 7, 5, NULL, '2026-07-01 10:00:00', true),
    (2, 1, '¿El 1 es primo?',
        '{"text": "No: tiene un solo divisor.", "sources": [], "type": "chat", "attachments": []}',
        true, 7, 5, NULL, '2026-07-01 10:00:00', false),
    -- The same user outside of threads: before a /reset, and after it.
    (3, 1, 'borra esto', '{"text": "Texto que ya no cuenta.", "sources": [], "type": "chat"}', false, 7, NULL, NULL,
        '2026-07-01 11:00:00', NULL),
    (4, 1, '¿Cuánto es siete por ocho?', '{"text": "Son 56.", "sources": [], "type": "chat"}', true, 7, NULL, NULL,
        '2026-07-01 11:05:00', NULL),
    -- Query mode without a passage: refused, and kept out of the history.
    (5, 2, '¿Quién ganó ayer?', '{"text": "There is no relevant information in this workspace to answer your query.",'
        ' "sources": [], "type": "query"}', false, 8, NULL, NULL, '2026-07-01 12:00:00', NULL),
    -- Two pupils behind the developer API, told apart by their session.
    (6, 2, '¿Qué es un adjetivo?', '{"text": "La palabra que acompaña al nombre.", "sources": [], "type": "chat"}',
        true, NULL, NULL, 'ana', '2026-07-01 13:00:00', NULL),
    (7, 2, '¿Qué es un verbo?', '{"text": "La palabra que expresa una acción.", "sources": [], "type": "chat"}',
        true, NULL, NULL, 'luis', '2026-07-01 13:00:00', NULL),
    -- An answer that is no JSON, one that is JSON null, and one with half of a surrogate pair.
    (8, 2, '¿Qué es una sílaba?', 'undefined', true, NULL, NULL, 'rota', '2026-07-01 14:00:00', NULL),
    (9, 2, '¿Y un diptongo?', 'null', true, NULL, NULL, 'rota', '2026-07-01 14:01:00', NULL),
    (10, 2, '¿Y un hiato?', '{"text": "Dos vocales \ud83d separadas.", "sources": null, "metrics": null}', true, NULL,
        NULL, 'rota', '2026-07-01 14:02:00', NULL);
