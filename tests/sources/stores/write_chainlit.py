"""Have Chainlit's own code write tutoring conversations, and dump them: chainlit.sql, chainlit_documented.sql,
chainlit_official.sql.

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/chainlit
    uv pip install -p /tmp/chainlit chainlit==2.12.0 asyncpg==0.32.0 sqlalchemy==2.1.9
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/chainlit/bin/python tests/sources/stores/write_chainlit.py postgresql://me@localhost/postgres

The tables are those that Chainlit documents for its SQLAlchemy layer (docs.chainlit.io, "SQLAlchemy data layer"), as
they stand and with the column that the documentation lacks; for its official layer, those of the prisma migrations
in Chainlit/chainlit-datalayer. Everything in them was put there by Chainlit.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

os.environ.setdefault("CHAINLIT_APP_ROOT", tempfile.mkdtemp())  # where it puts files of its own when imported

import asyncpg
import chainlit as cl
import chainlit.data
from chainlit.context import init_http_context
from chainlit.data.base import BaseDataLayer
from chainlit.data.chainlit_data_layer import ChainlitDataLayer
from chainlit.data.sql_alchemy import SQLAlchemyDataLayer
from chainlit.types import Feedback
from literalai import ChatGeneration

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # beside this script

HERE = Path(__file__).parent

DOCUMENTED = """
CREATE TABLE users ("id" UUID PRIMARY KEY, "identifier" TEXT NOT NULL UNIQUE, "metadata" JSONB NOT NULL,
    "createdAt" TEXT);
CREATE TABLE threads ("id" UUID PRIMARY KEY, "createdAt" TEXT, "name" TEXT, "userId" UUID, "userIdentifier" TEXT,
    "tags" TEXT[], "metadata" JSONB, FOREIGN KEY ("userId") REFERENCES users("id") ON DELETE CASCADE);
CREATE TABLE steps ("id" UUID PRIMARY KEY, "name" TEXT NOT NULL, "type" TEXT NOT NULL, "threadId" UUID NOT NULL,
    "parentId" UUID, "streaming" BOOLEAN NOT NULL, "waitForAnswer" BOOLEAN, "isError" BOOLEAN, "metadata" JSONB,
    "tags" TEXT[], "input" TEXT, "output" TEXT, "createdAt" TEXT, "command" TEXT, "start" TEXT, "end" TEXT,
    "generation" JSONB, "showInput" TEXT, "language" TEXT, "indent" INT, "defaultOpen" BOOLEAN,
    FOREIGN KEY ("threadId") REFERENCES threads("id") ON DELETE CASCADE);
CREATE TABLE elements ("id" UUID PRIMARY KEY, "threadId" UUID, "type" TEXT, "url" TEXT, "chainlitKey" TEXT,
    "name" TEXT NOT NULL, "display" TEXT, "objectKey" TEXT, "size" TEXT, "page" INT, "language" TEXT, "forId" UUID,
    "mime" TEXT, "props" JSONB, FOREIGN KEY ("threadId") REFERENCES threads("id") ON DELETE CASCADE);
CREATE TABLE feedbacks ("id" UUID PRIMARY KEY, "forId" UUID NOT NULL, "threadId" UUID NOT NULL, "value" INT NOT NULL,
    "comment" TEXT, FOREIGN KEY ("threadId") REFERENCES threads("id") ON DELETE CASCADE);
"""

OFFICIAL = """
CREATE TYPE "StepType" AS ENUM ('assistant_message', 'embedding', 'llm', 'retrieval', 'rerank', 'run',
    'system_message', 'tool', 'undefined', 'user_message');
CREATE TABLE "User" ("id" TEXT PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "metadata" JSONB NOT NULL, "identifier" TEXT NOT NULL UNIQUE);
CREATE TABLE "Thread" ("id" TEXT PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, "deletedAt" TIMESTAMP(3), "name" TEXT,
    "metadata" JSONB NOT NULL, "userId" TEXT REFERENCES "User"("id") ON DELETE SET NULL,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[]);
CREATE TABLE "Step" ("id" TEXT PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "parentId" TEXT REFERENCES "Step"("id") ON DELETE CASCADE,
    "threadId" TEXT REFERENCES "Thread"("id") ON DELETE CASCADE, "input" TEXT, "metadata" JSONB NOT NULL, "name" TEXT,
    "output" TEXT, "type" "StepType" NOT NULL, "showInput" TEXT DEFAULT 'json', "isError" BOOLEAN DEFAULT false,
    "startTime" TIMESTAMP(3) NOT NULL, "endTime" TIMESTAMP(3) NOT NULL);
CREATE INDEX "Step_startTime_idx" ON "Step"("startTime");
CREATE INDEX "Step_threadId_idx" ON "Step"("threadId");
CREATE TABLE "Feedback" ("id" TEXT PRIMARY KEY DEFAULT gen_random_uuid(),
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "stepId" TEXT REFERENCES "Step"("id") ON DELETE SET NULL, "name" TEXT NOT NULL, "value" DOUBLE PRECISION NOT NULL,
    "comment" TEXT);
CREATE INDEX "Feedback_stepId_idx" ON "Feedback"("stepId");
"""


def clock() -> Iterator[str]:
    """Chainlit's `utc_now`, second by second from a fixed moment on, so that a second run writes the same times."""
    at = datetime(2026, 3, 2, 9, 0, 0, 250_000)  # noqa: DTZ001  # naive UTC with a Z behind, as Chainlit has it
    while True:
        yield at.isoformat() + "Z"
        at += timedelta(seconds=1)


