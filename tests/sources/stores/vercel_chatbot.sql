-- Vercel's chatbot template 3.1, by hand after its migrations. It makes no index beside the keys.

CREATE TABLE "User" (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), email varchar(64) NOT NULL, password varchar(64));
CREATE TABLE "Chat" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "createdAt" timestamp NOT NULL, title text NOT NULL,
    "userId" uuid NOT NULL REFERENCES "User", visibility varchar NOT NULL DEFAULT 'private'
);
CREATE TABLE "Message_v2" (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), "chatId" uuid NOT NULL REFERENCES "Chat", role varchar NOT NULL,
    parts json NOT NULL, attachments json NOT NULL, "createdAt" timestamp NOT NULL
);
CREATE TABLE "Vote_v2" (
    "chatId" uuid NOT NULL REFERENCES "Chat", "messageId" uuid NOT NULL REFERENCES "Message_v2",
    "isUpvoted" boolean NOT NULL, PRIMARY KEY ("chatId", "messageId")
);

INSERT INTO "User" (id, email) VALUES ('e0000000-0000-0000-0000-000000000001', 'guest-1772442000000');
INSERT INTO "Chat" (id, "createdAt", title, "userId") VALUES
    ('c0000000-0000-0000-0000-000000000001', '2026-03-02 09:00:00', 'Volcanes', 'e0000000-0000-0000-0000-000000000001'),
    ('c0000000-0000-0000-0000-000000000002', '2026-03-02 09:30:00', 'Vacía', 'e0000000-0000-0000-0000-000000000001');
INSERT INTO "Message_v2" (id, "chatId", role, parts, attachments, "createdAt") VALUES
    ('20000000-0000-0000-0000-000000000001', 'c0000000-0000-0000-0000-000000000001', 'user',
     '[{"type": "text", "text": "¿Por qué hay volcanes en Canarias?"}]', '[]', '2026-03-02 09:00:00.123'),
    -- Saved together with the next question: one moment, and an id that would come first.
    ('10000000-0000-0000-0000-000000000002', 'c0000000-0000-0000-0000-000000000001', 'assistant',
     '[{"type": "step-start"}, {"type": "reasoning", "text": "Busco en los apuntes."},
       {"type": "text", "text": "Miro los apuntes."},
       {"type": "tool-buscarApuntes", "toolCallId": "t1", "state": "output-available", "input": {"q": "volcanes"},
        "output": [{"content": "Canarias está sobre un punto caliente.", "source": "geo.pdf", "score": 0.9}]},
       {"type": "tool-createDocument", "toolCallId": "t2", "state": "output-available", "input": {},
        "output": {"id": "d1", "title": "Volcanes", "content": "A document was created."}},
       {"type": "tool-buscarApuntes", "toolCallId": "t3", "state": "output-error", "errorText": "timeout"},
       {"type": "step-start"}, {"type": "text", "text": "Porque están sobre un punto caliente."}]',
     '[]', '2026-03-02 09:00:09'),
    ('30000000-0000-0000-0000-000000000003', 'c0000000-0000-0000-0000-000000000001', 'user',
     '[{"type": "file", "url": "data:image/png;base64,AA==", "mediaType": "image/png"}, {"type": "text", "text": "¿Y este?"}]',
     '[]', '2026-03-02 09:01:00'),
    ('20000000-0000-0000-0000-000000000004', 'c0000000-0000-0000-0000-000000000001', 'assistant',
     '[{"type": "tool-invocation", "toolInvocation": {"state": "result", "toolCallId": "t4", "toolName": "buscar",
        "args": {}, "result": ["El Teide es un estratovolcán."]}}, {"type": "text", "text": "Es el Teide."}]',
     '[]', '2026-03-02 09:01:00');
INSERT INTO "Vote_v2" VALUES
    ('c0000000-0000-0000-0000-000000000001', '10000000-0000-0000-0000-000000000002', true),
    ('c0000000-0000-0000-0000-000000000001', '20000000-0000-0000-0000-000000000004', false);
