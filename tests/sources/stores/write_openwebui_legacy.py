"""Have the models of an older Open WebUI write tutoring chats, and dump them: openwebui_legacy.sql.

Run it in an environment of its own, over an empty database:

    uv venv --python 3.11 /tmp/openwebui6
    uv pip install -p /tmp/openwebui6 --no-deps open-webui==0.6.18
    uv pip install -p /tmp/openwebui6 sqlalchemy==2.0.38 psycopg2-binary pydantic peewee==3.18.1 \
        peewee-migrate==1.12.2 fastapi markdown beautifulsoup4 cryptography loguru python-dotenv typer \
        uvicorn psutil pytz
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump DATA_DIR=/tmp/openwebui6 WEBUI_SECRET_KEY=any \
        DATABASE_URL=postgresql://me@localhost/openwebui6 \
        /tmp/openwebui6/bin/python tests/sources/stores/write_openwebui_legacy.py

A chat is one JSON that the interface sends whole, so the JSON here has the keys that its interface writes; `Chats`
stores it, and makes the copy that a shared link shows.
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import open_webui.models.chats as chat_models
from open_webui.internal.db import Base, engine

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # beside this script

BEGUN = 1_740_000_000  # 2025-02-19 21:20 UTC


class _Clock:
    """`time` as Open WebUI's module sees it: the rows of a second run carry the same times."""

    @staticmethod
    def time() -> float:
        return float(BEGUN + 60)


chat_models.time = _Clock()


def said(
    identity: str, parent: str | None, role: str, content: Any, seconds: int, **more: Any
) -> dict[str, Any]:
    return {
        "id": identity,
        "parentId": parent,
        "childrenIds": [],
        "role": role,
        "content": content,
        "timestamp": BEGUN + seconds,
        **more,
    }


def store(user: str, title: str, current: str, *messages: dict[str, Any]) -> str:
    """A chat as the interface sends it: the tree, and the list of the current branch."""
    tree = {message["id"]: message for message in messages}
    branch: list[dict[str, Any]] = []
    at: str | None = current
    while at is not None:
        branch.insert(0, tree[at])
        at = tree[at]["parentId"]
    chat = {
        "title": title,
        "models": ["llama3.2"],
        "history": {"messages": tree, "currentId": current},
        "messages": branch,
    }
    stored = chat_models.Chats.insert_new_chat(user, chat_models.ChatForm(chat=chat))
    assert stored is not None
    return str(stored.id)


# Importing the models ran the oldest migrations alone, which make a chat of fewer columns.
chat_models.Chat.__table__.drop(engine, checkfirst=True)
Base.metadata.create_all(engine, tables=[Base.metadata.tables["chat"]])
shared = store(
    "u-leo",
    "El Ebro",
    "a1",
    said("q1", None, "user", "¿Dónde nace el Ebro?", 0),
    said(
        "a1",
        "q1",
        "assistant",
        "En Fontibre, Cantabria.",
        5,
        model="llama3.2",
        done=True,
        annotation={"rating": 1},
    ),
    # Made anew in the same second, and left again.
    said(
        "a2", "q1", "assistant", "En los Pirineos.", 5, model="llama3.2", done=True, annotation={"rating": -1}
    ),
)
chat_models.Chats.insert_shared_chat_by_chat_id(shared)
store(
    "u-leo",
    "Fracciones",
    "a2",
    said("q1", None, "user", "¿Cuánto es 1/2 + 1/4?", 10),
    said(
        "a1",
        "q1",
        "assistant",
        "3/4",
        12,
        model="llama3.2",
        done=True,
        sources=[
            {
                "source": {"type": "collection", "id": "k1", "name": "Mates"},
                "document": ["Se suman con el mismo denominador.", "2/4 + 1/4 = 3/4"],
                "metadata": [{"source": "mates.pdf"}, {"source": "ejercicios.pdf"}],
                "distances": [0.8, 0.7],
            }
        ],
    ),
    said("q2", "a1", "user", "¿Y 1/2 - 1/4?", 20),
    said("a2", "q2", "assistant", "", 25, model="llama3.2", error={"content": "Ollama: 500"}, done=True),
)
dump(
    os.environ["DATABASE_URL"],
    ["chat"],
    Path(__file__).parent / "openwebui_legacy.sql",
    f"Written by the models of Open WebUI {version('open-webui')}: write_openwebui_legacy.py. Do not edit.",
)