def identity(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


async def settled() -> None:
    """Wait for the tasks in which Chainlit saves. It does not itself: a step that ends at once can be overwritten by
    its own beginning."""
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.gather(*(task for task in others if task is not None))


async def said(name: str, text: str, **more: object) -> None:
    await cl.Message(content=text, id=identity(name), **more).send()
    await settled()


async def asked(name: str, text: str) -> None:
    await said(name, text, type="user_message", author="alumna")


async def conversations(layer: BaseDataLayer) -> None:
    """What an app does in `@cl.on_message`, for three threads."""
    ines = await layer.create_user(cl.User(identifier="alumna-17", metadata={"curso": "bio-1"}))

    init_http_context(thread_id=identity("fotosintesis"), user=ines)
    await settled()
    await asked("q1", "¿Qué necesita una planta para hacer la fotosíntesis?")
    async with cl.Step(name="on_message", type="run", id=identity("run-1")):
        async with cl.Step(name="Apuntes", type="retrieval", id=identity("r1")) as step:
            await settled()
            step.input = "fotosíntesis necesita"
            step.output = [
                {
                    "text": "La fotosíntesis necesita luz, agua y dióxido de carbono.",
                    "source": "bio.pdf",
                    "score": 0.9,
                },
                {"text": "La clorofila está en los cloroplastos.", "source": "bio.pdf", "score": 0.4},
            ]
        await settled()
        async with cl.Step(name="modelo", type="llm", id=identity("l1")) as step:
            await settled()
            step.generation = ChatGeneration(provider="openai", model="gpt-4.1-mini")
            step.output = "Necesita luz, agua y dióxido de carbono."
        await settled()
        await said("a1", "Necesita luz, agua y dióxido de carbono.")
    await settled()
    await layer.upsert_feedback(
        Feedback(forId=identity("a1"), value=1, threadId=identity("fotosintesis"), id=identity("f1"))
    )
    await asked("q2", "¿Y qué produce?")
    async with cl.Step(name="on_message", type="run", id=identity("run-2")):
        await said("status", "Busco en los apuntes…")
        async with cl.Step(name="Apuntes", type="retrieval", id=identity("r2")) as step:
            await settled()
            step.output = {
                "documents": ["La respiración gasta oxígeno.", "La fotosíntesis produce glucosa y oxígeno."]
            }
        await settled()
        async with cl.Step(name="Orden", type="rerank", id=identity("r3")) as step:
            await settled()
            step.output = ["La fotosíntesis produce glucosa y oxígeno."]
        await settled()
        await said("a2", "Produce sales.")
    await settled()
    await layer.upsert_feedback(
        Feedback(
            forId=identity("a2"),
            value=0,
            threadId=identity("fotosintesis"),
            id=identity("f2"),
            comment="Está mal",
        )
    )

    init_http_context(thread_id=identity("fallida"), user=ines)
    await settled()
    await asked("q3", "¿Cuánto es 7 por 8?")
    await cl.ErrorMessage(content="Se agotó el tiempo").send()
    await settled()
    await asked("q4", "¿Cuánto es 7 por 8?")
    await said("a4", "Son 56.")

    init_http_context(thread_id=identity("anonima"))
    moment = "2026-03-03T18:30:00.000000Z"
    await said("a5", "El Ebro.", created_at=moment)
    await said("q5", "¿Cuál es el río más caudaloso de España?", created_at=moment, type="user_message")


async def write(server: str, database: str, tables: str, path: Path, said_of: str) -> None:
    admin = await asyncpg.connect(server)
    await admin.execute(f"DROP DATABASE IF EXISTS {database}")
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    url = f"{server.rpartition('/')[0]}/{database}"
    connection = await asyncpg.connect(url)
    await connection.execute(tables)
    await connection.close()
    official = tables is OFFICIAL
    layer = (
        ChainlitDataLayer(url)
        if official
        else SQLAlchemyDataLayer(url.replace("postgresql://", "postgresql+asyncpg://"))
    )
    chainlit.data._data_layer, chainlit.data._data_layer_initialized = layer, True
    times = clock()
    for module in ("chainlit.step", "chainlit.message"):
        sys.modules[module].utc_now = lambda: next(times)
    await conversations(layer)
    await layer.close()
    dump(url, [] if official else ["users", "threads", "steps", "feedbacks"], path, said_of)


async def main(server: str) -> None:
    by = f"Written by Chainlit {cl.__version__}'s own code: write_chainlit.py. Do not edit."
    with_column = DOCUMENTED.replace('"defaultOpen" BOOLEAN', '"defaultOpen" BOOLEAN, "autoCollapse" BOOLEAN')
    await write(server, "chainlit", with_column, HERE / "chainlit.sql", f"{by} SQLAlchemy layer.")
    await write(
        server,
        "chainlit_documented",
        DOCUMENTED,
        HERE / "chainlit_documented.sql",
        f"{by}\nSQLAlchemy layer over the documented tables, which lack steps.autoCollapse.",
    )
    await write(
        server, "chainlit_official", OFFICIAL, HERE / "chainlit_official.sql", f"{by} Official layer."
    )


asyncio.run(main(sys.argv[1]))
