"""Settings of the stores of conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import SecretStr, model_validator

from ftworker.settings.environment import variable
from ftworker.settings.fields import PositiveSeconds, Section


class ColumnsMessages(Section):
    """Column names of the generic shape of two tables. Set to "" what the store does not have."""

    conversations_table: str = "conversations"
    """Table with one row a conversation; "" when there are only messages."""
    conversation_id: str = "id"
    """Its key."""
    user: str = ""
    """Who asked, as a pseudonym: groups the split. Hashed before it is stored."""
    tenant: str = ""
    """School or customer; pipelines can choose by it."""
    course: str = ""
    """Course or subject; pipelines can choose by it."""
    closed_at: str = ""
    """When the conversation was closed or last changed; without it the newest message counts."""
    consent: str = ""
    """Whether the user agreed to training."""
    debug: str = ""
    """Whether the conversation was made by those who build the RAG, trying it out: never trained on."""
    messages_table: str = "messages"
    """Table with one row a message."""
    message_id: str = "id"
    """Its key; breaks ties in time."""
    message_conversation_id: str = "conversation_id"
    """The conversation that a message belongs to."""
    role: str = "role"
    """Who speaks."""
    content: str = "content"
    """The text."""
    created_at: str = "created_at"
    """When it was written."""
    context: str = ""
    """A json or jsonb column with the retrieved chunks: a list of texts or of objects with `text` or `content`."""
    rating: str = ""
    """The user's opinion of the message."""
    error: str = ""
    """Set when the answer failed."""
    model: str = ""
    """The model that answered."""
    correction: str = ""
    """What a person wrote in place of the answer: the target of training."""
    role_user: tuple[str, ...] = ("user", "human", "usuario", "alumno")
    """Words in `role` that mean the user."""
    role_assistant: tuple[str, ...] = ("assistant", "ai", "bot", "asistente", "tutor")
    """Words in `role` that mean the assistant."""


class ColumnsLog(Section):
    """Column names of the generic shape of one question/answer log. Set to "" what the store does not have."""

    table: str = "chat_log"
    """Table with one row a question and its answer."""
    id: str = "id"
    """Its key; breaks ties in time."""
    conversation_id: str = ""
    """Without it, a user's rows are one conversation until a gap of `idle_seconds`."""
    question: str = "question"
    """What was asked."""
    answer: str = "answer"
    """What was answered."""
    created_at: str = "created_at"
    """When it was asked."""
    user: str = ""
    """Who asked, as a pseudonym."""
    tenant: str = ""
    """School or customer."""
    course: str = ""
    """Course or subject."""
    context: str = ""
    """A json or jsonb column with the retrieved chunks."""
    rating: str = ""
    """The user's opinion of the answer."""
    model: str = ""
    """The model that answered."""


PresetName = Literal[
    "messages",
    "log",
    "langchain",
    "google_adk",
    "langgraph",
    "llamaindex_chat_store",
    "llamaindex_memory",
    "openai_agents",
    "langflow",
    "onyx",
    "anythingllm",
    "ragflow",
    "moodle_openai_chat",
    "maxkb",
    "lobechat",
    "dify",
    "openwebui",
    "openwebui_legacy",
    "chainlit",
    "chainlit_official",
    "vercel_chatbot",
    "flowise",
]
"""One line a preset: `sources/presets/NAME.sql` and `NAME.py`. A test keeps this list and those files the same."""


class SourceSettings(Section):
    """A store of conversations that ftworker may read. `ftworker sources test NAME` tries it."""

    preset: PresetName
    """Shape of the store: `messages`, `log`, or the program that writes it (docs/SOURCES.md)."""
    url: SecretStr | None = None
    """Connection URL of the RAG's PostgreSQL. Better: `url_env`, the environment variable that holds it."""
    url_env: str | None = None
    """Environment variable that holds the connection URL."""
    schema_name: str = "public"
    """PostgreSQL schema of the tables."""
    messages: ColumnsMessages = ColumnsMessages()
    log: ColumnsLog = ColumnsLog()
    langchain_table: str = "message_store"
    """Table of the `langchain` preset: `message_store`, `n8n_chat_histories`, or your own."""
    moodle_prefix: str = "mdl_"
    """Prefix of Moodle's tables, for the `moodle_openai_chat` preset: `$CFG->prefix` of the site."""
    tables: Mapping[str, str] = {}
    """Own names of the tables of the other presets, such as `agent_messages = "mensajes"`."""
    idle_seconds: PositiveSeconds = 1800.0
    """A conversation untouched for so long is closed. 30 minutes: only 0.16 % of real human gaps are longer."""
    sweep_idle: bool = False
    """True for a store whose RAG emits no events: beat looks for idle conversations."""
    naive_timezone: str = "UTC"
    """Zone of timestamps that carry none."""
    statement_timeout_seconds: PositiveSeconds = 60.0
    """Longest that one query may take in the RAG's database."""
    ratings_up: tuple[str, ...] = ("1", "up", "like", "good", "true", "t", "positive")
    """Values of a rating that mean thumbs-up, compared in lower case."""
    ratings_down: tuple[str, ...] = ("-1", "0", "down", "dislike", "bad", "false", "f", "negative")
    """Values that mean thumbs-down. Any other is no opinion."""

    @model_validator(mode="after")
    def _tables_have_an_effect(self) -> Self:
        if self.tables and self.preset in {"messages", "log", "langchain"}:
            raise ValueError(
                f"tables has no effect with the preset {self.preset}: name its tables in messages, log or "
                "langchain_table"
            )
        return self

    def __hash__(self) -> int:
        """By its values, `tables` too: sources are kept by their settings."""
        return hash(self.model_dump_json())

    def connection_url(self) -> str | None:
        """The URL to connect to, from the environment variable when one is named; None when nothing is configured."""
        if self.url_env:
            return variable(self.url_env)
        return self.url.get_secret_value() if self.url else None
