"""Have LangGraph's own code write tutoring conversations, and dump them: langgraph.sql; and langgraph.json, the
messages of each thread as LangGraph itself reads them.

Run it in an environment of its own, over a PostgreSQL server in which it may make databases:

    uv venv --python 3.11 /tmp/langgraph
    uv pip install -p /tmp/langgraph langgraph==1.2.22 langgraph-checkpoint-postgres==3.2.0 \
        langgraph-checkpoint==4.3.2 langchain-core==1.7.2 psycopg[binary]==3.3.9
    PG_DUMP=/usr/lib/postgresql/18/bin/pg_dump \
        /tmp/langgraph/bin/python tests/sources/stores/write_langgraph.py postgresql://me@localhost/postgres

Threads: `tutor` (a tool with documents, a subgraph, values of other types beside the messages), `otra-vez` (an answer
made anew from an earlier checkpoint), `delta` (a DeltaChannel: writes instead of a list), `delta-foto` (the same with
snapshots), `cifrado` (EncryptedSerializer), `sin-mensajes` (a graph without messages). Ids and times are new each
time: those of a checkpoint are a UUID of its time.
"""

from __future__ import annotations

import json
import operator
import sys
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TypedDict
from uuid import UUID

from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.serde.base import CipherProtocol
from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.graph.message import _messages_delta_reducer
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parent))

from dump import dump  # this folder is no package for a program that runs outside of the project
from scratch import scratch_database

HERE = Path(__file__).parent

PASSAGE = Document("La célula es la unidad de los seres vivos.", metadata={"source": "bio-1.pdf"})


class Level(Enum):
    EASY = "fácil"


@dataclass
class Place:
    course: str
    unit: int


class Note(BaseModel):
    text: str


class State(MessagesState):
    level: Level
    place: Place
    note: Note
    asked_at: datetime
    seen: set[int]
    school: UUID


class Counting(TypedDict):
    total: Annotated[int, operator.add]


class DeltaState(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer)]


class SnapshotState(TypedDict):
    messages: Annotated[list[AnyMessage], DeltaChannel(_messages_delta_reducer, snapshot_frequency=2)]


class Reversed(CipherProtocol):
    """No cipher at all; it only makes LangGraph mark its blobs as encrypted."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "reversed", plaintext[::-1]

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        return ciphertext[::-1]


ANSWERS = iter(range(1, 1_000))


def answer(state: dict[str, Any]) -> dict[str, Any]:
    number = next(ANSWERS)
    return {
        "messages": [
            AIMessage(
                f"Respuesta {number} 🙂: «{state['messages'][-1].content}»",
                id=f"a{number}",
                response_metadata={"model_name": "gpt-4.1-mini", "finish_reason": "stop"},
            )
        ]
    }


def search(state: dict[str, Any]) -> dict[str, Any]:
    return {
        "messages": [
            AIMessage("", id="call", tool_calls=[{"id": "c1", "name": "buscar", "args": {"q": "célula"}}]),
            ToolMessage("La célula...", id="tool", tool_call_id="c1", artifact=[PASSAGE]),
        ],
        "level": Level.EASY,
        "place": Place("bio", 1),
        "note": Note(text="nota"),
        "asked_at": datetime(2026, 3, 1, tzinfo=UTC),
        "seen": {1, 2},
        "school": UUID(int=7),
    }


def main(server: str) -> None:
    warnings.simplefilter("ignore")
    with scratch_database(server) as url:
        with PostgresSaver.from_conn_string(url) as saver:
            saver.setup()
            write(saver)
            encrypted = PostgresSaver(saver.conn, serde=EncryptedSerializer(Reversed()))
            straight(State, encrypted).invoke(asked("¿Es secreto?"), thread("cifrado"))
            read = {
                name: [[said.type, said.text, said.id] for said in state_of(saver, name, kind)]
                for name, kind in (
                    ("tutor", State),
                    ("otra-vez", State),
                    ("delta", DeltaState),
                    ("delta-foto", SnapshotState),
                )
            }
            (HERE / "langgraph.json").write_text(
                json.dumps(read, ensure_ascii=False, indent=1) + "\n", "utf-8"
            )
        dump(
            url,
            ["checkpoints", "checkpoint_blobs", "checkpoint_writes"],
            HERE / "langgraph.sql",
            "Written by langgraph 1.2.22 with langgraph-checkpoint-postgres 3.2.0. See write_langgraph.py.",
        )


def write(saver: PostgresSaver) -> None:
    inner = StateGraph(State)
    inner.add_node("answer", answer)
    inner.add_edge(START, "answer")
    inner.add_edge("answer", END)
    tutor = StateGraph(State)
    tutor.add_node("search", search)
    tutor.add_node("inner", inner.compile())
    tutor.add_edge(START, "search")
    tutor.add_edge("search", "inner")
    tutor.add_edge("inner", END)
    graph = tutor.compile(checkpointer=saver)
    first = [SystemMessage("Eres un tutor.", id="s1"), HumanMessage("¿Qué es una célula?", id="q1")]
    graph.invoke({"messages": first}, thread("tutor"))

    again = straight(State, saver)
    again.invoke(asked("¿Qué es un átomo?", "q1"), thread("otra-vez"))
    before = next(one for one in again.get_state_history(thread("otra-vez")) if one.next == ("answer",))
    again.invoke(asked("¿Y un ion?", "q2"), thread("otra-vez"))
    again.invoke(None, before.config)

    for name, state in (("delta", DeltaState), ("delta-foto", SnapshotState)):
        delta = straight(state, saver)
        for number in range(3):
            delta.invoke(asked(f"Pregunta {number}", f"q{number}"), thread(name))
        delta.update_state(thread(name), {"messages": [RemoveMessage("q0"), AIMessage("Corregida", id="q1")]})

    counting = StateGraph(Counting)
    counting.add_node("count", lambda state: {"total": 1})
    counting.add_edge(START, "count")
    counting.add_edge("count", END)
    counting.compile(checkpointer=saver).invoke({"total": 1}, thread("sin-mensajes"))


def state_of(saver: PostgresSaver, name: str, kind: Any) -> list[AnyMessage]:
    return list(straight(kind, saver).get_state(thread(name)).values["messages"])


def straight(state: Any, saver: PostgresSaver) -> Any:
    graph = StateGraph(state)
    graph.add_node("answer", answer)
    graph.add_edge(START, "answer")
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=saver)


def asked(text: str, identity: str = "q") -> dict[str, Any]:
    return {"messages": [HumanMessage(text, id=identity)]}


def thread(name: str) -> Any:
    return {"configurable": {"thread_id": name}}


if __name__ == "__main__":
    main(sys.argv[1])
