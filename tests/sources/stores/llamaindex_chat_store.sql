-- Written by llama-index-storage-chat-store-postgres 0.5.0 with llama-index-core 0.14.25. See write_llamaindex.py.

CREATE TABLE chatstore (
    id integer NOT NULL,
    key character varying NOT NULL,
    value json[]
);

CREATE SEQUENCE chatstore_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE chatstore_id_seq OWNED BY chatstore.id;

ALTER TABLE ONLY chatstore ALTER COLUMN id SET DEFAULT nextval('chatstore_id_seq'::regclass);

INSERT INTO chatstore (id, key, value) VALUES (1, 'alumna-7', '{"{\"role\":\"system\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"text\",\"text\":\"Eres un tutor de física.\"}]}","{\"role\":\"user\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"text\",\"text\":\"¿Qué es la inercia? 🚲\"}]}","{\"role\":\"assistant\",\"additional_kwargs\":{\"tool_calls\":[{\"id\":\"c1\",\"function\":{\"name\":\"buscar\",\"arguments\":\"{}\"}}]},\"blocks\":[]}","{\"role\":\"tool\",\"additional_kwargs\":{\"tool_call_id\":\"c1\"},\"blocks\":[{\"block_type\":\"text\",\"text\":\"La inercia es...\"}]}","{\"role\":\"assistant\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"thinking\",\"content\":\"Debo explicarlo con un ejemplo.\",\"num_tokens\":null,\"additional_information\":{}},{\"block_type\":\"text\",\"text\":\"Es la tendencia de un cuerpo a seguir como está.\"},{\"block_type\":\"text\",\"text\":\"Por eso te vas hacia delante cuando el autobús frena.\"}]}","{\"role\":\"user\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"text\",\"text\":\"¿Y en este dibujo?\"},{\"block_type\":\"image\",\"image\":\"iVBORw==\",\"path\":null,\"url\":null,\"image_mimetype\":\"image/png\",\"detail\":null}]}","{\"role\":\"assistant\",\"additional_kwargs\":{},\"blocks\":[{\"block_type\":\"text\",\"text\":\"El carrito sigue «en línea recta».\"}]}"}');
INSERT INTO chatstore (id, key, value) VALUES (7, 'vacía', '{}');

SELECT pg_catalog.setval('chatstore_id_seq', 7, true);

ALTER TABLE ONLY chatstore
    ADD CONSTRAINT "chatstore:unique_key" UNIQUE (key);

ALTER TABLE ONLY chatstore
    ADD CONSTRAINT chatstore_pkey PRIMARY KEY (id);

CREATE INDEX "chatstore:idx_key" ON chatstore USING btree (key);
