-- Written by llama-index-storage-chat-store-postgres 0.5.0 into the table of older versions. See write_llamaindex.py.

CREATE TABLE data_chatstore (
    id integer NOT NULL,
    key character varying NOT NULL,
    value jsonb[]
);

CREATE SEQUENCE data_chatstore_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE data_chatstore_id_seq OWNED BY data_chatstore.id;

ALTER TABLE ONLY data_chatstore ALTER COLUMN id SET DEFAULT nextval('data_chatstore_id_seq'::regclass);

INSERT INTO data_chatstore (id, key, value) VALUES (1, 'alumna-7', '{"{\"role\": \"system\", \"blocks\": [{\"text\": \"Eres un tutor de física.\", \"block_type\": \"text\"}], \"additional_kwargs\": {}}","{\"role\": \"user\", \"blocks\": [{\"text\": \"¿Qué es la inercia? 🚲\", \"block_type\": \"text\"}], \"additional_kwargs\": {}}","{\"role\": \"assistant\", \"blocks\": [], \"additional_kwargs\": {\"tool_calls\": [{\"id\": \"c1\", \"function\": {\"name\": \"buscar\", \"arguments\": \"{}\"}}]}}","{\"role\": \"tool\", \"blocks\": [{\"text\": \"La inercia es...\", \"block_type\": \"text\"}], \"additional_kwargs\": {\"tool_call_id\": \"c1\"}}","{\"role\": \"assistant\", \"blocks\": [{\"content\": \"Debo explicarlo con un ejemplo.\", \"block_type\": \"thinking\", \"num_tokens\": null, \"additional_information\": {}}, {\"text\": \"Es la tendencia de un cuerpo a seguir como está.\", \"block_type\": \"text\"}, {\"text\": \"Por eso te vas hacia delante cuando el autobús frena.\", \"block_type\": \"text\"}], \"additional_kwargs\": {}}","{\"role\": \"user\", \"blocks\": [{\"text\": \"¿Y en este dibujo?\", \"block_type\": \"text\"}, {\"url\": null, \"path\": null, \"image\": \"iVBORw==\", \"detail\": null, \"block_type\": \"image\", \"image_mimetype\": \"image/png\"}], \"additional_kwargs\": {}}","{\"role\": \"assistant\", \"blocks\": [{\"text\": \"El carrito sigue «en línea recta».\", \"block_type\": \"text\"}], \"additional_kwargs\": {}}"}');
INSERT INTO data_chatstore (id, key, value) VALUES (7, 'vacía', '{}');

SELECT pg_catalog.setval('data_chatstore_id_seq', 7, true);

ALTER TABLE ONLY data_chatstore
    ADD CONSTRAINT "data_chatstore:unique_key" UNIQUE (key);

ALTER TABLE ONLY data_chatstore
    ADD CONSTRAINT data_chatstore_pkey PRIMARY KEY (id);
