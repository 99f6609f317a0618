"""What is an event and what is not; what a refusal says and what it never says; the published documents."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.conversations import Chunk, Conversation, Message
from ftworker.events import contract, schema
from ftworker.events.contract import (
    EVENT_TYPE,
    REJECTION_CODES,
    ClosedEvent,
    EventRejected,
    decode,
    encode,
    to_conversation,
    with_event_facts,
)
from ftworker.settings import IngestSettings, fields

REPOSITORY = Path(__file__).resolve().parents[2]
MAX_BYTES = 100_000
SECRET = "María vive en la calle Mayor"


def whole() -> dict[str, Any]:
    return copy.deepcopy(schema.EXAMPLE)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def refused(raw: bytes) -> EventRejected:
    with pytest.raises(EventRejected) as caught:
        decode(raw, MAX_BYTES)
    return caught.value


def answer_to(raw: bytes) -> ClosedEvent | EventRejected:
    try:
        return decode(raw, MAX_BYTES)
    except EventRejected as error:
        return error


def test_an_event_with_nothing_but_a_conversation_id_is_enough() -> None:
    event = decode(as_bytes({**whole(), "data": {"conversation_id": "42"}}), MAX_BYTES)
    assert (event.source_name, event.data.conversation_id, event.data.messages) == ("default", "42", None)
    assert to_conversation(event) is None


def test_every_field_of_the_contract_arrives() -> None:
    data = {
        "conversation_id": "c-1",
        "source_name": "tutor",
        "tenant_id": "t",
        "course_id": "k",
        "user_ref": "u",
        "locale": "es",
        "reason": "resolved",
        "started_at": "2026-11-20T08:00:00Z",
        "last_message_at": "2026-11-20T09:00:00+01:00",
        "closed_at": "2026-11-20T10:00:00.5Z",
        "message_count": 2,
        "consent": {"training": True, "policy": "2026"},
        "rating": {"value": -1},
        "feedback": [{"message_id": "m2", "value": 1, "comment": "gracias"}],
        "system_prompt": "Eres un tutor.",
        "model": "m",
        "messages": [
            {"id": "m1", "role": "user", "content": "¿?\u0000"},
            {
                "id": "m2",
                "parent_id": "m1",
                "role": "assistant",
                "content": "Sí.",
                "context": [
                    {"rank": 1, "source": "s", "chunk_id": "k", "text": "t", "score": 0.5, "cited": True}
                ],
                "error": False,
                "created_at": "2026-11-20T09:00:01Z",
            },
        ],
    }
    conversation = to_conversation(decode(as_bytes({**whole(), "data": data}), MAX_BYTES))
    assert conversation == Conversation(
        source_name="tutor",
        conversation_id="c-1",
        messages=(
            Message("user", "¿?\x00", id="m1"),
            Message(
                "assistant",
                "Sí.",
                id="m2",
                parent_id="m1",
                context=(Chunk("t", rank=1, source="s", chunk_id="k", score=0.5, cited=True),),
                error=False,
                created_at=datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC),
                rating=1,
            ),
        ),
        tenant_id="t",
        course_id="k",
        user_ref="u",
        locale="es",
        model="m",
        system_prompt="Eres un tutor.",
        rating=-1,
        training_consent=True,
        closed_at=datetime(2026, 11, 20, 10, 0, 0, 500_000, tzinfo=UTC),
        last_message_at=datetime(2026, 11, 20, 8, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "change",
    [
        {"extension": "x", "traceparent": "y"},
        {"subject": "c", "dataschema": "urn:x", "datacontenttype": "application/json"},
        {"time": None, "subject": None},
        {"data": {"conversation_id": "c", "an_own_field": {"deep": [1, None]}}},
        {"data": {"conversation_id": "c", "messages": None, "reason": None, "consent": None}},
        {"data": {"conversation_id": "ñandú 😀/" + "x" * 240}},
    ],
)
def test_extensions_and_nulls_and_unknown_fields_are_no_trouble(change: dict[str, Any]) -> None:
    assert isinstance(decode(as_bytes({**whole(), **change}), MAX_BYTES), ClosedEvent)


def test_a_byte_order_mark_is_no_trouble() -> None:
    assert decode(b"\xef\xbb\xbf" + as_bytes(whole()), MAX_BYTES).id == whole()["id"]


def data(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"].update(fields)


def top(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event.update(fields)


def message(**fields: Any) -> Callable[[dict[str, Any]], None]:
    return lambda event: event["data"]["messages"][1].update(fields)


def without(*path: str) -> Callable[[dict[str, Any]], None]:
    def remove(event: dict[str, Any]) -> None:
        for part in path[:-1]:
            event = event[part]
        del event[path[-1]]

    return remove


REFUSALS: list[tuple[Callable[[dict[str, Any]], None], str, str]] = [
    (without("specversion"), "not_cloudevent", "specversion: missing"),
    (top(specversion="0.3"), "not_cloudevent", 'specversion: expected "1.0"'),
    (without("id"), "not_cloudevent", "id: expected text"),
    (top(id=""), "not_cloudevent", "id: expected text"),
    (top(id=7), "not_cloudevent", "id: expected text"),
    (top(id="x" * 257), "invalid_field", "id: expected text of 1 to 256 characters"),
    (top(id="a\x00b"), "invalid_field", "without control characters"),
    (top(id="a\n"), "invalid_field", "without control characters"),
    (without("source"), "not_cloudevent", "source: expected text"),
    (without("type"), "not_cloudevent", "type: expected text"),
    (top(type="com.example.other"), "unknown_type", f"type: expected {EVENT_TYPE}"),
    (top(type=f"{EVENT_TYPE}.{SECRET}"), "unknown_type", f"type: expected {EVENT_TYPE}"),
    (top(type="org.ftworker.conversation.closed.v2"), "unknown_version", "found v2"),
    (top(type="org.ftworker.conversation.closed"), "unknown_version", "found no version"),
    (top(time="2026-11-20"), "bad_time", "time: expected an RFC 3339 time"),
    (without("data"), "missing_conversation_id", "data: missing"),
    (top(data=SECRET), "invalid_field", "data: expected an object, found text of 28 characters"),
    (lambda e: (e.pop("data"), e.update(data_base64="e30="))[1], "not_cloudevent", "data_base64"),
    (without("data", "conversation_id"), "missing_conversation_id", "data.conversation_id: missing"),
    (data(conversation_id=None), "missing_conversation_id", "data.conversation_id: missing"),
    (data(conversation_id=""), "empty_conversation_id", "data.conversation_id"),
    (data(conversation_id=" \u00a0"), "empty_conversation_id", "data.conversation_id"),
    (data(conversation_id=42), "invalid_field", "found a number; put it between quotes"),
    (data(conversation_id="c\x00"), "invalid_field", "data.conversation_id"),
    (data(source_name="Open WebUI"), "invalid_field", "lower-case letters, digits"),
    (data(source_name="chat\n"), "invalid_field", "lower-case letters, digits"),
    (data(tenant_id=""), "invalid_field", "data.tenant_id: expected text of 1 to 256"),
    (data(reason=SECRET), "invalid_field", "data.reason: expected one of archived, backfill, deleted"),
    (data(started_at="ayer"), "bad_time", "data.started_at: expected"),
    (data(closed_at="2026-11-20T10:00:00"), "bad_time", "data.closed_at: expected"),
    (data(closed_at=1_700_000_000), "bad_time", "data.closed_at: expected"),
    (data(closed_at="0001-01-01T00:00:00+14:00"), "bad_time", "data.closed_at: expected"),
    (data(last_message_at="2026-02-30T10:00:00Z"), "bad_time", "data.last_message_at: expected"),
    (data(message_count=-1), "invalid_field", "data.message_count: expected a whole number from 0"),
    (data(message_count=10**30), "invalid_field", "data.message_count"),
    (data(message_count=2.5), "invalid_field", "data.message_count"),
    (data(consent=True), "invalid_field", "data.consent: expected an object, found true or false"),
    (data(consent={"training": "sí"}), "invalid_field", "data.consent.training: expected true or false"),
    (data(rating=1), "invalid_field", "data.rating: expected an object, found a number"),
    (data(rating={"value": 5}), "invalid_field", "data.rating.value: expected a whole number from -1 to 1"),
    (data(feedback=[{"value": 1}]), "invalid_field", "data.feedback[0].message_id: missing"),
    (data(messages=SECRET), "invalid_field", "data.messages: expected a list, found text"),
    (data(messages=[SECRET]), "invalid_field", "data.messages[0]: expected an object"),
    (message(role=None), "invalid_field", "data.messages[1].role: expected text, found null"),
    (
        message(content=[SECRET]),
        "invalid_field",
        "data.messages[1].content: expected text, found a list of 1",
    ),
    (lambda e: e["data"]["messages"][1].pop("content"), "invalid_field", "data.messages[1].content: missing"),
    (
        message(error={}),
        "invalid_field",
        "data.messages[1].error: expected text, true or false, found an obj",
    ),
    (message(rating=2), "invalid_field", "data.messages[1].rating"),
    (message(created_at="2026-11-20T10:00:00"), "bad_time", "data.messages[1].created_at: expected"),
    (message(created_at=SECRET), "bad_time", "data.messages[1].created_at: expected"),
    (message(context=[{"text": "t", "rank": 2**70}]), "invalid_field", "data.messages[1].context[0].rank"),
    (message(context=[{"rank": 1}]), "invalid_field", "data.messages[1].context[0].text: missing"),
    (message(content="mitad \ud83d"), "lone_surrogate", "data.messages[1].content: holds half"),
    (data(conversation_id="\udc00\ud800"), "lone_surrogate", "data.conversation_id: holds half"),
    (data(**{SECRET: "\ud800"}), "lone_surrogate", "data.(a field of your own): holds half"),
    (data(**{"\ud800": 1}), "lone_surrogate", "data.(a field of your own)"),
]


@pytest.mark.parametrize(
    "change,reason,detail", REFUSALS, ids=[f"{r}-{n}" for n, (_, r, _d) in enumerate(REFUSALS)]
)
def test_what_is_wrong_is_named_with_its_field_and_never_with_its_text(
    change: Callable[[dict[str, Any]], None], reason: str, detail: str
) -> None:
    event = whole()
    change(event)
    error = refused(as_bytes(event))
    assert error.reason == reason
    assert detail in error.detail
    assert "María" not in str(error)
    assert "mitad" not in str(error)
    # Nor may a traceback bring the decoder's own message along.
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize(
    "raw,reason,detail",
    [
        (b"", "malformed_json", "character 0: expected one JSON object"),
        (b"{", "malformed_json", "expected one JSON object"),
        (b"{} {}", "malformed_json", "character 3"),
        (b"null", "not_cloudevent", "found null"),
        (b"[1]", "not_cloudevent", "found a list of 1"),
        (b'"texto"', "not_cloudevent", "found text of 5 characters"),
        (b'{"conversation_id": "c"}', "not_cloudevent", "bare `data` without its envelope"),
        (b'{"a": NaN}', "malformed_json", "NaN"),
        (b'{"a": 1e999}', "malformed_json", "out of range"),
        (b"9" * 5000, "malformed_json", "expected one JSON object"),
        (b'{"a":' + b"[" * 50_000, "malformed_json", ""),
        (b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "malformed_json", "nested too deeply"),
        (b'{"a": "\x01"}', "malformed_json", "character 7"),
        (b"\xff\xfe{\x00}\x00", "not_utf8", "byte 0: expected UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not_utf8", "byte 7"),
        (b" " * (MAX_BYTES + 1), "too_large", f"{MAX_BYTES + 1} bytes; the limit is {MAX_BYTES}"),
    ],
)
def test_bytes_that_are_no_event_are_refused_for_what_they_are(raw: bytes, reason: str, detail: str) -> None:
    error = refused(raw)
    assert error.reason == reason
    assert detail in error.detail


def test_every_reason_of_the_contract_is_in_the_tables_above_and_in_the_documentation() -> None:
    seen = {reason for _, reason, _ in REFUSALS} | {"malformed_json", "not_utf8", "too_large"}
    assert seen == set(REJECTION_CODES)
    text = (REPOSITORY / "docs" / "EVENTS.md").read_text(encoding="utf-8")
    assert [code for code in REJECTION_CODES if f"`{code}`" not in text] == []


def test_source_names_are_the_names_that_the_configuration_allows() -> None:
    assert contract.SOURCE_NAME_PATTERN == fields.NAME_PATTERN + r"(?!\n)"


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["\ud800", SECRET]),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below, max_size=3),
    max_leaves=6,
)
PATHS: list[tuple[str | int, ...]] = [
    (),
    ("id",),
    ("data",),
    ("data", "conversation_id"),
    ("data", "closed_at"),
    ("data", "feedback"),
    ("data", "messages"),
    ("data", "messages", 1),
    ("data", "messages", 1, "content"),
    ("data", "messages", 1, "context"),
    ("data", "messages", 1, "context", 0, "text"),
]


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(PATHS),
    value=json_values,
    name=st.sampled_from(["rank", "score", "error", "rating", "x"]),
)
def test_whatever_stands_in_a_field_the_decoder_only_ever_refuses(
    path: tuple[str | int, ...], value: Any, name: str
) -> None:
    event: Any = whole()
    if not path:
        event = value
    else:
        place = event
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = value
        if isinstance(place, dict):
            place[name] = value
    answer = answer_to(json.dumps(event).encode())
    if isinstance(answer, EventRejected):
        assert answer.reason in REJECTION_CODES
        assert "María" not in str(answer)
    else:
        to_conversation(answer, datetime(2026, 1, 1, tzinfo=UTC))
        assert decode(encode(answer), MAX_BYTES) == answer


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, 800), insert=st.binary(max_size=6), skip=st.integers(0, 6))
def test_whatever_bytes_come_the_decoder_only_ever_refuses(cut: int, insert: bytes, skip: int) -> None:
    raw = as_bytes(whole())
    answer = answer_to(raw[:cut] + insert + raw[cut + skip :])
    assert isinstance(answer, ClosedEvent) or answer.reason in REJECTION_CODES


RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)


def closed(**fields: Any) -> ClosedEvent:
    envelope = {key: value for key, value in whole().items() if key != "time"}
    return decode(as_bytes({**envelope, "data": {"conversation_id": "c", **fields}}), MAX_BYTES)


def test_a_clock_in_the_future_is_taken_for_the_time_of_arrival() -> None:
    later = (RECEIVED + timedelta(days=400)).isoformat()
    conversation = to_conversation(closed(messages=[], closed_at=later, last_message_at=later), RECEIVED)
    assert conversation is not None
    assert (conversation.closed_at, conversation.last_message_at) == (RECEIVED, RECEIVED)


def test_without_a_closing_time_the_newest_message_counts_and_else_the_arrival() -> None:
    written = [{"role": "user", "content": "a", "created_at": f"2026-11-0{day}T00:00:00Z"} for day in (3, 2)]
    conversation = to_conversation(closed(messages=written), RECEIVED)
    assert conversation is not None
    assert conversation.closed_at == conversation.last_message_at == datetime(2026, 11, 3, tzinfo=UTC)
    empty = to_conversation(closed(messages=[]), RECEIVED)
    assert empty is not None
    assert (empty.closed_at, empty.last_message_at, empty.messages) == (RECEIVED, None, ())


def test_the_last_feedback_about_a_message_counts_and_strangers_are_ignored() -> None:
    feedback = [{"message_id": i, "value": v} for i, v in (("m", 1), ("m", -1), ("other", 1))]
    conversation = to_conversation(
        closed(
            messages=[{"id": "m", "role": "ai", "content": "a"}, {"role": "ai", "content": "b"}],
            feedback=feedback,
        )
    )
    assert conversation is not None
    assert [m.rating for m in conversation.messages] == [-1, None]


@pytest.mark.parametrize(
    "said,stored,result",
    [(None, None, None), (None, True, True), (True, None, True), (False, True, False), (True, False, False)],
)
def test_a_no_to_training_from_either_side_wins(
    said: bool | None, stored: bool | None, result: bool | None
) -> None:
    event = closed(consent={"training": said})
    found = Conversation("default", "c", (), training_consent=stored)
    assert with_event_facts(found, event).training_consent is result


def test_what_the_event_says_wins_over_the_store_and_completes_it() -> None:
    found = Conversation(
        "default", "c", (Message("ai", "a", id="m"),), tenant_id="t", course_id="k", model="old"
    )
    event = closed(course_id="other", rating={"value": 1}, feedback=[{"message_id": "m", "value": -1}])
    conversation = with_event_facts(found, event)
    assert (conversation.tenant_id, conversation.course_id, conversation.model) == ("t", "other", "old")
    assert (conversation.rating, conversation.messages[0].rating) == (1, -1)


@pytest.mark.parametrize("name", [schema.SCHEMA_FILE, schema.ASYNCAPI_FILE])
def test_the_published_documents_are_those_made_from_the_types(name: str) -> None:
    written = (REPOSITORY / "docs" / "events" / name).read_text(encoding="utf-8")
    assert written == schema.documents()[name], "run: python -m ftworker.events.schema"


def validator() -> jsonschema.Draft202012Validator:
    jsonschema.Draft202012Validator.check_schema(schema.event_schema())
    return jsonschema.Draft202012Validator(
        schema.event_schema(), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


def test_the_json_schema_accepts_the_example() -> None:
    validator().validate(schema.EXAMPLE)
    assert decode(as_bytes(schema.EXAMPLE), MAX_BYTES).data.conversation_id == "c-1042"


# What JSON Schema cannot say: the year, the surrogate that json.dumps escapes, and the hint in place of a rule.
BEYOND_SCHEMA = {"0001-01-01T00:00:00+14:00"}


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_the_json_schema_refuses_what_the_decoder_refuses(number: int) -> None:
    change, reason, _ = REFUSALS[number]
    event = whole()
    change(event)
    expected = (
        reason != "lone_surrogate"
        and event.get("data", {})
        and not (isinstance(event["data"], dict) and event["data"].get("closed_at") in BEYOND_SCHEMA)
    )
    if expected:
        assert not validator().is_valid(event)


def test_every_field_is_described_in_the_schema_and_in_the_documentation() -> None:
    text = (REPOSITORY / "docs" / "EVENTS.md").read_text(encoding="utf-8")
    for name, component in schema.event_schema()["$defs"].items():
        for field, facts in component["properties"].items():
            assert facts.get("description"), f"{name}.{field}"
            assert f"`{field}`" in text, f"{name}.{field} is not in docs/EVENTS.md"


def test_the_asyncapi_document_is_valid_by_its_own_meta_schema() -> None:
    document = yaml.safe_load(
        (REPOSITORY / "docs" / "events" / schema.ASYNCAPI_FILE).read_text(encoding="utf-8")
    )
    assert document == schema.asyncapi()
    # From the npm package @asyncapi/specs 6.11.1 (Apache-2.0), schemas/3.0.0-without-$id.json, spaces left out.
    meta_schema = json.loads(
        Path(__file__).with_name("asyncapi-3.0.0.schema.json").read_text(encoding="utf-8")
    )
    jsonschema.Draft7Validator(meta_schema).validate(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(meta_schema).validate({**document, "channels": []})


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = schema.asyncapi()
    folder = REPOSITORY / "docs" / "events"

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str) and reference.startswith("#/"):
                place: Any = document
                for part in reference[2:].split("/"):
                    place = place[part]
            elif isinstance(reference, str):
                assert (folder / reference).exists()
            for below in node.values():
                follow(below)
        elif isinstance(node, list):
            for below in node:
                follow(below)

    follow(document)


def test_the_names_in_the_documents_are_the_defaults_of_the_settings() -> None:
    ingest = IngestSettings()
    channels = schema.asyncapi()["channels"]
    assert channels["rabbitmq"]["address"] == ingest.routing_key
    assert channels["rabbitmq"]["bindings"]["amqp"]["exchange"]["name"] == ingest.exchange
    assert channels["stream"]["address"] == ingest.stream


def test_importing_events_loads_neither_celery_nor_a_driver_nor_the_settings() -> None:
    heavy = ["celery", "psycopg2", "openai", "pydantic", "kombu", "redis"]
    program = (
        "import sys, ftworker.events\nfrom ftworker.events import Publisher, decode, publish\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_a_name_that_events_does_not_have_is_an_attribute_error() -> None:
    import ftworker.events

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = ftworker.events.nothing
    assert all(hasattr(ftworker.events, name) for name in ftworker.events.__all__)
