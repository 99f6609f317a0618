"""Have Open WebUI's own models write tutoring chats, and dump them: openwebui.sql.

Run it in an environment of its own, over an empty database:

    uv venv --python 3.11 /tmp/openwebui
    uv pip install -p /tmp/openwebui --no-deps open-webui==0.12.4
    uv pip install -p /tmp/openwebui "sqlalchemy[asyncio]==2.0.51" "psycopg[binary]" psycopg2-binary pydantic fastapi \
        markdown beautifulsoup4 cryptography alembic bcrypt aiosqlite redis requests authlib httpx itsdangerous orjson \
        python-engineio python-socketio pillow
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump DATA_DIR=/tmp/openwebui WEBUI_SECRET_KEY=any \
        ENABLE_DB_MIGRATIONS=false DATABASE_URL=postgresql://me@localhost/openwebui \
        /tmp/openwebui/bin/python tests/sources/stores/write_openwebui.py

The tables are made from the models; every row is written by `Chats`, `ChatMessages` and `Feedbacks`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import open_webui.models.chat_messages as message_models
import open_webui.models.chats as chat_models
import open_webui.models.feedbacks as feedback_models
from open_webui.internal.db import Base, engine

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # beside this script

BEGUN = 1_772_442_000  # 2026-03-02 09:00 UTC
_now = BEGUN


class _Clock:
    """`time` as Open WebUI's modules see it: the rows of a second run carry the same times."""

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    @staticmethod
    def time() -> float:
        return float(_now)

    @staticmethod
    def time_ns() -> int:
        return _now * 1_000_000_000


async def _permitted(*_: Any, **__: Any) -> None:
    """Whether a person may begin chats is asked of the whole program's configuration, which is not there."""


chat_models.ChatTable.require_chat_creation_permission = _permitted

for module in (chat_models, message_models, feedback_models):
    module.time = _Clock()

SOURCES = [
    {
        "source": {"id": "f1", "name": "agua.pdf", "type": "file"},
        "document": [
            "El hielo es menos denso que el agua líquida.",
            "Por eso flota.",
        ],
        "metadata": [
            {"source": "f1", "name": "agua.pdf", "page": 3},
            {"source": "f1", "name": "agua.pdf", "page": 4},
        ],
        "distances": [0.91, 0.72],
    },
    {
        "source": {"id": "f2", "name": "enlaces.pdf", "type": "file"},
        "document": ["Los enlaces de hidrógeno abren la estructura."],
        "metadata": [{"source": "f2", "name": "enlaces.pdf"}],
        "distances": [0.55],
    },
]


async def begin(chat: str, user: str, title: str, **more: Any) -> None:
    form = chat_models.ChatForm(chat={"title": title, "history": {"messages": {}, "currentId": None}})
    await chat_models.Chats.insert_new_chat(chat, user, form, **more)


async def say(
    chat: str, message: str, parent: str | None, role: str, content: Any, *, wait: int = 10, **more: Any
) -> None:
    """A message as the interface saves it; `wait` is how long after the one before, in seconds."""
    global _now  # noqa: PLW0603  # the clock of the whole script
    _now += wait
    said = {
        "id": message,
        "parentId": parent,
        "childrenIds": [],
        "role": role,
        "content": content,
        "timestamp": _now,
    }
    await chat_models.Chats.upsert_message_to_chat_by_id_and_message_id(chat, message, {**said, **more})


async def rate(user: str, chat: str, message: str, rating: Any) -> None:
    global _now  # noqa: PLW0603
    _now += 5
    form = feedback_models.FeedbackForm(
        type="rating",
        data={"rating": rating, "model_id": "llama3.2", "reason": "", "comment": "lo vi en clase"},
        meta={"chat_id": chat, "message_id": message, "arena": False},
        snapshot={"chat": {"id": chat}},
    )
    await feedback_models.Feedbacks.insert_new_feedback(user, form)


async def choose(chat: str, message: str) -> None:
    """Go back to another answer, as the arrows under it do."""
    found = await chat_models.Chats.get_chat_by_id(chat)
    assert found is not None
    found.chat["history"]["currentId"] = message
    await chat_models.Chats.update_chat_by_id(chat, found.chat)


async def write() -> None:
    await begin("c-hielo", "u-ana", "El hielo")
    await say("c-hielo", "q1", None, "user", "¿Por qué flota el hielo?")
    await say("c-hielo", "a1", "q1", "assistant", "Porque es frío.", model="llama3.2", done=True)
    await rate("u-ana", "c-hielo", "a1", -1)
    await say(
        "c-hielo",
        "a2",
        "q1",
        "assistant",
        "Porque es menos denso que el agua [1][2].",
        model="llama3.2",
        sources=SOURCES,
        done=True,
    )
    await rate("u-ana", "c-hielo", "a2", -1)
    await rate("u-ana", "c-hielo", "a2", "1")
    await say(
        "c-hielo",
        "q2",
        "a2",
        "user",
        [
            {"type": "text", "text": "¿Y este dibujo?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
        ],
    )
    await say(
        "c-hielo",
        "a3",
        "q2",
        "assistant",
        "",
        model="llama3.2",
        done=True,
        output=[
            {"type": "reasoning", "content": [{"type": "output_text", "text": "Miro el dibujo."}]},
            {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Es un iceberg."}],
            },
        ],
    )

    # Two models answer at once, in one second; the person goes on with the first.
    await begin("c-modelos", "u-ana", "Dos modelos")
    await say("c-modelos", "q1", None, "user", "¿Qué es un fotón?")
    await say(
        "c-modelos", "a1", "q1", "assistant", "Una partícula de luz.", model="llama3.2", modelIdx=0, done=True
    )
    await say("c-modelos", "a2", "q1", "assistant", "Luz.", model="qwen3", modelIdx=1, done=True, wait=0)
    await choose("c-modelos", "a1")

    await begin("c-falla", "u-ana", "Falla")
    await say("c-falla", "q1", None, "user", "¿Cuánto es 7 por 8?")
    await say(
        "c-falla",
        "a1",
        "q1",
        "assistant",
        "",
        model="llama3.2",
        error={"content": "connection refused"},
        done=True,
    )
    await say("c-falla", "q2", "a1", "user", "¿Cuánto es 7 por 8?")
    await say("c-falla", "a2", "q2", "assistant", "Son 5", model="llama3.2", done=False)

    # Notes hold chats of their own, which the person's list never shows.
    await begin("c-nota", "u-ana", "Nota", internal_meta={"internal": True, "type": "note", "note_id": "n1"})
    await say("c-nota", "q1", None, "user", "Resume la nota")
    await say("c-nota", "a1", "q1", "assistant", "Resumen.", model="llama3.2", done=True)

    await begin("c-vacia", "u-ana", "Vacía")


Base.metadata.create_all(
    engine,
    tables=[Base.metadata.tables[name] for name in ("chat", "chat_message", "feedback")],
)
asyncio.run(write())
dump(
    os.environ["DATABASE_URL"],
    ["chat", "chat_message", "feedback"],
    Path(__file__).parent / "openwebui.sql",
    f"Written by the models of Open WebUI {version('open-webui')}: write_openwebui.py. Do not edit.",
)
