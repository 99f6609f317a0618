"""Find the conversations in a database that nobody described: for `FineTuningManager(db_connection=...)`.

The tables of every preset are known (`stores`). Beside them it looks at names, types and the words in role columns,
in English and Spanish, never at what people wrote. The same database always gives the same answer: the candidate
with conversations before the empty one, then a known program's before a guess, then the one that tells more.
`ftworker sources test` and a few lines of configuration are the way for everything that this does not find.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql
from pydantic import SecretStr

from ftworker.errors import SourceRejected
from ftworker.settings import ColumnsLog, ColumnsMessages, SourceSettings
from ftworker.sources.connection import Connections, Name, Reading, UnreadableRows
from ftworker.sources.postgres import PostgresSource
from ftworker.sources.stores import matching

logger = logging.getLogger(__name__)

NAME = "detected"
"""How messages call a source that has no name in the configuration."""

SAMPLE_ROWS = 500
"""Rows whose roles are looked at, so that a table of e-mails is not taken for a chat."""

CONVERSATION_ID = (
    "conversation_id", "conversacion_id", "session_id", "chat_id", "thread_id", "id_conversacion", "id_conversation",
    "conversation", "conversacion", "sesion_id", "id_sesion", "id_chat", "hilo_id", "chat_session_id", "dialog_id",
)  # fmt: skip
ROLE = (
    "role", "rol", "sender", "sender_type", "message_type", "author", "autor", "emisor", "remitente", "speaker", "tipo",
    "type", "is_user", "es_usuario", "is_bot", "es_bot",
)  # fmt: skip
CONTENT = ("content", "contenido", "mensaje", "message", "text", "texto", "message_text", "body", "cuerpo")
QUESTION = (
    "question", "pregunta", "query", "user_message", "consulta", "prompt", "user_query", "user_input",
    "mensaje_usuario", "usermessage",
)  # fmt: skip
ANSWER = (
    "answer", "respuesta", "response", "bot_response", "assistant_message", "ai_response", "completion", "reply",
    "mensaje_bot", "airesponse",
)  # fmt: skip
TIME = (
    "created_at", "fecha", "timestamp", "creado_en", "fecha_creacion", "created", "createdat", "sent_at", "date",
    "fecha_hora", "enviado_en", "timecreated", "inserted_at",
)  # fmt: skip
CLOSED = ("closed_at", "cerrado_en", "cerrada_en", "fecha_cierre", "ended_at", "updated_at", "actualizado_en")
USER = (
    "user_id", "usuario_id", "alumno_id", "id_usuario", "id_alumno", "user_ref", "student_id", "estudiante_id", "user",
    "usuario", "alumno", "userid", "username",
)  # fmt: skip
TENANT = ("tenant_id", "tenant", "school_id", "centro_id", "organization_id", "colegio_id", "id_centro")
COURSE = (
    "course_id",
    "curso_id",
    "curso",
    "course",
    "id_curso",
    "asignatura_id",
    "asignatura",
    "subject_id",
    "subject",
)
RATING = (
    "rating",
    "valoracion",
    "feedback",
    "calificacion",
    "puntuacion",
    "thumbs",
    "vote",
    "voto",
    "liked",
    "util",
)
CONTEXT = (
    "context", "contexto", "sources", "fuentes", "documents", "documentos", "chunks", "retrieved_context", "references",
)  # fmt: skip
CONSENT = ("consent", "consentimiento", "training_consent", "consent_training", "consiente")
ERROR = ("error", "is_error", "failed", "fallo")
MODEL = ("model", "modelo", "model_name")
ROW_ID = ("id", "message_id", "mensaje_id", "id_mensaje", "uuid", "log_id", "row_id")
CONVERSATIONS_TABLE = (
    "conversations", "conversaciones", "conversation", "conversacion", "chats", "chat", "chat_sessions", "sessions",
    "sesiones", "threads", "hilos", "chat_conversations", "dialogs",
)  # fmt: skip

USER_WORDS = frozenset(
    {"user", "human", "usuario", "usuaria", "alumno", "alumna", "estudiante", "student", "customer", "cliente",
     "person", "persona", "pregunta", "question", "input", "in", "sent"}
)  # fmt: skip
ASSISTANT_WORDS = frozenset(
    {"assistant", "ai", "bot", "asistente", "tutor", "tutora", "ia", "chatbot", "model", "modelo", "agent", "agente",
     "system_bot", "respuesta", "answer", "output", "out", "received"}
)  # fmt: skip

_TABLES = """
SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, NULL),
    EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indnatts = 1
            AND i.indkey[0] = a.attnum),
    (SELECT f.confrelid::regclass::oid::bigint FROM pg_constraint AS f WHERE f.conrelid = c.oid AND f.contype = 'f'
        AND f.conkey = ARRAY[a.attnum] ORDER BY f.oid LIMIT 1),
    c.oid::bigint
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
    AND n.nspname NOT IN ('information_schema', 'ftworker') AND n.nspname !~ '^pg_'
    AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY n.nspname = 'public' DESC, n.nspname, c.relname, a.attnum
