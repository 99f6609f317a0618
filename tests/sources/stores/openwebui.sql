-- Written by the models of Open WebUI 0.12.4: write_openwebui.py. Do not edit.

CREATE TABLE chat (
    id character varying NOT NULL,
    user_id character varying,
    title text,
    chat json,
    created_at bigint,
    updated_at bigint,
    share_id text,
    archived boolean,
    pinned boolean,
    meta json DEFAULT '{}'::json,
    variables json,
    folder_id text,
    tasks json,
    summary text,
    current_message_id text,
    last_read_at bigint,
    timer_at bigint
);

CREATE TABLE chat_message (
    id text NOT NULL,
    chat_id text NOT NULL,
    user_id text,
    role text NOT NULL,
    parent_id text,
    content json,
    output json,
    model_id text,
    files json,
    sources json,
    embeds json,
    meta json,
    done boolean,
    status_history json,
    error json,
    usage json,
    context_summary text,
    created_at bigint,
    updated_at bigint
);

CREATE TABLE feedback (
    id text NOT NULL,
    user_id text,
    version bigint,
    type text,
    data json,
    meta json,
    snapshot json,
    created_at bigint,
    updated_at bigint
);

INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, share_id, archived, pinned, meta, variables, folder_id, tasks, summary, current_message_id, last_read_at, timer_at) VALUES ('c-hielo', 'u-ana', 'El hielo', '{"title":"El hielo","history":{"messages":{"q1":{"id":"q1","parentId":null,"childrenIds":["a1","a2"],"role":"user","content":"¿Por qué flota el hielo?","timestamp":1772442010},"a1":{"id":"a1","parentId":"q1","childrenIds":[],"role":"assistant","content":"Porque es frío.","timestamp":1772442020,"model":"llama3.2","done":true},"a2":{"id":"a2","parentId":"q1","childrenIds":["q2"],"role":"assistant","content":"Porque es menos denso que el agua [1][2].","timestamp":1772442035,"model":"llama3.2","sources":[{"source":{"id":"f1","name":"agua.pdf","type":"file"},"document":["El hielo es menos denso que el agua líquida.","Por eso flota."],"metadata":[{"source":"f1","name":"agua.pdf","page":3},{"source":"f1","name":"agua.pdf","page":4}],"distances":[0.91,0.72]},{"source":{"id":"f2","name":"enlaces.pdf","type":"file"},"document":["Los enlaces de hidrógeno abren la estructura."],"metadata":[{"source":"f2","name":"enlaces.pdf"}],"distances":[0.55]}],"done":true},"q2":{"id":"q2","parentId":"a2","childrenIds":["a3"],"role":"user","content":[{"type":"text","text":"¿Y este dibujo?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}],"timestamp":1772442055},"a3":{"id":"a3","parentId":"q2","childrenIds":[],"role":"assistant","content":"Es un iceberg.","timestamp":1772442065,"model":"llama3.2","done":true,"output":[{"type":"reasoning","content":[{"type":"output_text","text":"Miro el dibujo."}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Es un iceberg."}]}]}},"currentId":"a3"}}', 1772442000, 1772442065, NULL, false, false, '{}', '{}', NULL, 'null', NULL, 'a3', 1772442000, NULL);
INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, share_id, archived, pinned, meta, variables, folder_id, tasks, summary, current_message_id, last_read_at, timer_at) VALUES ('c-modelos', 'u-ana', 'Dos modelos', '{"title":"Dos modelos","history":{"messages":{"q1":{"id":"q1","parentId":null,"childrenIds":["a1","a2"],"role":"user","content":"¿Qué es un fotón?","timestamp":1772442075},"a1":{"id":"a1","parentId":"q1","childrenIds":[],"role":"assistant","content":"Una partícula de luz.","timestamp":1772442085,"model":"llama3.2","modelIdx":0,"done":true},"a2":{"id":"a2","parentId":"q1","childrenIds":[],"role":"assistant","content":"Luz.","timestamp":1772442085,"model":"qwen3","modelIdx":1,"done":true}},"currentId":"a1"}}', 1772442065, 1772442085, NULL, false, false, '{}', '{}', NULL, 'null', NULL, 'a1', 1772442065, NULL);
INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, share_id, archived, pinned, meta, variables, folder_id, tasks, summary, current_message_id, last_read_at, timer_at) VALUES ('c-falla', 'u-ana', 'Falla', '{"title":"Falla","history":{"messages":{"q1":{"id":"q1","parentId":null,"childrenIds":["a1"],"role":"user","content":"¿Cuánto es 7 por 8?","timestamp":1772442095},"a1":{"id":"a1","parentId":"q1","childrenIds":["q2"],"role":"assistant","content":"","timestamp":1772442105,"model":"llama3.2","error":{"content":"connection refused"},"done":true},"q2":{"id":"q2","parentId":"a1","childrenIds":["a2"],"role":"user","content":"¿Cuánto es 7 por 8?","timestamp":1772442115},"a2":{"id":"a2","parentId":"q2","childrenIds":[],"role":"assistant","content":"Son 5","timestamp":1772442125,"model":"llama3.2","done":false}},"currentId":"a2"}}', 1772442085, 1772442125, NULL, false, false, '{}', '{}', NULL, 'null', NULL, 'a2', 1772442085, NULL);
INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, share_id, archived, pinned, meta, variables, folder_id, tasks, summary, current_message_id, last_read_at, timer_at) VALUES ('c-nota', 'u-ana', 'Nota', '{"title":"Nota","history":{"messages":{"q1":{"id":"q1","parentId":null,"childrenIds":["a1"],"role":"user","content":"Resume la nota","timestamp":1772442135},"a1":{"id":"a1","parentId":"q1","childrenIds":[],"role":"assistant","content":"Resumen.","timestamp":1772442145,"model":"llama3.2","done":true}},"currentId":"a1"}}', 1772442125, 1772442145, NULL, false, false, '{"internal":true,"type":"note","note_id":"n1"}', '{}', NULL, 'null', NULL, 'a1', 1772442125, NULL);
INSERT INTO chat (id, user_id, title, chat, created_at, updated_at, share_id, archived, pinned, meta, variables, folder_id, tasks, summary, current_message_id, last_read_at, timer_at) VALUES ('c-vacia', 'u-ana', 'Vacía', '{"title":"Vacía","history":{"messages":{},"currentId":null}}', 1772442145, 1772442145, NULL, false, false, '{}', '{}', NULL, 'null', NULL, NULL, 1772442145, NULL);

INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-hielo-q1', 'c-hielo', 'u-ana', 'user', NULL, '"¿Por qué flota el hielo?"', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442010, 1772442010);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-hielo-a1', 'c-hielo', 'u-ana', 'assistant', 'q1', '"Porque es frío."', 'null', 'llama3.2', 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442020, 1772442020);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-hielo-a2', 'c-hielo', 'u-ana', 'assistant', 'q1', '"Porque es menos denso que el agua [1][2]."', 'null', 'llama3.2', 'null', '[{"source":{"id":"f1","name":"agua.pdf","type":"file"},"document":["El hielo es menos denso que el agua líquida.","Por eso flota."],"metadata":[{"source":"f1","name":"agua.pdf","page":3},{"source":"f1","name":"agua.pdf","page":4}],"distances":[0.91,0.72]},{"source":{"id":"f2","name":"enlaces.pdf","type":"file"},"document":["Los enlaces de hidrógeno abren la estructura."],"metadata":[{"source":"f2","name":"enlaces.pdf"}],"distances":[0.55]}]', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442035, 1772442035);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-hielo-q2', 'c-hielo', 'u-ana', 'user', 'a2', '[{"type":"text","text":"¿Y este dibujo?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442055, 1772442055);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-hielo-a3', 'c-hielo', 'u-ana', 'assistant', 'q2', '"Es un iceberg."', '[{"type":"reasoning","content":[{"type":"output_text","text":"Miro el dibujo."}]},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Es un iceberg."}]}]', 'llama3.2', 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442065, 1772442065);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-modelos-q1', 'c-modelos', 'u-ana', 'user', NULL, '"¿Qué es un fotón?"', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442075, 1772442075);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-modelos-a1', 'c-modelos', 'u-ana', 'assistant', 'q1', '"Una partícula de luz."', 'null', 'llama3.2', 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442085, 1772442085);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-modelos-a2', 'c-modelos', 'u-ana', 'assistant', 'q1', '"Luz."', 'null', 'qwen3', 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442085, 1772442085);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-falla-q1', 'c-falla', 'u-ana', 'user', NULL, '"¿Cuánto es 7 por 8?"', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442095, 1772442095);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-falla-a1', 'c-falla', 'u-ana', 'assistant', 'q1', '""', 'null', 'llama3.2', 'null', 'null', 'null', 'null', true, 'null', '{"content":"connection refused"}', 'null', NULL, 1772442105, 1772442105);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-falla-q2', 'c-falla', 'u-ana', 'user', 'a1', '"¿Cuánto es 7 por 8?"', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442115, 1772442115);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-falla-a2', 'c-falla', 'u-ana', 'assistant', 'q2', '"Son 5"', 'null', 'llama3.2', 'null', 'null', 'null', 'null', false, 'null', 'null', 'null', NULL, 1772442125, 1772442125);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-nota-q1', 'c-nota', 'u-ana', 'user', NULL, '"Resume la nota"', 'null', NULL, 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442135, 1772442135);
INSERT INTO chat_message (id, chat_id, user_id, role, parent_id, content, output, model_id, files, sources, embeds, meta, done, status_history, error, usage, context_summary, created_at, updated_at) VALUES ('c-nota-a1', 'c-nota', 'u-ana', 'assistant', 'q1', '"Resumen."', 'null', 'llama3.2', 'null', 'null', 'null', 'null', true, 'null', 'null', 'null', NULL, 1772442145, 1772442145);

