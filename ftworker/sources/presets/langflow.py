"""Langflow: the table `message`, where its chat components and agents store what was said in a session.

The playground calls a session by its flow's id, as an API call does that names none, and further ones `Session Mar
01, 10:02:00`: these are the builder's own trials, or many people in one, and count as debug. `session_metadata`, in
newer versions, is what the calling program says of its user; `message.user_id` is the owner of the flow, not the
one who asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg2 import sql

from ftworker.settings import SourceSettings
from ftworker.sources.preset import Table, TableUse, fixed_preset

_ABOUT = "m.session_metadata ->> 'user_id' AS user_ref, m.session_metadata ->> 'tenant_id' AS tenant_id,"
_COLUMNS = ("id", "timestamp", "sender", "session_id", "text", "error", "category", "properties", "flow_id")


def _parts(_: SourceSettings, tables: Mapping[str, Table]) -> dict[str, sql.Composable]:
    columns = tables["message"].columns
    # Langflow writes UTC into a column without a zone, whatever zone the source is configured with.
    in_utc = "" if columns["timestamp"].type_name.endswith("with time zone") else " AT TIME ZONE 'UTC'"
    return {
        "about": sql.SQL(_ABOUT if "session_metadata" in columns else ""),
        "time": sql.SQL(f"m.timestamp{in_utc}"),
        "since": sql.SQL(f"%(since)s::timestamptz{in_utc}"),
        "until": sql.SQL(f"%(until)s::timestamptz{in_utc}"),
    }


PRESET = fixed_preset(
    "langflow",
    TableUse(
        "message",
        dict.fromkeys(_COLUMNS, ""),
        indexes={"session_id": "each batch of conversations is read by it"},
        times="timestamp",
    ),
    roles={"User": "user", "Machine": "assistant", "AI": "assistant"},
    order=("created_at", "turn", "id"),
    cannot_tell=(
        "users: only where the calling program sends session_metadata.user_id",
        "retrieved context: Langflow hands it to the model and does not store it",
        "consent: a pipeline with require_consent takes nothing from here",
        "sessions that nobody named: they carry their flow's id, mix people, and count as debug",
        "what a person corrected: an edited message stands there in place of what was said",
    ),
    parts_of=_parts,
)
