"""The contract as documents: JSON Schema 2020-12 and AsyncAPI 3.0, made from the types in `contract`.

`python -m ftworker.events.schema` writes them to docs/events; a test compares the written files with these.
Never describes a field twice: the words are those of `contract`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from ftworker.events.contract import (
    CHUNK_FIELDS,
    EVENT_TYPE,
    MESSAGE_FIELDS,
    SIBLING_FIELDS,
    ClosedEvent,
)

SCHEMA_FILE = "conversation.closed.v1.schema.json"
ASYNCAPI_FILE = "asyncapi.yaml"

EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7d0f8c52-4c0e-4d0a-9a53-6a7b0f6f2f10",
    "source": "/rag",
    "type": EVENT_TYPE,
    "time": "2026-11-23T10:05:00Z",
    "data": {
        "conversation_id": "c-1042",
        "source_name": "tutor",
        "course_id": "fisica-1",
        "user_ref": "u-5f1c",
        "locale": "es",
        "reason": "user_ended",
        "consent": {"training": True, "policy": "2026-09"},
        "messages": [
            {"role": "user", "content": "¿Cuál es la fórmula de la energía?"},
            {
                "id": "m-2",
                "role": "assistant",
                "content": "Es E=mc²: E es la energía, m la masa y c la velocidad de la luz.",
                "context": [{"text": "E=mc² relaciona masa y energía.", "source": "tema-4.pdf"}],
            },
        ],
        "feedback": [{"message_id": "m-2", "value": 1}],
    },
}


@cache
def event_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the whole event. Do not change what it returns."""
    (reference,), components = msgspec.json.schema_components([ClosedEvent], ref_template="#/$defs/{name}")
    # msgspec's plain types carry no words and no limits for what `conversations` shares with the stores.
    for name, fields in (("Message", MESSAGE_FIELDS), ("Chunk", CHUNK_FIELDS), ("Sibling", SIBLING_FIELDS)):
        for field, facts in fields.items():
            known = components[name]["properties"][field]
            limits = {key: value for key, value in facts.items() if key != "description"}
            known["description"] = facts["description"]
            known.get("anyOf", [known])[0].update(limits)
    for component in components.values():
        component["description"] = " ".join(component["description"].split())
        for known in component["properties"].values():
            # An optional field may be null or absent; a default of null would say it twice.
            known.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:org.ftworker:conversation.closed.v1",
        "title": EVENT_TYPE,
        **reference,
        "examples": [EXAMPLE],
        "$defs": components,
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document: the two channels, as an application that receives from them."""
    message = {"$ref": "#/components/messages/conversationClosed"}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ftworker: closed conversations",
            "version": "1.0.0",
            "description": "What a RAG publishes when a conversation closes, and how ftworker receives it.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "rabbitmq": {
                "address": "conversation.closed.v1",
                "title": "RabbitMQ",
                "description": "Topic exchange rag.events, routing key conversation.closed.v1. Publish "
                "persistent messages with `mandatory` and confirms, so that nothing is lost unnoticed.",
                "messages": {"conversationClosed": message},
                "bindings": {
                    "amqp": {
                        "is": "routingKey",
                        "exchange": {
                            "name": "rag.events",
                            "type": "topic",
                            "durable": True,
                            "autoDelete": False,
                            "vhost": "/",
                        },
                        "bindingVersion": "0.3.0",
                    }
                },
            },
            "stream": {
                "address": "ftworker:events",
                "title": "Valkey or Redis stream",
                "description": "XADD ftworker:events * event JSON: the field `event` holds the whole event.",
                "messages": {"conversationClosed": message},
            },
        },
        "operations": {
            "receiveFromRabbitmq": {
                "action": "receive",
                "channel": {"$ref": "#/channels/rabbitmq"},
                "summary": "Each message is recorded once, then acknowledged.",
                "messages": [{"$ref": "#/channels/rabbitmq/messages/conversationClosed"}],
                "bindings": {"amqp": {"ack": True, "bindingVersion": "0.3.0"}},
            },
            "receiveFromStream": {
                "action": "receive",
                "channel": {"$ref": "#/channels/stream"},
                "summary": "Each entry is recorded once, acknowledged (XACK) and trimmed.",
                "messages": [{"$ref": "#/channels/stream/messages/conversationClosed"}],
            },
        },
        "components": {
            "messages": {
                "conversationClosed": {
                    "name": EVENT_TYPE,
                    "title": "A conversation has closed",
                    "contentType": "application/cloudevents+json",
                    "payload": {
                        "schemaFormat": "application/schema+json;version=draft-2020-12",
                        "schema": {"$ref": f"./{SCHEMA_FILE}"},
                    },
                    "bindings": {"amqp": {"contentEncoding": "utf-8", "messageType": EVENT_TYPE}},
                    "examples": [{"name": "inline", "payload": EXAMPLE}],
                }
            }
        },
    }


def documents() -> dict[str, str]:
    """The files of docs/events: name and text."""
    return {
        SCHEMA_FILE: json.dumps(event_schema(), ensure_ascii=False, indent=2) + "\n",
        ASYNCAPI_FILE: "# Made by `python -m ftworker.events.schema`; change that module instead.\n"
        + _yaml(asyncapi()),
    }


def write_documents(folder: Path) -> None:
    """Write the files of docs/events into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def _yaml(value: Any, indent: str = "") -> str:
    # JSON is YAML, so block mappings are all that must be written: no dependency for it.
    lines = []
    for key, item in value.items():
        label = f"{indent}{key if key.isidentifier() else json.dumps(key)}:"
        if isinstance(item, dict) and item:
            lines.append(f"{label}\n{_yaml(item, indent + '  ')}")
        else:
            lines.append(f"{label} {json.dumps(item, ensure_ascii=False)}\n")
    return "".join(lines)


if __name__ == "__main__":
    write_documents(Path(__file__).resolve().parents[2] / "docs" / "events")
