"""Open WebUI with a row a message (0.8 and later). `openwebui_legacy` reads the chats of older versions.

A chat is a tree: answers made anew and answers of several models at once are children of one question, and the chat
says where its current branch ends. Checked with the models of Open WebUI 0.12.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from psycopg2 import sql

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.branches import branch_messages
from ftworker.sources.preset import Reader, Row, Table, TableUse, fixed_preset
from ftworker.sources.values import failure, plain_text, word

CANNOT_TELL = (
    "consent: a pipeline with require_consent takes nothing from here",
    "courses: a pipeline cannot choose by them",
)


def row_of_message(said: Row) -> dict[str, Any]:
    """A message of Open WebUI, from its table or from a chat's JSON, as a row for `branch_messages`."""
    content = said.get("content")
    return {
        **said,
        "content": content if plain_text(content).strip() else _spoken(said.get("output")),
        "context": _passages(said.get("sources")),
        "error": failure(said.get("error"))
        or (said.get("role") == "assistant" and said.get("done") is False),
    }


def _spoken(output: Any) -> str:
    """What the items of an answer say. Reasoning and tool calls are other items than messages."""
    items = [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []
    texts = (plain_text(item.get("content")) for item in items if item.get("type") == "message")
    return "\n".join(text for text in texts if text.strip())


def _passages(sources: Any) -> list[dict[str, Any]]:
    """The passages that an answer was given, one a document.

    Open WebUI serves `<source id="2">` with the same number for all passages of a document, and answers cite `[2]`:
    so they stand here as one passage with that number.
    """
    found: dict[str | None, dict[str, Any]] = {}
    for source in sources if isinstance(sources, list) else ():
        if not isinstance(source, dict) or source.get("tool_result") is True:
            continue
        about = source.get("source")
        about = about if isinstance(about, dict) else {}
        texts, described = source.get("document"), source.get("metadata")
        for place, text in enumerate(texts if isinstance(texts, list) else ()):
            of_text = described[place] if isinstance(described, list) and place < len(described) else None
            of_text = of_text if isinstance(of_text, dict) else {}
            identity = word(of_text.get("source")) or word(about.get("id"))
            if not isinstance(text, str) or not text.strip():
                continue
            if identity in found:
                found[identity]["text"] += f"\n\n{text}"
            else:
                name = about.get("name") or of_text.get("name")
                found[identity] = {"text": text, "rank": len(found) + 1, "source": name, "id": identity}
    return list(found.values())


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return branch_messages([row_of_message(row) for row in rows], reader)


def readable(column: str) -> sql.SQL:
    """A json column for looking into. PostgreSQL refuses every look at a JSON that holds half a surrogate pair or a
    NUL anywhere, and one such chat would stop all listings: so escapes of signs are taken out before."""
    return sql.SQL(rf"replace(replace({column}::text, '\\', ''), '\u', '')::json")


def people(columns: Collection[str]) -> sql.Composable:
    """Which chats (c) are a person's own: no copies that were shared, none that Open WebUI holds with itself."""
    own = sql.SQL("NOT starts_with(c.user_id, 'shared-')")
    if "meta" not in columns:
        return own
    return sql.SQL("{} AND ({} -> 'internal')::text IS DISTINCT FROM 'true'").format(own, readable("c.meta"))


def _parts(_: SourceSettings, tables: Mapping[str, Table]) -> dict[str, sql.Composable]:
    columns = tables["chat"].columns
    return {
        "current_id": sql.SQL("c.current_message_id")
        if "current_message_id" in columns  # since 0.11
        else sql.SQL("{} -> 'history' -> 'currentId'").format(readable("c.chat")),
        "people": people(columns),
        "about_feedback": readable("f.meta"),
        "opinion": readable("f.data"),
    }


PRESET = fixed_preset(
    "openwebui",
    TableUse(
        "chat",
        dict.fromkeys(("id", "user_id", "chat", "meta", "updated_at"), ""),
        times="updated_at",
    ),
    TableUse(
        "chat_message",
        dict.fromkeys(
            (
                "id",
                "chat_id",
                "parent_id",
                "role",
                "content",
                "output",
                "sources",
                "error",
                "done",
                "model_id",
                "created_at",
            ),
            "",
        ),
        indexes={"chat_id": "each batch of conversations is read by it"},
    ),
    TableUse("feedback", dict.fromkeys(("meta", "data", "updated_at"), "")),
    messages=_messages,
    cannot_tell=CANNOT_TELL,
    parts_of=_parts,
)
