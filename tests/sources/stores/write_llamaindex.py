"""Have LlamaIndex's own code write tutoring conversations, and dump them: llamaindex_chat_store.sql (PostgresChatStore,
json[]), llamaindex_chat_store_legacy.sql (jsonb[] in a table of the old name) and llamaindex_memory.sql (Memory).

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/llamaindex
    uv pip install -p /tmp/llamaindex llama-index-core==0.14.25 llama-index-storage-chat-store-postgres==0.5.0 \
        asyncpg==0.30.0 psycopg[binary]==3.3.9
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/llamaindex/bin/python tests/sources/stores/write_llamaindex.py postgresql://me@localhost/postgres
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import psycopg
from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock, ThinkingBlock
from llama_index.core.memory import Memory
from llama_index.storage.chat_store.postgres import PostgresChatStore

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent

CONVERSATION = [
    ChatMessage(role=MessageRole.SYSTEM, content="Eres un tutor de física."),
    ChatMessage(role=MessageRole.USER, content="¿Qué es la inercia? 🚲"),
    ChatMessage(
        role=MessageRole.ASSISTANT,
        content=None,
        additional_kwargs={"tool_calls": [{"id": "c1", "function": {"name": "buscar", "arguments": "{}"}}]},
    ),
    ChatMessage(role=MessageRole.TOOL, content="La inercia es...", additional_kwargs={"tool_call_id": "c1"}),
    ChatMessage(
        role=MessageRole.ASSISTANT,
        blocks=[
            ThinkingBlock(content="Debo explicarlo con un ejemplo."),
            TextBlock(text="Es la tendencia de un cuerpo a seguir como está."),
            TextBlock(text="Por eso te vas hacia delante cuando el autobús frena."),
        ],
    ),
    ChatMessage(
        role=MessageRole.USER,
        blocks=[
            TextBlock(text="¿Y en este dibujo?"),
            ImageBlock(image=b"\x89PNG", image_mimetype="image/png"),
        ],
    ),
    ChatMessage(role=MessageRole.ASSISTANT, content="El carrito sigue «en línea recta»."),
]


def main(server: str) -> None:
    said = "Written by {}. See write_llamaindex.py."
    with scratch_database(server) as url:
        write_store(url, use_jsonb=False)
        dump(
            url,
            ["chatstore"],
            HERE / "llamaindex_chat_store.sql",
            said.format("llama-index-storage-chat-store-postgres 0.5.0 with llama-index-core 0.14.25"),
        )
    with scratch_database(server) as url:
        with psycopg.connect(url) as connection:
            # As versions before 0.4 made it; later ones go on with it where they find it.
            connection.execute(
                "CREATE TABLE data_chatstore (id serial PRIMARY KEY, key varchar NOT NULL, value jsonb[],"
                ' CONSTRAINT "data_chatstore:unique_key" UNIQUE (key))'
            )
        write_store(url, use_jsonb=True)
        dump(
            url,
            ["data_chatstore"],
            HERE / "llamaindex_chat_store_legacy.sql",
            said.format("llama-index-storage-chat-store-postgres 0.5.0 into the table of older versions"),
        )
    with scratch_database(server) as url:
        asyncio.run(write_memory(url))
        dump(
            url,
            ["llama_index_memory"],
            HERE / "llamaindex_memory.sql",
            said.format("the Memory of llama-index-core 0.14.25"),
        )


def write_store(url: str, *, use_jsonb: bool) -> None:
    store = PostgresChatStore.from_params(
        connection_string=url.replace("postgresql://", "postgresql+psycopg://"),
        async_connection_string=url.replace("postgresql://", "postgresql+asyncpg://"),
        use_jsonb=use_jsonb,
    )
    store.set_messages("alumna-7", CONVERSATION[:2])
    for message in CONVERSATION[2:]:
        store.add_message("alumna-7", message)
    store.set_messages("vacía", [])
    store._session.kw["bind"].dispose()


async def write_memory(url: str) -> None:
    """A memory whose short-term part overflows: what falls out is archived, and stays in the table."""
    # Memory writes the clock's time; a clock of our own keeps the dump the same. Some messages come in one moment.
    clock = iter([1772359200_000_000_000 + step // 2 * 1_500_000_123 for step in range(100)])
    time.time_ns = lambda: next(clock)
    memory = Memory.from_defaults(
        session_id="alumna-7",
        token_limit=60,
        chat_history_token_ratio=0.5,
        token_flush_size=20,
        async_database_uri=url.replace("postgresql://", "postgresql+asyncpg://"),
    )
    for message in CONVERSATION:
        await memory.aput(message)
    other = Memory.from_defaults(
        session_id="alumno-8", async_database_uri=url.replace("postgresql://", "postgresql+asyncpg://")
    )
    await other.aput_messages(CONVERSATION[1:2] + CONVERSATION[4:5])


if __name__ == "__main__":
    main(sys.argv[1])
