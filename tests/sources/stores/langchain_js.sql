-- Written by @langchain/community 1.1.29 with @langchain/core 1.4.0. See write_langchain_js.mjs.

CREATE TABLE n8n_chat_histories (
    id serial PRIMARY KEY,
    session_id character varying NOT NULL,
    message jsonb NOT NULL
);
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (1, '+34 600 000 007', '{"type": "system", "content": "Eres un tutor.", "additional_kwargs": {}, "response_metadata": {}}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (2, '+34 600 000 007', '{"type": "human", "content": "¿Qué es una célula? 🦠", "additional_kwargs": {}, "response_metadata": {}}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (3, '+34 600 000 007', '{"type": "ai", "content": "", "tool_calls": [{"id": "c1", "args": {"q": "célula"}, "name": "buscar", "type": "tool_call"}], "additional_kwargs": {}, "response_metadata": {}, "invalid_tool_calls": []}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (4, '+34 600 000 007', '{"name": "buscar", "type": "tool", "content": "La célula...", "artifact": {"documents": [{"metadata": {"source": "bio-1.pdf"}, "pageContent": "La célula es la unidad de los seres vivos."}]}, "tool_call_id": "c1", "additional_kwargs": {}, "response_metadata": {}}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (5, '+34 600 000 007', '{"type": "ai", "content": [{"text": "Es la unidad ", "type": "text"}, {"text": "de los seres vivos.", "type": "text"}], "tool_calls": [], "additional_kwargs": {}, "response_metadata": {"model_name": "gpt-4.1-mini", "finish_reason": "stop"}, "invalid_tool_calls": []}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (6, '+34 600 000 007', '{"type": "human", "content": "¿Y un virus?", "additional_kwargs": {}, "response_metadata": {}}');
INSERT INTO n8n_chat_histories (id, session_id, message) VALUES (7, '+34 600 000 007', '{"type": "ai", "content": "No es una cél", "tool_calls": [], "additional_kwargs": {}, "response_metadata": {"model": "llama3.2", "done_reason": "length"}, "invalid_tool_calls": []}');