"""


@dataclass(frozen=True)
class Candidate:
    """A place that looks like conversations, and how to read it."""

    settings: SourceSettings
    description: str
    has_rows: bool
    told: int
    """How many kinds of facts it has a column for: of two stores, the one that tells more is the better."""
    is_known: bool = False
    """Whether its tables are a known program's, column by column."""


@dataclass
class _Table:
    schema: str
    name: str
    number: int
    types: dict[str, str]
    primary: str | None = None
    references: dict[str, int] | None = None

    def find(self, names: Iterable[str], taken: Sequence[str] = ()) -> str:
        """The first column with one of these names, whatever its case; "" when there is none."""
        by_name = {column.casefold(): column for column in self.types}
        return next((by_name[name] for name in names if name in by_name and by_name[name] not in taken), "")

    def is_json_or_text(self, column: str) -> bool:
        return self.types[column] in ("json", "jsonb", "text", "character varying")

    def is_integer(self, column: str) -> bool:
        return self.types[column] in ("bigint", "integer", "smallint")


def detect(url: str, say: Callable[[str], None] = logger.info) -> SourceSettings:
    """Settings that read the conversations of a database. `say` is told which store was chosen, and which
    were not.

    Raises SourceRejected, listing what was looked for, when there is nothing of the kind; SourceUnavailable
    when the server does not answer.
    """
    found = candidates(url)
    if not found:
        raise SourceRejected(
            "no conversations found in the database. Looked, in every schema that the role may read, for: the tables "
            "of each program that has a preset (ftworker sources list --presets); a chat history of LangChain "
            "(session_id, message); a table of messages (conversation_id or session_id, role, content); a "
            "question/answer log (question, answer); and their Spanish names. Describe yours in "
            "config/ftworker.toml under [sources.NAME] (docs/SOURCES.md), or check the role's rights"
        )
    chosen = found[0]
    say(f"reading {chosen.description}" + ("" if chosen.has_rows else ", which is empty"))
    for other in found[1:]:
        say(f"not reading {other.description}: {_why_not(other, chosen)}")
    return chosen.settings


def _why_not(other: Candidate, chosen: Candidate) -> str:
    if not other.has_rows:
        return "it is empty"
    return "it is no known program's" if chosen.is_known and not other.is_known else "it tells less"


def candidates(url: str) -> list[Candidate]:
    """Every place that looks like conversations, the best first, in an order that depends on the database
    alone."""
    connections = Connections(NAME, url, statement_timeout_seconds=60, time_zone="UTC")
    try:
        with connections.reading() as reading:
            tables = _read_tables(reading)
            looked_at = [_candidate(reading, table, tables, url) for table in tables]
            known = list(_known(tables))
    except UnreadableRows as error:
        raise SourceRejected(
            f"the database cannot be looked at: {error}; describe the source instead"
        ) from None
    finally:
        connections.close()
    # sorted() keeps the order of the tables for what is equally good.
    found = [_filled(settings, table, url) for settings, table in known]
    found += [one for one in looked_at if one is not None]
    return sorted(found, key=lambda one: (not one.has_rows, not one.is_known, -one.told))


def _read_tables(reading: Reading) -> list[_Table]:
    tables: dict[int, _Table] = {}
    for schema, name, column, type_name, is_primary, references, number in reading.rows(_TABLES):
        table = tables.setdefault(number, _Table(schema, name, number, {}, None, {}))
        table.types[column] = type_name
        if is_primary:
            table.primary = column
        if references is not None and table.references is not None:
            table.references[column] = references
    return list(tables.values())


def _known(tables: Sequence[_Table]) -> Iterable[tuple[SourceSettings, str]]:
    """Presets whose tables are there, schema by schema, each with the name of its first table."""
    schemas: dict[str, dict[str, frozenset[str]]] = {}
    for table in tables:
        schemas.setdefault(table.schema, {})[table.name] = frozenset(table.types)
    for schema, there in schemas.items():
        for settings, uses in matching(schema, there):
            yield settings, uses[0].name


def _filled(settings: SourceSettings, table: str, url: str) -> Candidate:
    """A known program's tables, and whether a conversation is listed in them: a table of messages may be filled and
    hold none, and one that holds the passages be empty."""
    found = settings.model_copy(update={"url": SecretStr(url)})
    source = PostgresSource(NAME, found, url)
    try:
        page = source.iterate_ids(None, None, SAMPLE_ROWS)
    finally:
        source.close()
    # All are told of alike, so that they stay in the order in which they match: those with more columns first.
    where = f"the tables of {settings.preset} in {settings.schema_name}.{table}"
    return Candidate(found, where, bool(page.conversations), told=0, is_known=True)


