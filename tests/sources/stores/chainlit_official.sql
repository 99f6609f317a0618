-- Written by Chainlit 2.12.0's own code: write_chainlit.py. Do not edit. Official layer.

CREATE TYPE "StepType" AS ENUM (
    'assistant_message',
    'embedding',
    'llm',
    'retrieval',
    'rerank',
    'run',
    'system_message',
    'tool',
    'undefined',
    'user_message'
);

CREATE TABLE "Feedback" (
    id text DEFAULT gen_random_uuid() NOT NULL,
    "createdAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "stepId" text,
    name text NOT NULL,
    value double precision NOT NULL,
    comment text
);

CREATE TABLE "Step" (
    id text DEFAULT gen_random_uuid() NOT NULL,
    "createdAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "parentId" text,
    "threadId" text,
    input text,
    metadata jsonb NOT NULL,
    name text,
    output text,
    type "StepType" NOT NULL,
    "showInput" text DEFAULT 'json'::text,
    "isError" boolean DEFAULT false,
    "startTime" timestamp(3) without time zone NOT NULL,
    "endTime" timestamp(3) without time zone NOT NULL
);

CREATE TABLE "Thread" (
    id text DEFAULT gen_random_uuid() NOT NULL,
    "createdAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "deletedAt" timestamp(3) without time zone,
    name text,
    metadata jsonb NOT NULL,
    "userId" text,
    tags text[] DEFAULT ARRAY[]::text[]
);

CREATE TABLE "User" (
    id text DEFAULT gen_random_uuid() NOT NULL,
    "createdAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp(3) without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    metadata jsonb NOT NULL,
    identifier text NOT NULL
);

INSERT INTO "Feedback" (id, "createdAt", "updatedAt", "stepId", name, value, comment) VALUES ('1ad3f3c0-9cb2-5c84-af88-2d665b678a62', '2026-11-23 06:11:36.999', '2026-11-23 06:11:36.999', '2b92f22d-3cba-58d6-b51f-4b0ea5311294', 'user_feedback', 1, NULL);
INSERT INTO "Feedback" (id, "createdAt", "updatedAt", "stepId", name, value, comment) VALUES ('0456a3fe-72fa-5da7-adee-f0a69e9a4158', '2026-11-23 06:11:37.012', '2026-11-23 06:11:37.012', 'b9afaa6f-2c68-5824-9c43-230f18ca87db', 'user_feedback', 0, 'Está mal');

INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('03967b76-d809-5847-b57f-fa065983f524', '2026-11-23 06:11:36.975', '2026-11-23 06:11:36.975', NULL, '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, '{}', 'alumna', '¿Qué necesita una planta para hacer la fotosíntesis?', 'user_message', 'json', false, '2026-03-02 09:00:00.25', '2026-03-02 09:00:00.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('8a03e360-afe4-5d75-bd10-4c60e658eb43', '2026-11-23 06:11:36.992', '2026-11-23 06:11:36.992', 'a4f4705f-2a7d-5fab-a5e0-04683f9ab8f3', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', 'fotosíntesis necesita', '{}', 'Apuntes', '[
    {
        "text": "La fotosíntesis necesita luz, agua y dióxido de carbono.",
        "source": "bio.pdf",
        "score": 0.9
    },
    {
        "text": "La clorofila está en los cloroplastos.",
        "source": "bio.pdf",
        "score": 0.4
    }
]', 'retrieval', 'json', false, '2026-03-02 09:00:03.25', '2026-03-02 09:00:03.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('14e11d36-6243-5bee-9c12-46a35f7a7f85', '2026-11-23 06:11:36.996', '2026-11-23 06:11:36.996', 'a4f4705f-2a7d-5fab-a5e0-04683f9ab8f3', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '', '{}', 'modelo', 'Necesita luz, agua y dióxido de carbono.', 'llm', 'json', false, '2026-03-02 09:00:06.25', '2026-03-02 09:00:06.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('2b92f22d-3cba-58d6-b51f-4b0ea5311294', '2026-11-23 06:11:36.998', '2026-11-23 06:11:36.998', 'a4f4705f-2a7d-5fab-a5e0-04683f9ab8f3', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, '{}', 'Assistant', 'Necesita luz, agua y dióxido de carbono.', 'assistant_message', 'json', false, '2026-03-02 09:00:09.25', '2026-03-02 09:00:09.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('a4f4705f-2a7d-5fab-a5e0-04683f9ab8f3', '2026-11-23 06:11:36.979', '2026-11-23 06:11:36.979', NULL, '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '', '{}', 'on_message', '', 'run', 'json', false, '2026-03-02 09:00:01.25', '2026-03-02 09:00:01.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('325c3d4d-5bc7-5d3e-9fb6-1e2681750c9a', '2026-11-23 06:11:37.001', '2026-11-23 06:11:37.001', NULL, '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, '{}', 'alumna', '¿Y qué produce?', 'user_message', 'json', false, '2026-03-02 09:00:11.25', '2026-03-02 09:00:11.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('453b8432-d4db-5b13-9609-1991e35dd8e4', '2026-11-23 06:11:37.005', '2026-11-23 06:11:37.005', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, '{}', 'Assistant', 'Busco en los apuntes…', 'assistant_message', 'json', false, '2026-03-02 09:00:14.25', '2026-03-02 09:00:14.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('9baca0e0-d5b3-51c5-a313-df822ab5e162', '2026-11-23 06:11:37.006', '2026-11-23 06:11:37.006', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '', '{}', 'Apuntes', '{
    "documents": [
        "La respiración gasta oxígeno.",
        "La fotosíntesis produce glucosa y oxígeno."
    ]
}', 'retrieval', 'json', false, '2026-03-02 09:00:15.25', '2026-03-02 09:00:15.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('a19f2fb8-2514-5a0f-88aa-571bd40e3aa8', '2026-11-23 06:11:37.009', '2026-11-23 06:11:37.009', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '', '{}', 'Orden', '[
    "La fotosíntesis produce glucosa y oxígeno."
]', 'rerank', 'json', false, '2026-03-02 09:00:18.25', '2026-03-02 09:00:18.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('b9afaa6f-2c68-5824-9c43-230f18ca87db', '2026-11-23 06:11:37.011', '2026-11-23 06:11:37.011', 'e1a5589b-3ed3-575e-bfe1-5023d60df073', '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', NULL, '{}', 'Assistant', 'Produce sales.', 'assistant_message', 'json', false, '2026-03-02 09:00:21.25', '2026-03-02 09:00:21.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('e1a5589b-3ed3-575e-bfe1-5023d60df073', '2026-11-23 06:11:37.004', '2026-11-23 06:11:37.004', NULL, '2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '', '{}', 'on_message', '', 'run', 'json', false, '2026-03-02 09:00:12.25', '2026-03-02 09:00:12.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('932ee602-af54-53d5-b1e5-94803f78f547', '2026-11-23 06:11:37.014', '2026-11-23 06:11:37.014', NULL, '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, '{}', 'alumna', '¿Cuánto es 7 por 8?', 'user_message', 'json', false, '2026-03-02 09:00:23.25', '2026-03-02 09:00:23.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('f0955064-54be-44ac-82e3-24a04caaf225', '2026-11-23 06:11:37.015', '2026-11-23 06:11:37.015', NULL, '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, '{}', 'Assistant', 'Se agotó el tiempo', 'assistant_message', 'json', true, '2026-03-02 09:00:24.25', '2026-03-02 09:00:24.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('c291e4af-34c1-5254-93f7-27cb2577d7f3', '2026-11-23 06:11:37.016', '2026-11-23 06:11:37.016', NULL, '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, '{}', 'alumna', '¿Cuánto es 7 por 8?', 'user_message', 'json', false, '2026-03-02 09:00:25.25', '2026-03-02 09:00:25.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('1d9976fc-20df-5e6d-b44c-159537f439e6', '2026-11-23 06:11:37.018', '2026-11-23 06:11:37.018', NULL, '1fe9163e-762d-51ef-8d8c-ee99d3562ca9', NULL, '{}', 'Assistant', 'Son 56.', 'assistant_message', 'json', false, '2026-03-02 09:00:26.25', '2026-03-02 09:00:26.25');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('0e9dcb9a-b257-558e-beff-004578a602bb', '2026-11-23 06:11:37.02', '2026-11-23 06:11:37.02', NULL, '6a44a755-b6d6-5349-8246-60766326b9fc', NULL, '{}', 'Assistant', 'El Ebro.', 'assistant_message', 'json', false, '2026-03-03 18:30:00', '2026-03-03 18:30:00');
INSERT INTO "Step" (id, "createdAt", "updatedAt", "parentId", "threadId", input, metadata, name, output, type, "showInput", "isError", "startTime", "endTime") VALUES ('af8b6a89-af5d-5ffc-9c91-65ec19bb9cd2', '2026-11-23 06:11:37.022', '2026-11-23 06:11:37.022', NULL, '6a44a755-b6d6-5349-8246-60766326b9fc', NULL, '{}', 'Assistant', '¿Cuál es el río más caudaloso de España?', 'user_message', 'json', false, '2026-03-03 18:30:00', '2026-03-03 18:30:00');

INSERT INTO "Thread" (id, "createdAt", "updatedAt", "deletedAt", name, metadata, "userId", tags) VALUES ('2cd7c0ab-2c19-5168-b1a3-1104c2a86fa9', '2026-11-23 06:11:36.965', '2026-11-23 06:11:36.965', NULL, NULL, '{}', '121809b6-5e33-47c8-acfb-b6c9a0309dc7', '{}');
INSERT INTO "Thread" (id, "createdAt", "updatedAt", "deletedAt", name, metadata, "userId", tags) VALUES ('1fe9163e-762d-51ef-8d8c-ee99d3562ca9', '2026-11-23 06:11:37.012', '2026-11-23 06:11:37.012', NULL, NULL, '{}', '121809b6-5e33-47c8-acfb-b6c9a0309dc7', '{}');
INSERT INTO "Thread" (id, "createdAt", "updatedAt", "deletedAt", name, metadata, "userId", tags) VALUES ('6a44a755-b6d6-5349-8246-60766326b9fc', '2026-11-23 06:11:37.02', '2026-11-23 06:11:37.02', NULL, NULL, '{}', NULL, '{}');

INSERT INTO "User" (id, "createdAt", "updatedAt", metadata, identifier) VALUES ('121809b6-5e33-47c8-acfb-b6c9a0309dc7', '2026-11-23 06:11:36.945', '2026-11-23 06:11:36.945', '{"curso": "bio-1"}', 'alumna-17');

ALTER TABLE ONLY "Feedback"
    ADD CONSTRAINT "Feedback_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Step"
    ADD CONSTRAINT "Step_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "Thread"
    ADD CONSTRAINT "Thread_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY "User"
    ADD CONSTRAINT "User_identifier_key" UNIQUE (identifier);

ALTER TABLE ONLY "User"
    ADD CONSTRAINT "User_pkey" PRIMARY KEY (id);

CREATE INDEX "Feedback_stepId_idx" ON "Feedback" USING btree ("stepId");

CREATE INDEX "Step_startTime_idx" ON "Step" USING btree ("startTime");

CREATE INDEX "Step_threadId_idx" ON "Step" USING btree ("threadId");

ALTER TABLE ONLY "Feedback"
    ADD CONSTRAINT "Feedback_stepId_fkey" FOREIGN KEY ("stepId") REFERENCES "Step"(id) ON DELETE SET NULL;

ALTER TABLE ONLY "Step"
    ADD CONSTRAINT "Step_parentId_fkey" FOREIGN KEY ("parentId") REFERENCES "Step"(id) ON DELETE CASCADE;

ALTER TABLE ONLY "Step"
    ADD CONSTRAINT "Step_threadId_fkey" FOREIGN KEY ("threadId") REFERENCES "Thread"(id) ON DELETE CASCADE;

ALTER TABLE ONLY "Thread"
    ADD CONSTRAINT "Thread_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"(id) ON DELETE SET NULL;
