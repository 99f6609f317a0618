-- Written by openai-agents 0.24.0 (SQLAlchemySession). See write_openai_agents.py.

CREATE TABLE agent_messages (
    id integer NOT NULL,
    session_id character varying NOT NULL,
    message_data text NOT NULL,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

CREATE SEQUENCE agent_messages_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;

ALTER SEQUENCE agent_messages_id_seq OWNED BY agent_messages.id;

CREATE TABLE agent_sessions (
    session_id character varying NOT NULL,
    created_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    updated_at timestamp without time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

ALTER TABLE ONLY agent_messages ALTER COLUMN id SET DEFAULT nextval('agent_messages_id_seq'::regclass);

INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (1, 'alumna-7', '{"content":"\u00bfQu\u00e9 es la mitosis?","role":"user"}', '2026-03-01 10:01:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (2, 'alumna-7', '{"id":"rs_1","summary":[{"text":"Hay que buscar.","type":"summary_text"}],"type":"reasoning"}', '2026-03-01 10:02:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (3, 'alumna-7', '{"arguments":"{}","call_id":"c1","name":"hora","type":"function_call","id":"fc_1"}', '2026-03-01 10:02:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (4, 'alumna-7', '{"call_id":"c1","output":"Son las diez.","type":"function_call_output"}', '2026-03-01 10:02:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (5, 'alumna-7', '{"id":"fs_1","queries":["mitosis"],"status":"completed","type":"file_search_call","results":[{"file_id":"f1","filename":"bio-2.pdf","score":0.91,"text":"La mitosis reparte los cromosomas."},{"file_id":"f2","filename":"bio-2.pdf","score":0.5,"text":"Tiene cuatro fases."}]}', '2026-03-01 10:03:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (6, 'alumna-7', '{"id":"msg_1","content":[{"annotations":[],"text":"La mitosis es la divisi\u00f3n del n\u00facleo \ud83e\uddec.","type":"output_text"}],"role":"assistant","status":"completed","type":"message"}', '2026-03-01 10:03:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (7, 'alumna-7', '{"role":"user","content":[{"type":"input_text","text":"\u00bfY sus fases?"},{"type":"input_image","image_url":"data:image/png;base64,AAAA","detail":"auto"}]}', '2026-03-01 10:04:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (8, 'alumna-7', '{"id":"msg_2","content":[{"annotations":[],"text":"Son profase, metafase, anaf","type":"output_text"}],"role":"assistant","status":"incomplete","type":"message"}', '2026-03-01 10:05:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (9, 'alumna-7', '{"role":"user","content":"Hazme el examen."}', '2026-03-01 10:06:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (10, 'alumna-7', '{"id":"msg_3","content":[{"refusal":"Lo siento, no puedo ayudar con eso.","type":"refusal"}],"role":"assistant","status":"completed","type":"message","phase":null}', '2026-03-01 10:06:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (13, 'otra-vez', '{"content":"¿Qué es el ADN?","role":"user"}', '2026-03-01 10:07:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (14, 'otra-vez', '{"id":"msg_5","content":[{"annotations":[],"text":"Segunda respuesta","type":"output_text"}],"role":"assistant","status":"completed","type":"message"}', '2026-03-01 10:08:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (15, 'cifrada', '{"__enc__":1,"v":1,"kid":"hkdf-v1","payload":"gAAAAABrA9gTsb0aGEvdBJJno1yrXP_b9XSu4EBen14gDTWARTCSEhUFQNhS-vh4qt6V6fPNky37csa4gH7viwb6TyQF34bKnIHE1Q_ClyBzh3j8aqowV_enPXL6qpZT5J09NTD9PSLS"}', '2026-03-01 10:09:00');
INSERT INTO agent_messages (id, session_id, message_data, created_at) VALUES (16, 'cifrada', '{"__enc__":1,"v":1,"kid":"hkdf-v1","payload":"gAAAAABrA9gTiGlG3eKsrnq-NRrHCwLyVbr1fX3YPzBmk3NC5J2MDDH1T4kqe4gByGtESKCHcf6CNGs6qnEjKU4M1k05_qaFdU7BY2dRwTgKqqDU4FjlWHCxTKILChggKmt8JIt1N0GbZEj7avD7rapnrU2Jhj_1k48rgKAVPzyYKON-9XQltpMvC5mTAFC6y8gMW1IC_skdKZzWtbcQiJw3-ubZwyyvpgK_SbUq5UL41y8uY0Ytq1PbiKi6-EUkgDxJbbO0TTNdTMLKvcHHvdfDqbeOC_GKSw=="}', '2026-03-01 10:10:00');

INSERT INTO agent_sessions (session_id, created_at, updated_at) VALUES ('alumna-7', '2026-03-01 10:00:00', '2026-03-01 11:00:00');
INSERT INTO agent_sessions (session_id, created_at, updated_at) VALUES ('otra-vez', '2026-03-01 10:00:00', '2026-03-01 11:00:00');
INSERT INTO agent_sessions (session_id, created_at, updated_at) VALUES ('cifrada', '2026-03-01 10:00:00', '2026-03-01 11:00:00');

SELECT pg_catalog.setval('agent_messages_id_seq', 16, true);

ALTER TABLE ONLY agent_messages
    ADD CONSTRAINT agent_messages_pkey PRIMARY KEY (id);

ALTER TABLE ONLY agent_sessions
    ADD CONSTRAINT agent_sessions_pkey PRIMARY KEY (session_id);

CREATE INDEX idx_agent_messages_session_time ON agent_messages USING btree (session_id, created_at);

ALTER TABLE ONLY agent_messages
    ADD CONSTRAINT agent_messages_session_id_fkey FOREIGN KEY (session_id) REFERENCES agent_sessions(session_id) ON DELETE CASCADE;