def _candidate(reading: Reading, table: _Table, tables: Sequence[_Table], url: str) -> Candidate | None:
    settings = _langchain(reading, table) or _messages(reading, table, tables) or _log(table)
    if settings is None:
        return None
    shape = settings["preset"]
    parts = settings.get(shape)
    names = parts.model_dump() if parts is not None else {}
    told = sum(
        1
        for name in ("user", "course", "rating", "context", "created_at", "consent", "tenant")
        if names.get(name)
    )
    described = {
        "langchain": "LangChain's chat history",
        "messages": "the messages",
        "log": "the question/answer log",
    }[shape]
    return Candidate(
        SourceSettings(url=SecretStr(url), schema_name=table.schema, **settings),
        f"{described} in {table.schema}.{table.name}",
        _has_rows(reading, table),
        told,
    )


def _langchain(reading: Reading, table: _Table) -> dict[str, Any] | None:
    if not {"id", "session_id", "message"} <= set(table.types) or "role" in table.types:
        return None
    if not table.is_integer("id") or not table.is_json_or_text("message"):
        return None
    sample = sql.SQL(
        "SELECT bool_and(message::text ~ '^\\s*[{{].*\"type\"') FROM (SELECT message FROM {} LIMIT {}) AS sample"
    ).format(Name(table.schema, table.name), sql.Literal(SAMPLE_ROWS))
    if reading.value(sample) is False:
        return None
    return {"preset": "langchain", "langchain_table": table.name}


def _messages(reading: Reading, table: _Table, tables: Sequence[_Table]) -> dict[str, Any] | None:
    key, role = table.find(CONVERSATION_ID), table.find(ROLE)
    content = table.find(CONTENT, taken=(key, role))
    if not (key and role and content):
        return None
    row_id = table.primary or table.find(ROW_ID)
    created_at = table.find(TIME)
    if not row_id and not created_at:
        return None
    words = _role_words(reading, table, role)
    if words is None:
        return None
    own = {
        "message_conversation_id": key,
        "message_id": row_id,
        "role": role,
        "content": content,
        "created_at": created_at,
        "context": table.find(CONTEXT, taken=(content,)),
        "rating": table.find(RATING),
        "error": table.find(ERROR),
        "model": table.find(MODEL),
        "messages_table": table.name,
        **words,
    }
    conversations = _conversations_of(table, key, tables)
    about = conversations or table
    return {
        "preset": "messages",
        "messages": ColumnsMessages(
            **own,
            conversations_table=conversations.name if conversations else "",
            conversation_id=(conversations.primary or "") if conversations else key,
            user=about.find(USER),
            tenant=about.find(TENANT),
            course=about.find(COURSE),
            closed_at=about.find(CLOSED) if conversations else "",
            consent=about.find(CONSENT),
        ),
    }


def _conversations_of(table: _Table, key: str, tables: Sequence[_Table]) -> _Table | None:
    """The table that the messages' key points to: by its foreign key, else by the names that such tables
    have."""
    referenced = (table.references or {}).get(key)
    for other in tables:
        if other.number == referenced and other.schema == table.schema and other.primary:
            return other
    named = [
        other
        for name in CONVERSATIONS_TABLE
        for other in tables
        if other.name.casefold() == name and other.schema == table.schema and other is not table
    ]
    return next(
        (other for other in named if other.primary and other.types[other.primary] == table.types[key]), None
    )


def _role_words(reading: Reading, table: _Table, role: str) -> dict[str, tuple[str, ...]] | None:
    """The column's words for the two who speak; None when they are no such words. An empty table may still
    be one."""
    if table.types[role] == "boolean":
        user_is = "false" if "bot" in role.casefold() else "true"
        bot_is = "true" if user_is == "false" else "false"
        return {"role_user": (user_is,), "role_assistant": (bot_is,)}
    sample = sql.SQL(
        "SELECT DISTINCT lower({0}::text) FROM (SELECT {0} FROM {1} LIMIT {2}) AS sample"
    ).format(Name(role), Name(table.schema, table.name), sql.Literal(SAMPLE_ROWS))
    words = sorted(row[0].strip() for row in reading.rows(sample) if row[0])
    users = tuple(word for word in words if word in USER_WORDS)
    assistants = tuple(word for word in words if word in ASSISTANT_WORDS)
    if not words:
        return {}
    return {"role_user": users, "role_assistant": assistants} if users and assistants else None


def _log(table: _Table) -> dict[str, Any] | None:
    question, answer = table.find(QUESTION), table.find(ANSWER)
    row_id, created_at = table.primary or table.find(ROW_ID), table.find(TIME)
    # Without times it is more likely a list of frequent questions, or of an exam's.
    if not (question and answer and row_id and created_at):
        return None
    return {
        "preset": "log",
        "log": ColumnsLog(
            table=table.name,
            id=row_id,
            conversation_id=table.find(CONVERSATION_ID, taken=(row_id,)),
            question=question,
            answer=answer,
            created_at=created_at,
            user=table.find(USER),
            tenant=table.find(TENANT),
            course=table.find(COURSE),
            context=table.find(CONTEXT, taken=(question, answer)),
            rating=table.find(RATING),
            model=table.find(MODEL),
        ),
    }


def _has_rows(reading: Reading, table: _Table) -> bool:
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(Name(table.schema, table.name))
    return bool(reading.value(statement))
