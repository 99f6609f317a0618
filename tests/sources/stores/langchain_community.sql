-- Written by langchain-community 0.4.2. See write_langchain.py.
-- message is jsonb.

CREATE TABLE message_store (
    id integer NOT NULL,
    session_id text NOT NULL,
    message jsonb NOT NULL
);

CREATE SEQUENCE message_store_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE message_store_id_seq OWNED BY message_store.id;

ALTER TABLE ONLY message_store ALTER COLUMN id SET DEFAULT nextval('message_store_id_seq'::regclass);

INSERT INTO message_store (id, session_id, message) VALUES (1, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "system", "content": "Eres un tutor de biología.", "additional_kwargs": {}, "response_metadata": {}}, "type": "system"}');
INSERT INTO message_store (id, session_id, message) VALUES (2, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "human", "content": "¿Qué es la fotosíntesis? 🌱", "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}');
INSERT INTO message_store (id, session_id, message) VALUES (3, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "ai", "content": "", "tool_calls": [{"id": "c1", "args": {"consulta": "fotosíntesis"}, "name": "buscar", "type": "tool_call"}], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "ai"}');
INSERT INTO message_store (id, session_id, message) VALUES (4, '+34 600 000 007', '{"data": {"id": null, "name": "buscar", "type": "tool", "status": "success", "content": "La fotosíntesis...", "artifact": [{"id": "p1", "type": "Document", "metadata": {"page": 4, "source": "bio-3.pdf"}, "page_content": "La fotosíntesis convierte luz en energía química."}, {"id": null, "type": "Document", "metadata": {"page": 5, "source": "bio-3.pdf"}, "page_content": "Ocurre en los cloroplastos."}], "tool_call_id": "c1", "additional_kwargs": {}, "response_metadata": {}}, "type": "tool"}');
INSERT INTO message_store (id, session_id, message) VALUES (5, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "ai", "content": [{"text": "Es el proceso por el que las plantas ", "type": "text"}, {"text": "convierten la luz en energía.", "type": "text"}], "tool_calls": [], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {"model_name": "gpt-4.1-mini", "finish_reason": "stop"}, "invalid_tool_calls": []}, "type": "ai"}');
INSERT INTO message_store (id, session_id, message) VALUES (6, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "human", "content": [{"text": "¿Y qué se ve en esta foto?", "type": "text"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}');
INSERT INTO message_store (id, session_id, message) VALUES (7, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "ai", "content": [{"type": "thinking", "thinking": "Parece una hoja.", "signature": "x"}, {"text": "Una hoja verde: su color viene de la clo", "type": "text"}], "tool_calls": [], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {"model": "claude-4", "stop_reason": "max_tokens"}, "invalid_tool_calls": []}, "type": "ai"}');
INSERT INTO message_store (id, session_id, message) VALUES (8, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "human", "content": "Busca otra vez.", "additional_kwargs": {}, "response_metadata": {}}, "type": "human"}');
INSERT INTO message_store (id, session_id, message) VALUES (9, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "ai", "content": "", "tool_calls": [{"id": "c2", "args": {}, "name": "buscar", "type": "tool_call"}], "usage_metadata": null, "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "ai"}');
INSERT INTO message_store (id, session_id, message) VALUES (10, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "tool", "status": "error", "content": "Error: sin conexión", "artifact": null, "tool_call_id": "c2", "additional_kwargs": {}, "response_metadata": {}}, "type": "tool"}');
INSERT INTO message_store (id, session_id, message) VALUES (11, '+34 600 000 007', '{"data": {"id": null, "name": null, "type": "AIMessageChunk", "content": "No he podido buscar, pero la clorofila refleja el verde.", "tool_calls": [], "chunk_position": null, "usage_metadata": null, "tool_call_chunks": [], "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}, "type": "AIMessageChunk"}');
INSERT INTO message_store (id, session_id, message) VALUES (12, '+34 600 000 007', '{"data": {"id": null, "name": null, "role": "profesor", "type": "chat", "content": "Hola, soy el profesor.", "additional_kwargs": {}, "response_metadata": {}}, "type": "chat"}');

SELECT pg_catalog.setval('message_store_id_seq', 12, true);

ALTER TABLE ONLY message_store
    ADD CONSTRAINT message_store_pkey PRIMARY KEY (id);
