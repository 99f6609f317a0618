"""Have LangChain's own code write tutoring conversations, and dump them: langchain_postgres.sql (langchain-postgres),
langchain_community.sql (PostgresChatMessageHistory, jsonb) and langchain_sql.sql (SQLChatMessageHistory, text).

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/langchain
    uv pip install -p /tmp/langchain langchain-postgres==0.0.19 langchain-community==0.4.2 langchain-core==1.7.2 \
        psycopg[binary]==3.3.9 psycopg2-binary==2.9.13
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/langchain/bin/python tests/sources/stores/write_langchain.py postgresql://me@localhost/postgres

LangChain.js is write_langchain_js.mjs.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import psycopg
from langchain_community.chat_message_histories import PostgresChatMessageHistory as CommunityHistory
from langchain_community.chat_message_histories import SQLChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_postgres import PostgresChatMessageHistory

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent
SESSION = "00000000-0000-4000-8000-000000000007"
PHONE = "+34 600 000 007"

PASSAGES = [
    Document(
        "La fotosíntesis convierte luz en energía química.",
        id="p1",
        metadata={"source": "bio-3.pdf", "page": 4},
    ),
    Document("Ocurre en los cloroplastos.", metadata={"source": "bio-3.pdf", "page": 5}),
]

CONVERSATION: list[BaseMessage] = [
    SystemMessage("Eres un tutor de biología."),
    HumanMessage("¿Qué es la fotosíntesis? 🌱"),
    AIMessage("", tool_calls=[{"id": "c1", "name": "buscar", "args": {"consulta": "fotosíntesis"}}]),
    ToolMessage("La fotosíntesis...", tool_call_id="c1", name="buscar", artifact=PASSAGES),
    AIMessage(
        [
            {"type": "text", "text": "Es el proceso por el que las plantas "},
            {"type": "text", "text": "convierten la luz en energía."},
        ],
        response_metadata={"model_name": "gpt-4.1-mini", "finish_reason": "stop"},
    ),
    HumanMessage(
        [
            {"type": "text", "text": "¿Y qué se ve en esta foto?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]
    ),
    AIMessage(
        [
            {"type": "thinking", "thinking": "Parece una hoja.", "signature": "x"},
            {"type": "text", "text": "Una hoja verde: su color viene de la clo"},
        ],
        response_metadata={"model": "claude-4", "stop_reason": "max_tokens"},
    ),
    HumanMessage("Busca otra vez."),
    AIMessage("", tool_calls=[{"id": "c2", "name": "buscar", "args": {}}]),
    ToolMessage("Error: sin conexión", tool_call_id="c2", status="error"),
    AIMessageChunk("No he podido buscar, pero la clorofila refleja el verde."),
    ChatMessage(content="Hola, soy el profesor.", role="profesor"),
]


def main(server: str) -> None:
    warnings.simplefilter("ignore")
    said = "Written by {}. See write_langchain.py.\nmessage is {}."
    with scratch_database(server) as url:
        with psycopg.connect(url) as connection:
            PostgresChatMessageHistory.create_tables(connection, "chat_history")
            history = PostgresChatMessageHistory("chat_history", SESSION, sync_connection=connection)
            history.add_messages(CONVERSATION)
            # One call gives all rows one time; ours, so that the dump changes with LangChain alone.
            connection.execute("UPDATE chat_history SET created_at = '2026-03-01 10:00:00+00'")
        dump(
            url,
            ["chat_history"],
            HERE / "langchain_postgres.sql",
            said.format("langchain-postgres 0.0.19", "jsonb"),
        )
    with scratch_database(server) as url:
        community = CommunityHistory(PHONE, url)
        for message in CONVERSATION:
            community.add_message(message)
        community.__del__()
        dump(
            url,
            ["message_store"],
            HERE / "langchain_community.sql",
            said.format("langchain-community 0.4.2", "jsonb"),
        )
    with scratch_database(server) as url:
        plain = SQLChatMessageHistory(
            PHONE, connection=url.replace("postgresql://", "postgresql+psycopg2://")
        )
        plain.add_messages(CONVERSATION)
        plain.engine.dispose()
        dump(
            url,
            ["message_store"],
            HERE / "langchain_sql.sql",
            said.format("langchain-community's SQLChatMessageHistory 0.4.2", "text"),
        )


if __name__ == "__main__":
    main(sys.argv[1])
