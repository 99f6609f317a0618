-- Written by google-adk 2.13.0, schema 1. See write_google_adk.py.

CREATE TABLE events (
    id character varying(128) NOT NULL,
    app_name character varying(128) NOT NULL,
    user_id character varying(128) NOT NULL,
    session_id character varying(128) NOT NULL,
    invocation_id character varying(256) NOT NULL,
    "timestamp" timestamp without time zone NOT NULL,
    event_data jsonb
);

CREATE TABLE sessions (
    app_name character varying(128) NOT NULL,
    user_id character varying(128) NOT NULL,
    id character varying(128) NOT NULL,
    state jsonb NOT NULL,
    create_time timestamp without time zone NOT NULL,
    update_time timestamp without time zone NOT NULL
);

INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000001', 'tutor', 'alumna-7', 's1', 'i1', '2026-03-01 10:00:00', '{"id": "00000000-0000-4000-8000-000000000001", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "user", "parts": [{"text": "¿Cuál es el río más largo? 🌊"}]}, "node_info": {"path": ""}, "timestamp": 1772359200.0, "invocation_id": "i1"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000002', 'tutor', 'alumna-7', 's1', 'i1', '2026-03-01 10:00:07', '{"id": "00000000-0000-4000-8000-000000000002", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"function_call": {"id": "c1", "args": {"consulta": "ríos"}, "name": "buscar"}}]}, "node_info": {"path": ""}, "timestamp": 1772359207.0, "invocation_id": "i1"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000003', 'tutor', 'alumna-7', 's1', 'i1', '2026-03-01 10:00:07', '{"id": "00000000-0000-4000-8000-000000000003", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"function_response": {"id": "c1", "name": "buscar", "response": {"result": "El Tajo"}}}]}, "node_info": {"path": ""}, "timestamp": 1772359207.0, "invocation_id": "i1"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000004', 'tutor', 'alumna-7', 's1', 'i1', '2026-03-01 10:00:14', '{"id": "00000000-0000-4000-8000-000000000004", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"text": "Debo nombrar el Tajo.", "thought": true}, {"text": "El río más largo de la península "}, {"text": "es el Tajo."}]}, "node_info": {"path": ""}, "timestamp": 1772359214.0, "finish_reason": "STOP", "invocation_id": "i1", "model_version": "gemini-2.5-flash", "turn_complete": true, "grounding_metadata": {"grounding_chunks": [{"retrieved_context": {"uri": "gs://curso/geo-1.pdf", "text": "El Tajo es el río más largo de la península.", "title": "geo-1.pdf"}}, {"web": {"uri": "https://example.org/rios", "title": "Ríos"}}]}}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000005', 'tutor', 'alumna-7', 's1', 'i2', '2026-03-01 10:00:14', '{"id": "00000000-0000-4000-8000-000000000005", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "user", "parts": [{"text": "¿Y en España?"}]}, "node_info": {"path": ""}, "timestamp": 1772359214.0, "invocation_id": "i2"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000006', 'tutor', 'alumna-7', 's1', 'i2', '2026-03-01 10:00:21', '{"id": "00000000-0000-4000-8000-000000000006", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"text": "Respuesta que no gustó."}]}, "node_info": {"path": ""}, "timestamp": 1772359221.0, "invocation_id": "i2", "model_version": "gemini-2.5-flash", "custom_metadata": {"a": 1}}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000007', 'tutor', 'alumna-7', 's1', 'e-00000000-0000-4000-8000-000000000007', '2026-03-01 10:00:21', '{"id": "00000000-0000-4000-8000-000000000007", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "rewind_before_invocation_id": "i2", "requested_tool_confirmations": {}}, "node_info": {"path": ""}, "timestamp": 1772359221.0, "invocation_id": "e-00000000-0000-4000-8000-000000000007"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000009', 'tutor', 'alumna-7', 's1', 'i3', '2026-03-01 10:00:28', '{"id": "00000000-0000-4000-8000-000000000009", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "user", "parts": [{"text": "¿Y en España?"}]}, "node_info": {"path": ""}, "timestamp": 1772359228.0, "invocation_id": "i3"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000010', 'tutor', 'alumna-7', 's1', 'i3', '2026-03-01 10:00:35', '{"id": "00000000-0000-4000-8000-000000000010", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"text": "El Ebro, dentro de España."}]}, "node_info": {"path": ""}, "timestamp": 1772359235.0, "invocation_id": "i3", "model_version": "gemini-2.5-pro"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000011', 'tutor', 'alumna-7', 's1', 'i4', '2026-03-01 10:00:35', '{"id": "00000000-0000-4000-8000-000000000011", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "user", "parts": [{"text": "¿Y en Europa?"}, {"text": "Mira esta foto."}]}, "node_info": {"path": ""}, "timestamp": 1772359235.0, "invocation_id": "i4"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000012', 'tutor', 'alumna-7', 's1', 'i4', '2026-03-01 10:00:42', '{"id": "00000000-0000-4000-8000-000000000012", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"text": "El Vol"}]}, "node_info": {"path": ""}, "timestamp": 1772359242.0, "error_code": "MAX_TOKENS", "error_message": "Se acabó", "finish_reason": "MAX_TOKENS", "invocation_id": "i4"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000013', 'tutor', 'alumna-7', 's1', 'i4', '2026-03-01 10:00:42', '{"id": "00000000-0000-4000-8000-000000000013", "author": "tutor", "actions": {"state_delta": {"tema": "ríos"}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "node_info": {"path": ""}, "timestamp": 1772359242.0, "invocation_id": "i4"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000021', 'tutor', 'alumno/8', 's1', 'j1', '2026-03-01 10:01:10', '{"id": "00000000-0000-4000-8000-000000000021", "author": "user", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "user", "parts": [{"text": "¿Qué es un delta?"}]}, "node_info": {"path": ""}, "timestamp": 1772359270.0, "invocation_id": "j1"}');
INSERT INTO events (id, app_name, user_id, session_id, invocation_id, "timestamp", event_data) VALUES ('00000000-0000-4000-8000-000000000022', 'tutor', 'alumno/8', 's1', 'j1', '2026-03-01 10:01:17', '{"id": "00000000-0000-4000-8000-000000000022", "author": "tutor", "actions": {"state_delta": {}, "artifact_delta": {}, "requested_auth_configs": {}, "requested_tool_confirmations": {}}, "content": {"role": "model", "parts": [{"text": "Una boca."}]}, "node_info": {"path": ""}, "timestamp": 1772359277.0, "invocation_id": "j1"}');

INSERT INTO sessions (app_name, user_id, id, state, create_time, update_time) VALUES ('tutor', 'alumna-7', 's1', '{"tema": "ríos"}', '2026-03-01 09:59:00', '2026-03-01 10:00:42');
INSERT INTO sessions (app_name, user_id, id, state, create_time, update_time) VALUES ('tutor', 'alumno/8', 's1', '{}', '2026-03-01 09:59:00', '2026-03-01 10:01:17');
INSERT INTO sessions (app_name, user_id, id, state, create_time, update_time) VALUES ('tutor', 'alumno-9', 'vacía', '{}', '2026-03-01 09:59:00', '2026-03-01 09:59:00');

ALTER TABLE ONLY events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id, app_name, user_id, session_id);

ALTER TABLE ONLY sessions
    ADD CONSTRAINT sessions_pkey PRIMARY KEY (app_name, user_id, id);

CREATE INDEX idx_events_app_user_session_ts_id ON events USING btree (app_name, user_id, session_id, "timestamp" DESC, id DESC);

ALTER TABLE ONLY events
    ADD CONSTRAINT events_app_name_user_id_session_id_fkey FOREIGN KEY (app_name, user_id, session_id) REFERENCES sessions(app_name, user_id, id) ON DELETE CASCADE;
