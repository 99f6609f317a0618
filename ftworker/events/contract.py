"""The event `org.ftworker.conversation.closed.v1`, CloudEvents 1.0 JSON: its types, decoding and meaning.

Pure: no I/O, no clock. What is no valid event is EventRejected with a reason code and the field's path; what
stands in the field never shows, for it may be a child's words. `schema` makes the published documents from
these types; docs/EVENTS.md is the contract for people.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from ftworker.conversations import Conversation, Message
from ftworker.errors import PermanentError

EVENT_TYPE_NAME = "org.ftworker.conversation.closed"
EVENT_TYPE = "org.ftworker.conversation.closed.v1"

DEFAULT_SOURCE_NAME = "default"
"""Stands for `data.source_name` where the event names no source."""

# Not \A...\Z, which JSON Schema lacks; the lookahead stops Python's `$` from passing a newline at the end.
IDENTIFIER_PATTERN = r"^[^\x00-\x1f\x7f]*$(?!\n)"
CONVERSATION_ID_PATTERN = r"^(?=.*\S)[^\x00-\x1f\x7f]*$(?!\n)"
SOURCE_NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$(?!\n)"

# PostgreSQL refuses index rows above 2,704 bytes; 256 + 256 characters of up to 4 bytes stay below.
SourceName = Annotated[str, Meta(pattern=SOURCE_NAME_PATTERN)]
Identifier = Annotated[str, Meta(min_length=1, max_length=256, pattern=IDENTIFIER_PATTERN)]
ConversationId = Annotated[str, Meta(min_length=1, max_length=256, pattern=CONVERSATION_ID_PATTERN)]
Opinion = Annotated[int, Meta(ge=-1, le=1)]
Time = Annotated[datetime, Meta(tz=True)]

Reason = Literal["user_ended", "idle_timeout", "resolved", "archived", "deleted", "backfill"]

RejectionCode = Literal[
    "too_large",
    "not_utf8",
    "malformed_json",
    "lone_surrogate",
    "not_cloudevent",
    "unknown_type",
    "unknown_version",
    "missing_conversation_id",
    "empty_conversation_id",
    "bad_time",
    "invalid_field",
]
REJECTION_CODES: tuple[str, ...] = get_args(RejectionCode)


class EventRejected(PermanentError):
    """Bytes that are no valid event. `reason` is a code, `detail` names the field and what is expected.

    Neither ever holds text of the event, so both may be logged and shown.
    """

    def __init__(self, reason: RejectionCode, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Consent(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the user agreed to."""

    training: Annotated[
        bool | None,
        Meta(description="false: never trained on. Absent: `require_consent` of the pipeline decides."),
    ] = None
    policy: Annotated[
        str | None, Meta(description="Name or version of the policy that the user agreed to.")
    ] = None


class Rating(msgspec.Struct, frozen=True, omit_defaults=True):
    """The user's opinion of the whole conversation."""

    value: Annotated[Opinion, Meta(description="1 thumbs-up, -1 thumbs-down, 0 no opinion.")]


class Feedback(msgspec.Struct, frozen=True, omit_defaults=True):
    """The user's opinion of one message. The last about a message counts."""

    message_id: Annotated[str, Meta(description="`id` of the message.")]
    value: Annotated[Opinion, Meta(description="1 thumbs-up, -1 thumbs-down, 0 no opinion.")]
    comment: Annotated[str | None, Meta(description="The user's own words; never trained on.")] = None


