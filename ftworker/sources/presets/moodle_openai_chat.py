"""Moodle's OpenAI chat block (block_openai_chat): a log of questions with their answers, without conversations.

A person's rows in one context are one conversation until a gap of `idle_seconds`. The block logs each answer as the
HTML that it shows, also where the provider failed; here it is Markdown again. The course is that of the context, by
its number. Tables are named with the site's prefix: `moodle_prefix`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from ftworker.conversations import Message
from ftworker.settings import SourceSettings
from ftworker.sources.connection import Name
from ftworker.sources.markup import markdown
from ftworker.sources.preset import Plan, Preset, Reader, Row, Table, TableUse, fill
from ftworker.sources.values import LONE_SURROGATE

_PROVIDER_FAILED = re.compile(r"[45]\d\d: ")
"""`code: message`, which stands in the log in place of the answer that did not come."""

_CANNOT_TELL = (
    "ratings: bad answers cannot be told from good ones",
    "retrieved context: the block's source of truth is a setting of Moodle and not logged",
    "the model: a setting of Moodle",
    "guests: each of their rows is a conversation of its own, without a user",
    "consent: a pipeline with require_consent takes nothing from here",
)


def _uses(settings: SourceSettings) -> tuple[TableUse, ...]:
    columns = ("id", "userid", "usermessage", "airesponse", "contextid", "timecreated")
    indexes = {"userid": "each batch of conversations is read by it"}
    if settings.sweep_idle:
        indexes["timecreated"] = "sweep_idle asks it every minute for what is new"
    return (
        TableUse(
            f"{settings.moodle_prefix}block_openai_chat_log",
            dict.fromkeys(columns, ""),
            "moodle_prefix",
            indexes,
        ),
        TableUse(
            f"{settings.moodle_prefix}context",
            dict.fromkeys(("id", "contextlevel", "instanceid", "path"), ""),
            "moodle_prefix",
        ),
    )


def _plan(settings: SourceSettings, _: Mapping[str, Table]) -> Plan:
    log, context = [Name(settings.schema_name, use.name) for use in _uses(settings)]
    gap = f"conversations: a person's rows in one context are one until a gap of {settings.idle_seconds:g} s"
    return Plan(
        messages=fill("moodle_openai_chat", "messages", log=log, context=context),
        changes=fill("moodle_openai_chat", "changes", log=log),
        scopes=fill("moodle_openai_chat", "scopes", log=log),
        touched=fill("moodle_openai_chat", "touched", log=log),
        order=("at", "id"),
        scope="scope",
        parameters={"gap": settings.idle_seconds},
        cannot_tell=(gap, *_CANNOT_TELL),
    )


def _messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    return tuple([message for row in rows for message in _turn(row, reader)])


def _turn(row: Row, reader: Reader) -> tuple[Message, Message]:
    text = markdown(row.get("answer") or "")
    answer = reader.message(
        {**row, "role": "assistant", "content": text, "error": _PROVIDER_FAILED.match(text) is not None}
    )
    question = reader.message(
        {"role": "user", "content": row.get("question"), LONE_SURROGATE: row.get(LONE_SURROGATE)}
    )
    return msgspec.structs.replace(question, created_at=answer.created_at), answer


PRESET = Preset(name="moodle_openai_chat", uses=_uses, plan=_plan, messages=_messages)
