-- Written by langchain-community's SQLChatMessageHistory 0.4.2. See write_langchain.py.
-- message is text.

CREATE TABLE message_store (
    id integer NOT NULL,
    session_id text,
    message text
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

INSERT INTO message_store (id, session_id, message) VALUES (1, '+34 600 000 007', '{"type": "system", "data": {"content": "Eres un tutor de biolog\u00eda.", "additional_kwargs": {}, "response_metadata": {}, "type": "system", "name": null, "id": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (2, '+34 600 000 007', '{"type": "human", "data": {"content": "\u00bfQu\u00e9 es la fotos\u00edntesis? \ud83c\udf31", "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (3, '+34 600 000 007', '{"type": "ai", "data": {"content": "", "additional_kwargs": {}, "response_metadata": {}, "type": "ai", "name": null, "id": null, "tool_calls": [{"name": "buscar", "args": {"consulta": "fotos\u00edntesis"}, "id": "c1", "type": "tool_call"}], "invalid_tool_calls": [], "usage_metadata": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (4, '+34 600 000 007', '{"type": "tool", "data": {"content": "La fotos\u00edntesis...", "additional_kwargs": {}, "response_metadata": {}, "type": "tool", "name": "buscar", "id": null, "tool_call_id": "c1", "artifact": [{"id": "p1", "metadata": {"source": "bio-3.pdf", "page": 4}, "page_content": "La fotos\u00edntesis convierte luz en energ\u00eda qu\u00edmica.", "type": "Document"}, {"id": null, "metadata": {"source": "bio-3.pdf", "page": 5}, "page_content": "Ocurre en los cloroplastos.", "type": "Document"}], "status": "success"}}');
INSERT INTO message_store (id, session_id, message) VALUES (5, '+34 600 000 007', '{"type": "ai", "data": {"content": [{"type": "text", "text": "Es el proceso por el que las plantas "}, {"type": "text", "text": "convierten la luz en energ\u00eda."}], "additional_kwargs": {}, "response_metadata": {"model_name": "gpt-4.1-mini", "finish_reason": "stop"}, "type": "ai", "name": null, "id": null, "tool_calls": [], "invalid_tool_calls": [], "usage_metadata": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (6, '+34 600 000 007', '{"type": "human", "data": {"content": [{"type": "text", "text": "\u00bfY qu\u00e9 se ve en esta foto?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (7, '+34 600 000 007', '{"type": "ai", "data": {"content": [{"type": "thinking", "thinking": "Parece una hoja.", "signature": "x"}, {"type": "text", "text": "Una hoja verde: su color viene de la clo"}], "additional_kwargs": {}, "response_metadata": {"model": "claude-4", "stop_reason": "max_tokens"}, "type": "ai", "name": null, "id": null, "tool_calls": [], "invalid_tool_calls": [], "usage_metadata": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (8, '+34 600 000 007', '{"type": "human", "data": {"content": "Busca otra vez.", "additional_kwargs": {}, "response_metadata": {}, "type": "human", "name": null, "id": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (9, '+34 600 000 007', '{"type": "ai", "data": {"content": "", "additional_kwargs": {}, "response_metadata": {}, "type": "ai", "name": null, "id": null, "tool_calls": [{"name": "buscar", "args": {}, "id": "c2", "type": "tool_call"}], "invalid_tool_calls": [], "usage_metadata": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (10, '+34 600 000 007', '{"type": "tool", "data": {"content": "Error: sin conexi\u00f3n", "additional_kwargs": {}, "response_metadata": {}, "type": "tool", "name": null, "id": null, "tool_call_id": "c2", "artifact": null, "status": "error"}}');
INSERT INTO message_store (id, session_id, message) VALUES (11, '+34 600 000 007', '{"type": "AIMessageChunk", "data": {"content": "No he podido buscar, pero la clorofila refleja el verde.", "additional_kwargs": {}, "response_metadata": {}, "type": "AIMessageChunk", "name": null, "id": null, "tool_calls": [], "invalid_tool_calls": [], "usage_metadata": null, "tool_call_chunks": [], "chunk_position": null}}');
INSERT INTO message_store (id, session_id, message) VALUES (12, '+34 600 000 007', '{"type": "chat", "data": {"content": "Hola, soy el profesor.", "additional_kwargs": {}, "response_metadata": {}, "type": "chat", "name": null, "id": null, "role": "profesor"}}');

SELECT pg_catalog.setval('message_store_id_seq', 12, true);

ALTER TABLE ONLY message_store
    ADD CONSTRAINT message_store_pkey PRIMARY KEY (id);
