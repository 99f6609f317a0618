"""docs/SOURCES.md under test: its examples are made and read, its presets are those that there are."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from pydantic import SecretStr

from ftworker.settings import SourceSettings, settings_from
from ftworker.sources import preset as presets
from ftworker.sources.postgres import PostgresSource
from tests.conftest import REPOSITORY
from tests.sources.conftest import OpenSource, RagDatabase

DOCUMENT = (REPOSITORY / "docs" / "SOURCES.md").read_text(encoding="utf-8")
NAMES: tuple[str, ...] = get_args(SourceSettings.model_fields["preset"].annotation)


def example(language: str, name: str) -> str:
    (found,) = re.findall(rf"```{language}\n(?:--|#) example: {name}\n(.*?)```", DOCUMENT, re.DOTALL)
    return str(found)


FILLED = {
    "messages": """
        INSERT INTO conversaciones VALUES ('00000000-0000-0000-0000-000000000001', 7, 'mat', true);
        INSERT INTO mensajes (conversacion_id, rol, contenido, creado_en) VALUES
            ('00000000-0000-0000-0000-000000000001', 'alumno', 'P', '2026-07-01 12:00'),
            ('00000000-0000-0000-0000-000000000001', 'tutor', 'R', '2026-07-01 12:01');
        """,
    "log": "INSERT INTO consultas (alumno_id, pregunta, respuesta, fecha) VALUES (7, 'P', 'R', '2026-07-01 10:01+00')",
    "langchain": """
        INSERT INTO n8n_chat_histories (session_id, message) VALUES
            ('s1', '{"type": "human", "content": "P"}'), ('s1', '{"type": "ai", "content": "R"}');
        """,
}


@pytest.mark.parametrize("name", sorted(FILLED))
def test_the_example_of_each_preset_reads_the_example_s_tables(rag: RagDatabase, name: str) -> None:
    rag.run(example("sql", name) + FILLED[name])
    ((source_name, configured),) = settings_from(tomllib.loads(example("toml", name))).sources.items()
    source = PostgresSource(source_name, configured.model_copy(update={"url": SecretStr(rag.url)}), rag.url)
    findings = source.check()
    assert [found for found in findings if found.level in ("error", "warning")] == []
    ids = [one.conversation_id for one in source.newest(10)]
    assert [[(m.role, m.content) for m in found.messages] for found in source.fetch(ids)] == [
        [("user", "P"), ("assistant", "R")]
    ]
    source.close()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FILLED])
def test_the_example_of_each_store_reads_the_store_s_rows(rag: RagDatabase, name: str) -> None:
    rag.load(name)
    ((source_name, configured),) = settings_from(tomllib.loads(example("toml", name))).sources.items()
    assert configured.preset == name
    source = PostgresSource(source_name, configured.model_copy(update={"url": SecretStr(rag.url)}), rag.url)
    assert [found.message for found in source.check() if found.level == "error"] == []
    assert list(source.fetch([one.conversation_id for one in source.newest(1)]))
    source.close()


@pytest.mark.parametrize("name", NAMES)
def test_each_preset_has_its_statements_a_mapping_and_a_section(name: str) -> None:
    assert presets.preset(name).name == name
    assert {"messages", "changes", "scopes"} <= set(presets.statements(name))
    assert f"## {name}\n" in DOCUMENT
    assert f"[`{name}`](#{name})" in DOCUMENT


def test_the_example_of_renamed_tables_reads_them(rag: RagDatabase) -> None:
    rag.load("openai_agents")
    rag.run("ALTER TABLE agent_messages RENAME TO mensajes")
    ((name, configured),) = settings_from(tomllib.loads(example("toml", "tables"))).sources.items()
    source = PostgresSource(name, configured, rag.url)
    assert source.count() == 3
    source.close()


def test_every_preset_can_be_chosen() -> None:
    folder = files("ftworker.sources.presets")
    there = {Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".sql")}
    assert there == set(NAMES)


RASA = """
CREATE TABLE events (id serial PRIMARY KEY, sender_id varchar(255) NOT NULL, type_name varchar(255) NOT NULL,
    timestamp double precision, intent_name varchar(255), action_name varchar(255), data text);
INSERT INTO events (sender_id, type_name, timestamp, data) VALUES
    ('c1', 'action', 1782900000.5, '{"event": "action", "name": "action_session_start"}'),
    ('c1', 'user', 1782900000.5, '{"event": "user", "text": "P"}'),
    ('c1', 'bot', 1782900000.5, '{"event": "bot", "text": "R"}');
"""


def test_the_example_of_a_new_preset_works_as_it_stands(
    rag: RagDatabase, open_source: OpenSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = presets.named_statements(example("sql", "preset"))
    monkeypatch.setattr(presets, "statements", lambda name: {"rasa": written}[name])
    module: dict[str, presets.Preset] = {}
    exec(example("python", "preset"), module)
    monkeypatch.setattr("ftworker.sources.postgres.preset", lambda _: module["PRESET"])
    monkeypatch.setattr(presets, "preset", lambda _: module["PRESET"])
    rag.run(RASA)
    source = open_source(preset="langchain")
    assert [found.message for found in source.check() if found.level == "error"] == []
    at = datetime.fromtimestamp(1782900000.5, UTC)
    page = source.iterate_ids(None, None, 10)
    assert [(one.message_count, one.last_change_at) for one in page.conversations] == [(2, at)]
    assert list(source.idle(at - timedelta(seconds=1), at)) == list(page.conversations)
    (conversation,) = source.fetch(["c1"])
    assert [(m.role, m.content) for m in conversation.messages] == [("user", "P"), ("assistant", "R")]
