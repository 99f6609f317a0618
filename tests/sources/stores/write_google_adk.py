"""Have Google ADK's own code write tutoring conversations, and dump them: google_adk.sql (schema 1, `event_data`) and
google_adk_v0.sql (schema 0, of versions before 1.22: a column for each part of an event).

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/google_adk
    uv pip install -p /tmp/google_adk google-adk[db]==2.13.0 asyncpg==0.32.0 psycopg2-binary==2.9.13
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/google_adk/bin/python tests/sources/stores/write_google_adk.py postgresql://me@localhost/postgres
"""

from __future__ import annotations

import asyncio
import sys
import warnings
from pathlib import Path
from typing import Any

import psycopg2
from google.adk.events import Event, EventActions
from google.adk.platform import time as platform_time
from google.adk.platform import uuid as platform_uuid
from google.adk.sessions import DatabaseSessionService
from google.adk.sessions._rewind_utils import rewind_session
from google.adk.sessions.schemas.v0 import Base as SchemaZero
from google.genai import types
from sqlalchemy import create_engine

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent
TEN = 1772359200.0
"""2026-03-01 10:00 UTC."""

GROUNDING = types.GroundingMetadata(
    grounding_chunks=[
        types.GroundingChunk(
            retrieved_context=types.GroundingChunkRetrievedContext(
                text="El Tajo es el río más largo de la península.",
                title="geo-1.pdf",
                uri="gs://curso/geo-1.pdf",
            )
        ),
        types.GroundingChunk(web=types.GroundingChunkWeb(title="Ríos", uri="https://example.org/rios")),
    ]
)


def event(number: int, invocation: str, author: str, *parts: types.Part, **more: Any) -> Event:
    content = (
        types.Content(role="user" if author == "user" else "model", parts=list(parts)) if parts else None
    )
    # Events of one invocation come in one moment here, two by two: their order is that of their ids.
    return Event(
        id=f"00000000-0000-4000-8000-{number:012}",
        invocation_id=invocation,
        author=author,
        content=content,
        timestamp=TEN + number // 2 * 7,
        **more,
    )


def text(words: str, **more: Any) -> types.Part:
    return types.Part(text=words, **more)


LESSON = [
    event(1, "i1", "user", text("¿Cuál es el río más largo? 🌊")),
    event(
        2,
        "i1",
        "tutor",
        types.Part(function_call=types.FunctionCall(id="c1", name="buscar", args={"consulta": "ríos"})),
    ),
    event(
        3,
        "i1",
        "tutor",
        types.Part(
            function_response=types.FunctionResponse(id="c1", name="buscar", response={"result": "El Tajo"})
        ),
    ),
    event(
        4,
        "i1",
        "tutor",
        text("Debo nombrar el Tajo.", thought=True),
        text("El río más largo de la península "),
        text("es el Tajo."),
        grounding_metadata=GROUNDING,
        model_version="gemini-2.5-flash",
        finish_reason=types.FinishReason.STOP,
        turn_complete=True,
    ),
    event(5, "i2", "user", text("¿Y en España?")),
    event(
        6,
        "i2",
        "tutor",
        text("Respuesta que no gustó."),
        model_version="gemini-2.5-flash",
        custom_metadata={"a": 1},
    ),
]
AGAIN = [
    event(9, "i3", "user", text("¿Y en España?")),
    event(10, "i3", "tutor", text("El Ebro, dentro de España."), model_version="gemini-2.5-pro"),
    event(11, "i4", "user", text("¿Y en Europa?"), text("Mira esta foto.")),
    event(
        12,
        "i4",
        "tutor",
        text("El Vol"),
        finish_reason=types.FinishReason.MAX_TOKENS,
        error_code="MAX_TOKENS",
        error_message="Se acabó",
    ),
    event(13, "i4", "tutor", actions=EventActions(state_delta={"tema": "ríos"})),
]


async def write(url: str) -> None:
    service = DatabaseSessionService(url.replace("postgresql://", "postgresql+asyncpg://"))
    session = await service.create_session(app_name="tutor", user_id="alumna-7", session_id="s1")
    for one in LESSON:
        await service.append_event(session, one)
    platform_uuid.set_id_provider(lambda: "00000000-0000-4000-8000-000000000007")
    platform_time.set_time_provider(lambda: TEN + 21)
    await rewind_session(session_service=service, session=session, rewind_before_invocation_id="i2")
    for one in AGAIN:
        await service.append_event(session, one)

    # The same id, of another person: sessions are a person's own.
    other = await service.create_session(app_name="tutor", user_id="alumno/8", session_id="s1")
    for one in (
        event(21, "j1", "user", text("¿Qué es un delta?")),
        event(22, "j1", "tutor", text("Una boca.")),
    ):
        await service.append_event(other, one)
    await service.create_session(app_name="tutor", user_id="alumno-9", session_id="vacía")
    await service.close()


def main(server: str) -> None:
    warnings.simplefilter("ignore")
    tables = ["sessions", "events"]
    with scratch_database(server) as url:
        asyncio.run(write(url))
        settle(url)
        dump(
            url,
            tables,
            HERE / "google_adk.sql",
            "Written by google-adk 2.13.0, schema 1. See write_google_adk.py.",
        )
    with scratch_database(server) as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        SchemaZero.metadata.create_all(engine)
        engine.dispose()
        asyncio.run(write(url))
        settle(url)
        dump(
            url,
            tables,
            HERE / "google_adk_v0.sql",
            "Written by google-adk 2.13.0, schema 0. See write_google_adk.py.",
        )


def settle(url: str) -> None:
    """Give the sessions, which took the server's time, a fixed one, so that the dump changes with ADK alone."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sessions AS s SET create_time = '2026-03-01 09:59', update_time = coalesce((SELECT max(timestamp)"
            " FROM events AS e WHERE e.user_id = s.user_id), '2026-03-01 09:59')"
        )


if __name__ == "__main__":
    main(sys.argv[1])
