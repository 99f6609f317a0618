-- Written by Chainlit 2.12.0's own code: write_chainlit.py. Do not edit.
-- SQLAlchemy layer over the documented tables, which lack steps.autoCollapse.

CREATE TABLE feedbacks (
    id uuid NOT NULL,
    "forId" uuid NOT NULL,
    "threadId" uuid NOT NULL,
    value integer NOT NULL,
    comment text
);

CREATE TABLE steps (
    id uuid NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    "threadId" uuid NOT NULL,
    "parentId" uuid,
    streaming boolean NOT NULL,
    "waitForAnswer" boolean,
    "isError" boolean,
    metadata jsonb,
    tags text[],
    input text,
    output text,
    "createdAt" text,
    command text,
    start text,
    "end" text,
    generation jsonb,
    "showInput" text,
    language text,
    indent integer,
    "defaultOpen" boolean
);

CREATE TABLE threads (
    id uuid NOT NULL,
    "createdAt" text,
    name text,
    "userId" uuid,
    "userIdentifier" text,
    tags text[],
    metadata jsonb
);

CREATE TABLE users (
    id uuid NOT NULL,
    identifier text NOT NULL,
    metadata jsonb NOT NULL,
    "createdAt" text
);

INSERT INTO feedbacks (id, "forId", "threadId", value, comment) VALUES ('1ad3f3c0-9cb2-5c84-af88-2d665b678a62', '2b92f22d-3cba-58d6-b51f-4b0ea5311294', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 1, NULL);
INSERT INTO feedbacks (id, "forId", "threadId", value, comment) VALUES ('0456a3fe-72fa-5da7-adee-f0a69e9a4158', 'b9afaa6f-2c68-5824-9c43-230f18ca87db', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 0, 'Está mal');

INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('03967b76-d809-5847-b57f-fa065983f524', 'alumna', 'user_message', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, false, false, false, '{}', NULL, NULL, '¿Qué necesita una planta para hacer la fotosíntesis?', '2026-03-02T09:00:00.250000Z', NULL, '2026-03-02T09:00:00.250000Z', '2026-03-02T09:00:00.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('2b92f22d-3cba-58d6-b51f-4b0ea5311294', 'Assistant', 'assistant_message', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 'a4f4705f-2a7d-5fab-a5e0-04683f9ab8f3', false, false, false, '{}', NULL, NULL, 'Necesita luz, agua y dióxido de carbono.', '2026-03-02T09:00:09.250000Z', NULL, '2026-03-02T09:00:09.250000Z', '2026-03-02T09:00:09.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('325c3d4d-5bc7-5d3e-9fb6-1e2681750c9a', 'alumna', 'user_message', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, false, false, false, '{}', NULL, NULL, '¿Y qué produce?', '2026-03-02T09:00:11.250000Z', NULL, '2026-03-02T09:00:11.250000Z', '2026-03-02T09:00:11.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('453b8432-d4db-5b13-9609-1991e35dd8e4', 'Assistant', 'assistant_message', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', false, false, false, '{}', NULL, NULL, 'Busco en los apuntes…', '2026-03-02T09:00:14.250000Z', NULL, '2026-03-02T09:00:14.250000Z', '2026-03-02T09:00:14.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('b9afaa6f-2c68-5824-9c43-230f18ca87db', 'Assistant', 'assistant_message', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', false, false, false, '{}', NULL, NULL, 'Produce sales.', '2026-03-02T09:00:21.250000Z', NULL, '2026-03-02T09:00:21.250000Z', '2026-03-02T09:00:21.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('932ee602-af54-53d5-b1e5-94803f78f547', 'alumna', 'user_message', '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, false, false, false, '{}', NULL, NULL, '¿Cuánto es 7 por 8?', '2026-03-02T09:00:23.250000Z', NULL, '2026-03-02T09:00:23.250000Z', '2026-03-02T09:00:23.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('1c418fbd-3c60-4f1d-b671-4e465bbbc84c', 'Assistant', 'assistant_message', '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, false, false, true, '{}', NULL, NULL, 'Se agotó el tiempo', '2026-03-02T09:00:24.250000Z', NULL, '2026-03-02T09:00:24.250000Z', '2026-03-02T09:00:24.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('c291e4af-34c1-5254-93f7-27cb2577d7f3', 'alumna', 'user_message', '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, false, false, false, '{}', NULL, NULL, '¿Cuánto es 7 por 8?', '2026-03-02T09:00:25.250000Z', NULL, '2026-03-02T09:00:25.250000Z', '2026-03-02T09:00:25.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('1d9976fc-20df-5e6d-b44c-159537f439e6', 'Assistant', 'assistant_message', '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, false, false, false, '{}', NULL, NULL, 'Son 56.', '2026-03-02T09:00:26.250000Z', NULL, '2026-03-02T09:00:26.250000Z', '2026-03-02T09:00:26.250000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('0e9dcb9a-b257-558e-beff-004578a602bb', 'Assistant', 'assistant_message', '6a44a755-b6d6-5349-8246-60766326b9fc', NULL, false, false, false, '{}', NULL, NULL, 'El Ebro.', '2026-03-03T18:30:00.000000Z', NULL, '2026-03-03T18:30:00.000000Z', '2026-03-03T18:30:00.000000Z', '{}', NULL, NULL, NULL, NULL);
INSERT INTO steps (id, name, type, "threadId", "parentId", streaming, "waitForAnswer", "isError", metadata, tags, input, output, "createdAt", command, start, "end", generation, "showInput", language, indent, "defaultOpen") VALUES ('af8b6a89-af5d-5ffc-9c91-65ec19bb9cd2', 'Assistant', 'user_message', '6a44a755-b6d6-5349-8246-60766326b9fc', NULL, false, false, false, '{}', NULL, NULL, '¿Cuál es el río más caudaloso de España?', '2026-03-03T18:30:00.000000Z', NULL, '2026-03-03T18:30:00.000000Z', '2026-03-03T18:30:00.000000Z', '{}', NULL, NULL, NULL, NULL);

INSERT INTO threads (id, "createdAt", name, "userId", "userIdentifier", tags, metadata) VALUES ('2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '2026-11-23T06:11:36.766434Z', NULL, 'd17a862a-6ecb-487f-9ffa-c971b9a80ba7', 'alumna-17', NULL, '{}');
INSERT INTO threads (id, "createdAt", name, "userId", "userIdentifier", tags, metadata) VALUES ('1fe9163e-762d-51ef-8d8c-ee99d3562ca9', '2026-11-23T06:11:36.814742Z', NULL, 'd17a862a-6ecb-487f-9ffa-c971b9a80ba7', 'alumna-17', NULL, '{}');
INSERT INTO threads (id, "createdAt", name, "userId", "userIdentifier", tags, metadata) VALUES ('6a44a755-b6d6-5349-8246-60766326b9fc', '2026-11-23T06:11:36.824667Z', NULL, NULL, NULL, NULL, '{}');

INSERT INTO users (id, identifier, metadata, "createdAt") VALUES ('d17a862a-6ecb-487f-9ffa-c971b9a80ba7', 'alumna-17', '{"curso": "bio-1"}', '2026-11-23T06:11:36.763144Z');

ALTER TABLE ONLY feedbacks
    ADD CONSTRAINT feedbacks_pkey PRIMARY KEY (id);

ALTER TABLE ONLY steps
    ADD CONSTRAINT steps_pkey PRIMARY KEY (id);

ALTER TABLE ONLY threads
    ADD CONSTRAINT threads_pkey PRIMARY KEY (id);

ALTER TABLE ONLY users
    ADD CONSTRAINT users_identifier_key UNIQUE (identifier);

ALTER TABLE ONLY users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

ALTER TABLE ONLY feedbacks
    ADD CONSTRAINT "feedbacks_threadId_fkey" FOREIGN KEY ("threadId") REFERENCES threads(id) ON DELETE CASCADE;

ALTER TABLE ONLY steps
    ADD CONSTRAINT "steps_threadId_fkey" FOREIGN KEY ("threadId") REFERENCES threads(id) ON DELETE CASCADE;

ALTER TABLE ONLY threads
    ADD CONSTRAINT "threads_userId_fkey" FOREIGN KEY ("userId") REFERENCES users(id) ON DELETE CASCADE;
