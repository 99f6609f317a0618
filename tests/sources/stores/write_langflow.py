"""Have Langflow's own code write tutoring conversations, and dump them: langflow.sql.

Run it in an environment of its own, over a PostgreSQL server in which it may make databases. Langflow itself pulls in
hundreds of packages; its models need these alone:

    uv venv --python 3.11 /tmp/langflow
    uv pip install -p /tmp/langflow lfx==1.13.0 sqlmodel==0.0.50 psycopg2-binary alembic croniter email-validator \
        opentelemetry-sdk opentelemetry-exporter-prometheus fastapi bcrypt cryptography
    uv pip install -p /tmp/langflow --no-deps langflow-base==1.13.0
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/langflow/bin/python tests/sources/stores/write_langflow.py postgresql://me@localhost/postgres

The messages are made by `Message` and `MessageTable.from_message`, as the chat components and `/api/v1/run` do.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from langflow.schema.message import Message
from langflow.services.database.models.message.model import MessageTable
from lfx.schema.properties import Properties, Source
from sqlmodel import Session, create_engine

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent
FLOW = "00000000-0000-0000-0000-0000000000f1"
OTHER_FLOW = "00000000-0000-0000-0000-0000000000f2"
OWNER = "00000000-0000-0000-0000-00000000000a"
START = datetime(2026, 3, 1, 10, tzinfo=UTC)
PUPIL = {"user_id": "alumna-7", "tenant_id": "ies-norte"}

User = ("User", "User")
Machine = ("Machine", "AI")


def rows() -> list[MessageTable]:
    found: list[MessageTable] = []

    def say(
        session: str,
        who: tuple[str, str],
        text: str,
        seconds: float,
        *,
        flow: str = FLOW,
        about: dict[str, str] | None = None,
        category: str = "message",
        **properties: Any,
    ) -> None:
        sender, name = who
        model = Source(id="ChatOutput-1", display_name="Chat Output", source="gpt-4.1-mini")
        message = Message(
            text=text,
            sender=sender,
            sender_name=name,
            session_id=session,
            timestamp=START + timedelta(seconds=seconds),
            category=category,
            error=category == "error",
            properties=Properties(source=model if who == Machine else Source(), **properties),
            session_metadata=about,
        )
        row = MessageTable.from_message(message, flow_id=flow, user_id=OWNER)
        row.error = message.error
        row.id = UUID(int=len(found) + 1)
        found.append(row)

    # The answer stands first in the table and bears the time of its question: an API call stores both at its end.
    say(
        "derivadas-1",
        Machine,
        "Mide la rapidez con que cambia una función.",
        0,
        about=PUPIL,
        positive_feedback=True,
    )
    say("derivadas-1", User, "¿Qué mide la derivada?", 0, about=PUPIL)
    say("derivadas-1", User, "¿Y si la función es constante?", 60, about=PUPIL)
    say("derivadas-1", Machine, "Entonces su derivada es cero.", 63, about=PUPIL, edited=True)
    # What a builder tries out: in the session that bears the flow's id, and in a new one of the playground.
    say(FLOW, User, "hola prueba", 100)
    say(FLOW, Machine, "Hola, ¿en qué puedo ayudarte?", 101)
    say("Session Mar 01, 10:02:00", User, "otra prueba", 120)
    say("Session Mar 01, 10:02:00", Machine, "Dime.", 121)
    # What failed, and what was never finished.
    say("fallos", User, "¿Cuál es la capital de Perú?", 200, flow=OTHER_FLOW)
    say("fallos", Machine, "Error code: 429 - rate limit", 201, flow=OTHER_FLOW, category="error")
    say("fallos", User, "¿Cuál es la capital de Perú?", 210, flow=OTHER_FLOW)
    say("fallos", Machine, "Es Li", 211, flow=OTHER_FLOW, state="partial")
    # Nobody said who asks; the person did not like the answer.
    say("anónima", User, "¿Quién pintó Las meninas?", 300, flow=OTHER_FLOW)
    say("anónima", Machine, "Las pintó Goya.", 302, flow=OTHER_FLOW, positive_feedback=False)
    return found


def main(server: str) -> None:
    with scratch_database(server) as url:
        engine = create_engine(url)
        MessageTable.__table__.create(engine)  # type: ignore[attr-defined]
        with Session(engine) as session:
            session.add_all(rows())
            session.commit()
        engine.dispose()
        dump(
            url, ["message"], HERE / "langflow.sql", "Written by langflow-base 1.13.0. See write_langflow.py."
        )


if __name__ == "__main__":
    main(sys.argv[1])
