"""Have the OpenAI Agents SDK's own code write tutoring conversations, and dump them: openai_agents.sql.

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/openai_agents
    uv pip install -p /tmp/openai_agents openai-agents[sqlalchemy,encrypt]==0.24.0 openai==3.54.0 \
        sqlalchemy==2.1.9 asyncpg==0.32.0 psycopg2-binary==2.9.13
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/openai_agents/bin/python tests/sources/stores/write_openai_agents.py postgresql://me@localhost/postgres

The runner runs with a model that answers by rule, so that what it stores is what it would store of a real one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg2
from agents import Agent, Model, ModelResponse, Runner, Usage, function_tool, set_tracing_disabled
from agents.extensions.memory import EncryptedSession, SQLAlchemySession
from openai.types.responses import (
    ResponseFileSearchToolCall,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
)
from openai.types.responses.response_file_search_tool_call import Result
from openai.types.responses.response_reasoning_item import Summary
from sqlalchemy.ext.asyncio import create_async_engine

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent


def said(text: str, number: int, status: Any = "completed") -> ResponseOutputMessage:
    part = ResponseOutputText(text=text, type="output_text", annotations=[])
    return ResponseOutputMessage(
        id=f"msg_{number}", content=[part], role="assistant", status=status, type="message"
    )


def answers() -> Iterator[list[Any]]:
    yield [
        ResponseReasoningItem(
            id="rs_1", summary=[Summary(text="Hay que buscar.", type="summary_text")], type="reasoning"
        ),
        ResponseFunctionToolCall(call_id="c1", name="hora", arguments="{}", type="function_call", id="fc_1"),
    ]
    yield [
        ResponseFileSearchToolCall(
            id="fs_1",
            queries=["mitosis"],
            status="completed",
            type="file_search_call",
            results=[
                Result(
                    file_id="f1", filename="bio-2.pdf", score=0.91, text="La mitosis reparte los cromosomas."
                ),
                Result(file_id="f2", filename="bio-2.pdf", score=0.5, text="Tiene cuatro fases."),
            ],
        ),
        said("La mitosis es la división del núcleo 🧬.", 1),
    ]
    yield [said("Son profase, metafase, anaf", 2, "incomplete")]
    yield [said("Primera respuesta", 4)]
    yield [said("Segunda respuesta", 5)]
    yield [said("No se puede leer", 6)]


class RuleModel(Model):
    def __init__(self) -> None:
        self._answers = answers()

    async def get_response(self, *args: Any, **more: Any) -> ModelResponse:
        return ModelResponse(output=next(self._answers), usage=Usage(), response_id=None)

    async def stream_response(self, *args: Any, **more: Any) -> AsyncIterator[Any]:
        raise NotImplementedError
        yield


@function_tool
def hora() -> str:
    """La hora."""
    return "Son las diez."


async def write(url: str) -> None:
    set_tracing_disabled(True)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    agent = Agent(name="tutor", instructions="Eres un tutor.", model=RuleModel(), tools=[hora])
    lesson = SQLAlchemySession("alumna-7", engine=engine, create_tables=True)
    await Runner.run(agent, "¿Qué es la mitosis?", session=lesson)
    picture = [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "¿Y sus fases?"},
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"},
            ],
        }
    ]
    await Runner.run(agent, picture, session=lesson)  # type: ignore[arg-type]
    # The runner raises for a refusal and stores nothing; a program that keeps it all the same adds it so.
    refusal = ResponseOutputRefusal(refusal="Lo siento, no puedo ayudar con eso.", type="refusal")
    refused = ResponseOutputMessage(
        id="msg_3", content=[refusal], role="assistant", status="completed", type="message"
    )
    await lesson.add_items([{"role": "user", "content": "Hazme el examen."}, refused.model_dump(mode="json")])  # type: ignore[list-item]

    again = SQLAlchemySession("otra-vez", engine=engine, ensure_ascii=False)
    await Runner.run(agent, "¿Qué es el ADN?", session=again)
    await again.pop_item()
    await again.pop_item()
    await Runner.run(agent, "¿Qué es el ADN?", session=again)

    hidden = EncryptedSession(
        "cifrada", SQLAlchemySession("cifrada", engine=engine), encryption_key="no es secreta"
    )
    await Runner.run(agent, "¿Es secreto?", session=hidden)
    await engine.dispose()


def main(server: str) -> None:
    with scratch_database(server) as url:
        asyncio.run(write(url))
        with psycopg2.connect(url) as connection, connection.cursor() as cursor:
            # Times of our own, so that the dump changes with the SDK alone. What one call added has one time, as there.
            cursor.execute(
                "UPDATE agent_messages AS m SET created_at = timestamp '2026-03-01 10:00' + n.number * interval '1 min'"
                " FROM (SELECT id, dense_rank() OVER (ORDER BY created_at) AS number FROM agent_messages) AS n"
                " WHERE n.id = m.id"
            )
            cursor.execute(
                "UPDATE agent_sessions SET created_at = '2026-03-01 10:00', updated_at = '2026-03-01 11:00'"
            )
        dump(
            url,
            ["agent_sessions", "agent_messages"],
            HERE / "openai_agents.sql",
            "Written by openai-agents 0.24.0 (SQLAlchemySession). See write_openai_agents.py.",
        )


if __name__ == "__main__":
    main(sys.argv[1])
