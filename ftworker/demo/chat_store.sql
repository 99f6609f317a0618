-- The RAG's own store, in the shape that most have: one row a conversation, one row a message. Repeatable.
CREATE SCHEMA IF NOT EXISTS rag_demo;

CREATE TABLE IF NOT EXISTS rag_demo.conversations (
    id              text PRIMARY KEY,
    tenant          text NOT NULL,
    course          text NOT NULL,
    user_ref        text NOT NULL,          -- a pseudonym, as a careful RAG keeps it
    locale          text NOT NULL,
    model           text NOT NULL,
    consent         boolean NOT NULL,       -- may this conversation train a model?
    consent_policy  text NOT NULL,
    rating          text CHECK (rating IN ('up', 'down')),
    started_at      timestamptz NOT NULL,
    last_message_at timestamptz NOT NULL,
    closed_at       timestamptz NOT NULL,
    close_reason    text NOT NULL
);

CREATE TABLE IF NOT EXISTS rag_demo.messages (
    id              text PRIMARY KEY,
    conversation_id text NOT NULL REFERENCES rag_demo.conversations (id) ON DELETE CASCADE,
    position        integer NOT NULL,
    parent_id       text REFERENCES rag_demo.messages (id),  -- two answers, one parent: regenerated
    role            text NOT NULL CHECK (role IN ('user', 'assistant')),
    content         text NOT NULL,
    context         jsonb NOT NULL DEFAULT '[]',             -- the chunks that were served with the question
    rating          text CHECK (rating IN ('up', 'down')),
    rating_comment  text,
    error           text,
    correction      text,                                    -- what a teacher wrote in place of the answer
    created_at      timestamptz NOT NULL
);

-- Of a demonstration before corrections.
ALTER TABLE rag_demo.messages ADD COLUMN IF NOT EXISTS correction text;

-- Who goes to the school: its RAG has a list, so that ftworker can find the names in what pupils write.
CREATE TABLE IF NOT EXISTS rag_demo.pupils (
    tenant text NOT NULL,
    name   text NOT NULL,
    PRIMARY KEY (tenant, name)
);

CREATE INDEX IF NOT EXISTS messages_conversation ON rag_demo.messages (conversation_id, position);
