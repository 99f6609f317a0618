"""LangGraph's checkpoints, in rows that its own saver wrote (stores/write_langgraph.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ftworker.conversations import Chunk
from ftworker.sources.values import decode_msgpack
from tests.sources.conftest import OpenSource, RagDatabase

READ = json.loads((Path(__file__).parent / "stores" / "langgraph.json").read_text(encoding="utf-8"))
"""The messages of each thread as LangGraph itself reads them: type, text, id."""
WORDS = {"human": "user", "ai": "assistant"}


@pytest.mark.parametrize("thread", READ)
def test_a_thread_is_read_as_langgraph_reads_it(
    rag: RagDatabase, open_source: OpenSource, thread: str
) -> None:
    """`otra-vez` went back to an earlier checkpoint; `delta` and `delta-foto` keep writes instead of a list."""
    rag.load("langgraph")
    (conversation,) = open_source(preset="langgraph").fetch([thread])
    assert [[message.role, message.content, message.id] for message in conversation.messages] == [
        [WORDS.get(kind, kind), text, identity] for kind, text, identity in READ[thread]
    ]


def test_documents_of_a_tool_and_the_model_s_name_come_along(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("langgraph")
    (conversation,) = open_source(preset="langgraph").fetch(["tutor"])
    assert conversation.messages[3].context == (
        Chunk("La célula es la unidad de los seres vivos.", source="bio-1.pdf"),
    )
    assert conversation.messages[4].model == "gpt-4.1-mini"


def test_the_time_of_a_thread_is_that_of_its_last_step(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("langgraph")
    source = open_source(preset="langgraph")
    listed = {one.conversation_id: one for one in source.snapshot(None)}
    for conversation in source.fetch(list(listed)):
        assert conversation.closed_at == listed[conversation.conversation_id].last_change_at is not None
        assert conversation.last_message_at is None


def test_a_subgraph_s_own_checkpoints_are_no_conversation(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("langgraph")
    assert rag.run("SELECT count(DISTINCT checkpoint_ns) FROM checkpoints WHERE thread_id = 'tutor'") == [
        (2,)
    ]
    source = open_source(preset="langgraph")
    before = list(source.fetch(["tutor"]))
    rag.run("DELETE FROM checkpoints WHERE checkpoint_ns <> ''")
    assert list(source.fetch(["tutor"])) == before


def test_a_graph_without_messages_is_not_listed(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("langgraph")
    source = open_source(preset="langgraph")
    assert "sin-mensajes" not in {one.conversation_id for one in source.snapshot(None)}
    assert list(source.fetch(["sin-mensajes"])) == []


def test_the_number_of_messages_is_read_from_the_list_s_first_bytes(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("langgraph")
    source = open_source(preset="langgraph")
    counted = {one.conversation_id: one.message_count for one in source.snapshot(None)}
    assert (counted["tutor"], counted["otra-vez"]) == (5, 2)
    rag.run(
        "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = 'tutor' AND channel = 'messages'",
        [msgspec.msgpack.encode([{"type": "human", "content": "Hola"}] * 300)],
    )
    counted = {one.conversation_id: one.message_count for one in source.snapshot(None)}
    assert counted["tutor"] == 300
    (conversation,) = source.fetch(["tutor"])
    assert len(conversation.messages) == 300


@pytest.mark.parametrize("blob", [b"", b"\xdc", b"\xdd\x00", b"\xc1", None])
def test_a_blob_that_is_broken_does_not_stop_the_listing(
    rag: RagDatabase, open_source: OpenSource, blob: bytes | None
) -> None:
    rag.load("langgraph")
    rag.run(
        "UPDATE checkpoint_blobs SET blob = %s WHERE thread_id = 'tutor' AND channel = 'messages'", [blob]
    )
    source = open_source(preset="langgraph")
    assert "tutor" in {one.conversation_id for one in source.snapshot(None)}
    (conversation,) = source.fetch(["tutor"])
    assert [message.error for message in conversation.messages] == ["unreadable"]


def test_a_thread_whose_messages_were_all_removed_is_not_listed(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("langgraph")
    rag.run(r"UPDATE checkpoint_blobs SET blob = '\x90' WHERE thread_id = 'tutor' AND channel = 'messages'")
    source = open_source(preset="langgraph")
    assert "tutor" not in {one.conversation_id for one in source.snapshot(None)}
    assert list(source.fetch(["tutor"])) == []


def test_what_is_encrypted_pickled_or_broken_is_an_error_and_never_loaded(
    rag: RagDatabase, open_source: OpenSource
) -> None:
    rag.load("langgraph")
    source = open_source(preset="langgraph")
    kinds = ("msgpack+aes", "pickle", "msgpack", "json", "unheard-of")
    pickled = b"cos\nsystem\n(S'exit 1'\ntR."
    for kind in kinds:
        rag.run(
            "UPDATE checkpoint_blobs SET type = %s, blob = %s WHERE thread_id = 'cifrado' AND channel = 'messages'",
            [kind, pickled],
        )
        (conversation,) = source.fetch(["cifrado"])
        assert [(message.role, message.error) for message in conversation.messages] == [("", "unreadable")]


@pytest.mark.parametrize(
    "stored,said",
    [
        ([{"role": "user", "content": "Hola"}], [("user", "Hola")]),
        ([["user", "Hola"], ["ai", "Buenas"]], [("user", "Hola"), ("assistant", "Buenas")]),
        (["user", "Hola"], [("user", "Hola")]),
        (
            [
                {
                    "lc": 1,
                    "type": "constructor",
                    "id": ["langchain", "schema", "messages", "HumanMessage"],
                    "kwargs": {"content": "Hola"},
                }
            ],
            [("user", "Hola")],
        ),
        ([7, None], [("", ""), ("", "")]),
    ],
)
@pytest.mark.parametrize("kind", ["json", "msgpack"])
def test_messages_in_older_and_plainer_forms_are_read(
    rag: RagDatabase, open_source: OpenSource, stored: Any, said: list[tuple[str, str]], kind: str
) -> None:
    rag.load("langgraph")
    blob = json.dumps(stored).encode() if kind == "json" else msgspec.msgpack.encode(stored)
    rag.run(
        "UPDATE checkpoint_blobs SET type = %s, blob = %s WHERE thread_id = 'tutor' AND channel = 'messages'",
        [kind, blob],
    )
    (conversation,) = open_source(preset="langgraph").fetch(["tutor"])
    assert [(message.role, message.content) for message in conversation.messages] == said


def test_a_chain_of_checkpoints_that_closes_on_itself_ends(rag: RagDatabase, open_source: OpenSource) -> None:
    rag.load("langgraph")
    rag.run(
        "UPDATE checkpoints SET parent_checkpoint_id = checkpoint_id WHERE thread_id = 'delta';"
        "DELETE FROM checkpoint_writes WHERE channel <> 'messages'"
    )
    assert [one.conversation_id for one in open_source(preset="langgraph").fetch(["tutor", "delta"])]


def test_extension_types_stay_data() -> None:
    def extension(code: int, *parts: Any) -> bytes:
        return msgspec.msgpack.encode(msgspec.msgpack.Ext(code, msgspec.msgpack.encode(list(parts))))

    called = extension(3, "os", "system", ["exit 1"], "anything")
    assert decode_msgpack(called) == ["exit 1"]
    assert decode_msgpack(extension(0, "subprocess", "run", "ls")) == "ls"
    assert decode_msgpack(extension(7, "a", "b")) == ["a", "b"]
    assert decode_msgpack(extension(6, "<f8", [1], "C", b"x")) is None
    assert decode_msgpack(extension(5, "m")) is None


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"\x92\x01", b"\xa2\xff\xff", b"\x91" * 100_000, b"\xc7\x01\x00\xc1"]
)
def test_no_bytes_make_the_decoder_raise_but_as_what_is_no_messagepack(data: bytes) -> None:
    with pytest.raises(ValueError, match="MessagePack"):
        decode_msgpack(data)
