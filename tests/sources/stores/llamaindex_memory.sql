-- Written by the Memory of llama-index-core 0.14.25. See write_llamaindex.py.

CREATE TABLE llama_index_memory (
    id integer NOT NULL,
    key character varying NOT NULL,
    "timestamp" bigint NOT NULL,
    role character varying NOT NULL,
    status character varying NOT NULL,
    data json NOT NULL
);

CREATE SEQUENCE llama_index_memory_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE llama_index_memory_id_seq OWNED BY llama_index_memory.id;

ALTER TABLE ONLY llama_index_memory ALTER COLUMN id SET DEFAULT nextval('llama_index_memory_id_seq'::regclass);

INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (1, 'alumna-7', 1772359200000000000, 'system', 'archived', '{"role": "system", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "Eres un tutor de f\u00edsica."}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (6, 'alumna-7', 1772359203000000246, 'user', 'active', '{"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "\u00bfY en este dibujo?"}, {"block_type": "image", "image": "iVBORw==", "path": null, "url": null, "image_mimetype": "image/png", "detail": null}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (2, 'alumna-7', 1772359200000000000, 'user', 'archived', '{"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "\u00bfQu\u00e9 es la inercia? \ud83d\udeb2"}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (3, 'alumna-7', 1772359201500000123, 'assistant', 'archived', '{"role": "assistant", "additional_kwargs": {"tool_calls": [{"id": "c1", "function": {"name": "buscar", "arguments": "{}"}}]}, "blocks": []}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (4, 'alumna-7', 1772359201500000123, 'tool', 'archived', '{"role": "tool", "additional_kwargs": {"tool_call_id": "c1"}, "blocks": [{"block_type": "text", "text": "La inercia es..."}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (5, 'alumna-7', 1772359203000000246, 'assistant', 'archived', '{"role": "assistant", "additional_kwargs": {}, "blocks": [{"block_type": "thinking", "content": "Debo explicarlo con un ejemplo.", "num_tokens": null, "additional_information": {}}, {"block_type": "text", "text": "Es la tendencia de un cuerpo a seguir como est\u00e1."}, {"block_type": "text", "text": "Por eso te vas hacia delante cuando el autob\u00fas frena."}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (7, 'alumna-7', 1772359204500000369, 'assistant', 'active', '{"role": "assistant", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "El carrito sigue \u00aben l\u00ednea recta\u00bb."}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (8, 'alumno-8', 1772359204500000369, 'user', 'active', '{"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "\u00bfQu\u00e9 es la inercia? \ud83d\udeb2"}]}');
INSERT INTO llama_index_memory (id, key, "timestamp", role, status, data) VALUES (9, 'alumno-8', 1772359206000000493, 'assistant', 'active', '{"role": "assistant", "additional_kwargs": {}, "blocks": [{"block_type": "thinking", "content": "Debo explicarlo con un ejemplo.", "num_tokens": null, "additional_information": {}}, {"block_type": "text", "text": "Es la tendencia de un cuerpo a seguir como est\u00e1."}, {"block_type": "text", "text": "Por eso te vas hacia delante cuando el autob\u00fas frena."}]}');

SELECT pg_catalog.setval('llama_index_memory_id_seq', 9, true);

ALTER TABLE ONLY llama_index_memory
    ADD CONSTRAINT llama_index_memory_pkey PRIMARY KEY (id);

CREATE INDEX ix_llama_index_memory_key ON llama_index_memory USING btree (key);

CREATE INDEX ix_llama_index_memory_status ON llama_index_memory USING btree (status);

CREATE INDEX ix_llama_index_memory_timestamp ON llama_index_memory USING btree ("timestamp");