INSERT INTO feedback (id, user_id, version, type, data, meta, snapshot, created_at, updated_at) VALUES ('70a168b8-c925-4765-bd14-67a36f239d48', 'u-ana', 0, 'rating', '{"rating":-1,"model_id":"llama3.2","sibling_model_ids":null,"reason":"","comment":"lo vi en clase"}', '{"chat_id":"c-hielo","message_id":"a1","arena":false}', '{"chat":{"id":"c-hielo"}}', 1772442025, 1772442025);
INSERT INTO feedback (id, user_id, version, type, data, meta, snapshot, created_at, updated_at) VALUES ('9ffba659-21b0-484a-a47b-20050bd7b32d', 'u-ana', 0, 'rating', '{"rating":-1,"model_id":"llama3.2","sibling_model_ids":null,"reason":"","comment":"lo vi en clase"}', '{"chat_id":"c-hielo","message_id":"a2","arena":false}', '{"chat":{"id":"c-hielo"}}', 1772442040, 1772442040);
INSERT INTO feedback (id, user_id, version, type, data, meta, snapshot, created_at, updated_at) VALUES ('d85f1499-0dc7-43da-a355-4bf5f2e7c76d', 'u-ana', 0, 'rating', '{"rating":"1","model_id":"llama3.2","sibling_model_ids":null,"reason":"","comment":"lo vi en clase"}', '{"chat_id":"c-hielo","message_id":"a2","arena":false}', '{"chat":{"id":"c-hielo"}}', 1772442045, 1772442045);

ALTER TABLE ONLY chat_message
    ADD CONSTRAINT chat_message_pkey PRIMARY KEY (id);

ALTER TABLE ONLY chat
    ADD CONSTRAINT chat_pkey PRIMARY KEY (id);

ALTER TABLE ONLY chat
    ADD CONSTRAINT chat_share_id_key UNIQUE (share_id);

ALTER TABLE ONLY feedback
    ADD CONSTRAINT feedback_pkey PRIMARY KEY (id);

CREATE INDEX chat_message_chat_parent_idx ON chat_message USING btree (chat_id, parent_id);

CREATE INDEX chat_message_chat_role_done_idx ON chat_message USING btree (chat_id, role, done);

CREATE INDEX chat_message_model_created_idx ON chat_message USING btree (model_id, created_at);

CREATE INDEX chat_message_user_created_idx ON chat_message USING btree (user_id, created_at);

CREATE INDEX folder_id_idx ON chat USING btree (folder_id);

CREATE INDEX folder_id_user_id_idx ON chat USING btree (folder_id, user_id);

CREATE INDEX ix_chat_created_at ON chat USING btree (created_at);

CREATE INDEX ix_chat_message_chat_id ON chat_message USING btree (chat_id);

CREATE INDEX ix_chat_message_created_at ON chat_message USING btree (created_at);

CREATE INDEX ix_chat_message_model_id ON chat_message USING btree (model_id);

CREATE INDEX ix_chat_message_user_id ON chat_message USING btree (user_id);

CREATE INDEX ix_chat_updated_at ON chat USING btree (updated_at);

CREATE INDEX ix_chat_user_id ON chat USING btree (user_id);

CREATE INDEX timer_at_idx ON chat USING btree (timer_at) WHERE (timer_at IS NOT NULL);

CREATE INDEX updated_at_user_id_idx ON chat USING btree (updated_at, user_id);

CREATE INDEX user_id_archived_idx ON chat USING btree (user_id, archived);

CREATE INDEX user_id_folder_unread_idx ON chat USING btree (user_id, folder_id, archived, updated_at, last_read_at, id);

CREATE INDEX user_id_pinned_idx ON chat USING btree (user_id, pinned);

CREATE INDEX user_id_timer_at_idx ON chat USING btree (user_id, timer_at) WHERE (timer_at IS NOT NULL);

CREATE INDEX user_id_updated_at_id_idx ON chat USING btree (user_id, updated_at DESC, id);

ALTER TABLE ONLY chat_message
    ADD CONSTRAINT chat_message_chat_id_fkey FOREIGN KEY (chat_id) REFERENCES chat(id) ON DELETE CASCADE;
