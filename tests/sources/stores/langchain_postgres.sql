-- Written by langchain-postgres 0.0.19. See write_langchain.py.
-- message is jsonb.

CREATE TABLE chat_history (
    id integer NOT NULL,
    session_id uuid NOT NULL,
    message jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE SEQUENCE chat_history_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE chat_history_id_seq OWNED BY chat_history.id;

ALTER TABLE ONLY chat_history ALTER COLUMN id SET DEFAULT nextval('chat_history_id_seq'::regclass);

INSERT INTO chat_history (id, session_id, message, created_at) VALUES (1, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "system", "content": "Eres un tutor de biología.", "additional_kwargs": {}, "response_metadata": {}}, "type": "system"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (2, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "human", "content": "¿Qué es la fotosíntesis? 🌱", "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (3, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "ai", "content": "", "tool_calls": [{"id": "c1", "args": {"consulta": "fotosíntesis"}, "name": "buscar", "type": "tool_call"}], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "ai"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (4, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": "buscar", "type": "tool", "status": "success", "content": "La fotosíntesis...", "artifact": [{"id": "p1", "type": "Document", "metadata": {"page": 4, "source": "bio-3.pdf"}, "page_content": "La fotosíntesis convierte luz en energía química."}, {"id": null, "type": "Document", "metadata": {"page": 5, "source": "bio-3.pdf"}, "page_content": "Ocurre en los cloroplastos."}], "tool_call_id": "c1", "additional_kwargs": {}, "response_metadata": {}}, "type": "tool"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (5, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "ai", "content": [{"text": "Es el proceso por el que las plantas ", "type": "text"}, {"text": "convierten la luz en energía.", "type": "text"}], "tool_calls": [], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {"model_name": "gpt-4.1-mini", "finish_reason": "stop"}, "invalid_tool_calls": []}, "type": "ai"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (6, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "human", "content": [{"text": "¿Y qué se ve en esta foto?", "type": "text"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (7, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "ai", "content": [{"type": "thinking", "thinking": "Parece una hoja.", "signature": "x"}, {"text": "Una hoja verde: su color viene de la clo", "type": "text"}], "tool_calls": [], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {"model": "claude-4", "stop_reason": "max_tokens"}, "invalid_tool_calls": []}, "type": "ai"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (8, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "human", "content": "Busca otra vez.", "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (9, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "ai", "content": "", "tool_calls": [{"id": "c2", "args": {}, "name": "buscar", "type": "tool_call"}], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "ai"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (10, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "tool", "status": "error", "content": "Error: sin conexión", "artifact": null, "tool_call_id": "c2", "additional_kwargs": {}, "response_metadata": {}}, "type": "tool"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (11, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "type": "AIMessageChunk", "content": "No he podido buscar, pero la clorofila refleja el verde.", "tool_calls": [], "chunk_position": null, "usage_metadata": null, "tool_call_chunks": [], "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "AIMessageChunk"}', '2026-03-01 10:00:00+00');
INSERT INTO chat_history (id, session_id, message, created_at) VALUES (12, '00000000-0000-4000-8000-000000000007', '{"data": {"id": null, "name": null, "role": "profesor", "type": "chat", "content": "Hola, soy el profesor.", "additional_kwargs": {}, "response_metadata": {}}, "type": "chat"}', '2026-03-01 10:00:00+00');

SELECT pg_catalog.setval('chat_history_id_seq', 12, true);

ALTER TABLE ONLY chat_history
    ADD CONSTRAINT chat_history_pkey PRIMARY KEY (id);

CREATE INDEX idx_chat_history_session_id ON chat_history USING btree (session_id);