class ConversationClosed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A conversation that has ended, with its messages or the name of the store that holds them."""

    conversation_id: Annotated[
        ConversationId,
        Meta(
            description="The conversation's own id in its store, as text. The one field that must be there."
        ),
    ]
    source_name: Annotated[
        SourceName | None,
        Meta(
            description="Name of the store, as in ftworker's configuration (`sources.NAME`); `default` when "
            "absent. With conversation_id it identifies the conversation.",
        ),
    ] = None
    tenant_id: Annotated[
        Identifier | None, Meta(description="School or customer; pipelines can choose by it.")
    ] = None
    course_id: Annotated[
        Identifier | None, Meta(description="Course or subject; pipelines can choose by it.")
    ] = None
    user_ref: Annotated[
        Identifier | None,
        Meta(description="A pseudonym of the user, never a name or an address. Hashed before it is stored."),
    ] = None
    locale: Annotated[Identifier | None, Meta(description="Language tag, such as es or es-MX.")] = None
    reason: Annotated[
        Reason | None,
        Meta(description="Why it was closed. `deleted` purges what ftworker holds of the conversation."),
    ] = None
    started_at: Annotated[Time | None, Meta(description="When the conversation began.")] = None
    last_message_at: Annotated[Time | None, Meta(description="When its last message was written.")] = None
    closed_at: Annotated[
        Time | None, Meta(description="When it was closed; `time` of the event when absent.")
    ] = None
    message_count: Annotated[
        Annotated[int, Meta(ge=0, le=2**31 - 1)] | None,
        Meta(description="How many messages the publisher knew of. Information only."),
    ] = None
    consent: Annotated[Consent | None, Meta(description="What the user agreed to.")] = None
    rating: Annotated[Rating | None, Meta(description="Opinion of the whole conversation.")] = None
    feedback: Annotated[tuple[Feedback, ...] | None, Meta(description="Opinions of single messages.")] = None
    system_prompt: Annotated[
        str | None, Meta(description="The system prompt that the answers were given under.")
    ] = None
    model: Annotated[Identifier | None, Meta(description="The model that answered.")] = None
    debug: Annotated[
        bool | None,
        Meta(description="True for a conversation of those who build the RAG: it is never trained on."),
    ] = None
    messages: Annotated[
        tuple[Message, ...] | None,
        Meta(
            description="The messages in order. Absent: read from the store named by source_name. "
            "An empty list is an empty conversation."
        ),
    ] = None


class ClosedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """CloudEvents 1.0 envelope. `source` and `id` identify the event: the same pair again is a repeat.

    Other attributes (CloudEvents extensions) are allowed and ignored.
    """

    specversion: Annotated[Literal["1.0"], Meta(description="Version of CloudEvents.")]
    id: Annotated[
        Identifier, Meta(description="Unique within `source`. A retry of the same event keeps its id.")
    ]
    source: Annotated[
        Identifier, Meta(description="URI reference of the publisher, such as /rag or https://rag.example.")
    ]
    type: Annotated[
        Literal["org.ftworker.conversation.closed.v1"], Meta(description="Kind and version of the event.")
    ]
    data: Annotated[ConversationClosed, Meta(description="The closed conversation.")]
    time: Annotated[Time | None, Meta(description="When the event was made.")] = None
    subject: Annotated[str | None, Meta(description="Optional, not used.")] = None
    datacontenttype: Annotated[str | None, Meta(description="application/json.")] = None
    dataschema: Annotated[str | None, Meta(description="Optional, not used.")] = None

    @property
    def source_name(self) -> str:
        """The store that the conversation belongs to."""
        return self.data.source_name or DEFAULT_SOURCE_NAME


# What the plain types of Message and Chunk do not say: `schema` publishes it, `_check` enforces it.
MESSAGE_FIELDS: dict[str, dict[str, Any]] = {
    "role": {"description": "user or assistant (or the store's own words: human, ai, bot...), system, tool."},
    "content": {"description": "The text."},
    "id": {"description": "Id of the message, for feedback and parent_id."},
    "parent_id": {
        "description": "Id of the message that this one answers, in stores that keep regenerated answers."
    },
    "context": {
        "description": "The passages that were given to the model for this turn, in the order served."
    },
    "error": {"description": "Set when the answer failed or was cut off; such a turn is never trained on."},
    "created_at": {"description": "When it was written.", "format": "date-time"},
    "rating": {
        "description": "The user's opinion of it: 1, -1 or 0; the same as feedback.",
        "minimum": -1,
        "maximum": 1,
    },
    "model": {"description": "The model that wrote it, where it is not the event's."},
    "correction": {
        "description": "What a person wrote in place of this answer: training teaches it instead."
    },
    "siblings": {
        "description": "Other answers to the same question, regenerated away: with ratings they make preference pairs."
    },
}
SIBLING_FIELDS: dict[str, dict[str, Any]] = {
    "content": {"description": "The text of the other answer."},
    "rating": {"description": "The user's opinion of it: 1, -1 or 0.", "minimum": -1, "maximum": 1},
    "model": {"description": "The model that wrote it, where it is not the event's."},
}
CHUNK_FIELDS: dict[str, dict[str, Any]] = {
    "text": {"description": "The passage as the model saw it."},
    "rank": {"description": "Place in the served order, 1 first.", "minimum": 0, "maximum": 1_000_000},
    "source": {"description": "The document it comes from."},
    "chunk_id": {"description": "Its id in the index."},
    "score": {"description": "What the retriever gave it."},
    "cited": {"description": "Whether the answer cites it."},
}

_decoder = msgspec.json.Decoder(ClosedEvent)
_encoder = msgspec.json.Encoder()
_BOM = b"\xef\xbb\xbf"


def decode(raw: bytes, max_bytes: int) -> ClosedEvent:
    """The event that the bytes are. Raises EventRejected, and nothing else, whatever they hold."""
    if len(raw) > max_bytes:
        raise EventRejected(
            "too_large", f"{len(raw)} bytes; the limit is {max_bytes} (ingest.max_message_bytes)"
        )
    try:
        # All of it and not only the known fields, for it is stored as text.
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise EventRejected("not_utf8", f"byte {error.start}: expected UTF-8") from None
    raw = raw.removeprefix(_BOM)
    try:
        event = _decoder.decode(raw)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        from ftworker.events.rejection import explain

        # `from None`: the decoder's message can hold values.
        raise explain(raw, str(error)) from None
    _check(event)
    return event


def encode(event: ClosedEvent) -> bytes:
    """The event as JSON. Raises EventRejected when a text holds a lone surrogate."""
    try:
        return _encoder.encode(event)
    except UnicodeEncodeError:
        raise EventRejected(
            "lone_surrogate", "a text holds half of a surrogate pair; expected Unicode text"
        ) from None


def to_conversation(event: ClosedEvent, received_at: datetime | None = None) -> Conversation | None:
    """The conversation that the event carries; None when it must be read from its source (no `messages`).

    `received_at` limits times: see `with_event_facts`.
    """
    if event.data.messages is None:
        return None
    bare = Conversation(
        source_name=event.source_name,
        conversation_id=event.data.conversation_id,
        messages=event.data.messages,
    )
    return with_event_facts(bare, event, received_at)


def with_event_facts(
    conversation: Conversation, event: ClosedEvent, received_at: datetime | None = None
) -> Conversation:
    """A conversation, from the event or from its source, completed with what the event says about it.

    The event wins where it says something. A `consent.training` of false, from either side, wins over all.
    A clock in the future is not believed: a time after `received_at` (when it was recorded) becomes that.
    """
    data = event.data
    opinions = {feedback.message_id: feedback.value for feedback in data.feedback or ()}
    messages = conversation.messages
    if opinions and any(message.id in opinions for message in messages):
        messages = tuple(
            msgspec.structs.replace(message, rating=opinions[message.id])
            if message.id in opinions
            else message
            for message in messages
        )
    written = [message.created_at for message in messages if message.created_at is not None]
    last_message_at = data.last_message_at or conversation.last_message_at or max(written, default=None)
    closed_at = data.closed_at or conversation.closed_at or event.time or last_message_at or received_at
    consent = data.consent.training if data.consent is not None else None
    if consent is None or conversation.training_consent is False:
        consent = conversation.training_consent
    return msgspec.structs.replace(
        conversation,
        messages=messages,
        tenant_id=data.tenant_id or conversation.tenant_id,
        course_id=data.course_id or conversation.course_id,
        user_ref=data.user_ref or conversation.user_ref,
        locale=data.locale or conversation.locale,
        model=data.model or conversation.model,
        system_prompt=data.system_prompt if data.system_prompt is not None else conversation.system_prompt,
        rating=data.rating.value if data.rating is not None else conversation.rating,
        training_consent=consent,
        debug=bool(data.debug) or conversation.debug,
        closed_at=_not_after(closed_at, received_at),
        last_message_at=_not_after(last_message_at, received_at),
    )


def _not_after(time: datetime | None, limit: datetime | None) -> datetime | None:
    return limit if time is not None and limit is not None and time > limit else time


def _check(event: ClosedEvent) -> None:
    """The rules that the types cannot say."""
    data = event.data
    _check_time("time", event.time)
    _check_time("data.closed_at", data.closed_at)
    _check_time("data.last_message_at", data.last_message_at)
    _check_time("data.started_at", data.started_at)
    for number, message in enumerate(data.messages or ()):
        if message.created_at is not None:
            _check_time(f"data.messages[{number}].created_at", message.created_at)
        if message.rating is not None and not -1 <= message.rating <= 1:
            raise EventRejected("invalid_field", f"data.messages[{number}].rating: expected 1, 0 or -1")
        for place, sibling in enumerate(message.siblings):
            if sibling.rating is not None and not -1 <= sibling.rating <= 1:
                path = f"data.messages[{number}].siblings[{place}].rating"
                raise EventRejected("invalid_field", f"{path}: expected 1, 0 or -1")
        for place, chunk in enumerate(message.context):
            if chunk.rank is not None and not 0 <= chunk.rank <= 1_000_000:
                path = f"data.messages[{number}].context[{place}].rank"
                raise EventRejected("invalid_field", f"{path}: expected a whole number from 0 to 1000000")


def _check_time(path: str, time: datetime | None) -> None:
    if time is not None and (time.tzinfo is None or not 1970 <= time.year <= 9998):
        raise EventRejected("bad_time", f"{path}: expected {TIME_EXPECTED}")


TIME_EXPECTED = "an RFC 3339 time from 1970 on with its offset, such as 2026-11-23T10:00:00Z"
