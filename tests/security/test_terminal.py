"""No text or name that came from outside drives the terminal of whoever looks at it, whichever command shows it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from psycopg2 import sql

from ftworker.cli import cli, main
from ftworker.events.contract import EVENT_TYPE
from ftworker.runs.cutting import dataset_settings
from tests.accumulate.bench import Bench, turns
from tests.servers import PostgresServer
from tests.sources.conftest import TWO_TABLES, RagDatabase
from tests.test_quarantine import sad
from tests.web import rows

DRIVES = "\x1b]0;título\x07\x1b[2J\x9b31m\u202e\u2028\r\nNeeds you: nothing\x08"
"""Sets the title, rings, clears the screen, turns the direction round, begins a line of its own."""
ID = "c\x9b31m\u202e\u2028-1"
"""What an event may have as an id: no control characters of ASCII, but these."""
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)

NOT_TRIED = {
    "demo": "shows its own conversations",
    "up": "a process: its lines are logs",
    "ingest": "a process: its lines are logs",
    "web": "a process: its lines are logs",
    "health": "prints its own argument and a number",
    "migrate": "prints names of our files",
    "parked collect": "prints three numbers",
    "config check": "prints the operator's own file",
    "redact": "a filter: JSON in, JSON out, for programs",
    "datasets report": "prints where a file lies, and is tried with the path of the dataset",
    "datasets export": "prints the path that it was given",
}
Shown = Callable[..., str]


@pytest.fixture
def rag(postgres_server: PostgresServer, empty_database_url: str) -> RagDatabase:
    """A chat store in which somebody chose every name and text."""
    database = RagDatabase(empty_database_url)
    database.run(TWO_TABLES)
    database.run("INSERT INTO conversations (id, alumno, curso) VALUES (%s, 'a', %s)", [ID, DRIVES])
    for role in ("user", "assistant", DRIVES):
        database.run(
            "INSERT INTO messages (conversation_id, role, content) VALUES (%s, %s, %s)", [ID, role, DRIVES]
        )
    return database


@pytest.fixture
def shown(
    database_url: str,
    rag: RagDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Shown:
    """A database with such text in every column that may hold some; run a command, get all that it prints."""
    for name in ("TEXT", "MAIL", "USER", "TENANT", "COURSE", "MODEL", "FILE", "NAME", "SCRIPT"):
        monkeypatch.setattr(rows, name, DRIVES)
    monkeypatch.setattr(rows, "CONVERSATION", ID)
    bench = Bench(database_url, tmp_path)
    rows.fill(bench.store)
    folder = tmp_path / "dataset"
    folder.mkdir()
    (folder / "README.md").write_text(f"# Dataset\n{DRIVES}\n", encoding="utf-8")
    with bench.store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET url = %s, manifest = %s, sha256 = %s, exported_at = now()",
            (folder.as_uri(), json.dumps(manifest()), DRIVES),
        )
        frozen = {**dataset_settings(bench.settings, "tutor"), "format": "openai-chat", DRIVES: DRIVES}
        cursor.execute(
            "UPDATE ftworker.datasets SET settings = %s || jsonb_build_object('system_prompt', %s::text || id)",
            (json.dumps(frozen), DRIVES),
        )
        cursor.execute(
            "UPDATE ftworker.runs SET next_action_at = NULL, detail = %s, error_message = %s",
            (json.dumps({"instructions": DRIVES, "suspended_by": DRIVES}), DRIVES),
        )
        said = [{"role": "user", "content": DRIVES}, {"role": "assistant", "content": DRIVES}]
        cursor.execute("UPDATE ftworker.examples SET content = %s", (json.dumps(said),))
        cursor.execute(
            "UPDATE ftworker.trainings SET stage = %s, progress = %s",
            (DRIVES, json.dumps({"stage": DRIVES, "completed": 1, "total": 2, "unit": DRIVES})),
        )
    bench.closed("held", [*sad(), {"role": DRIVES, "content": DRIVES}], closed_at=NOON)
    bench.closed(ID, [*turns(2), {"role": DRIVES, "content": DRIVES}], closed_at=NOON, tenant_id="t\x9b31m")
    bench.work()
    bench.store.close()
    configuration = tmp_path / "ftworker.toml"
    configuration.write_text(
        '[pipelines.tutor]\nprovider = "local"\n[pipelines.other]\nprovider = "local"\n'
        '[sources.rag]\npreset = "messages"\nurl_env = "RAG_DATABASE_URL"\n'
        '[sources.rag.messages]\nuser = "alumno"\ncourse = "curso"\n',
        encoding="utf-8",
    )
    for name, value in {
        "FTWORKER_CONFIG": str(configuration),
        "FTWORKER_DATABASE_URL": database_url,
        "FTWORKER_BROKER_URL": "redis://127.0.0.1:1/0",
        "RAG_DATABASE_URL": rag.url,
        "OLLAMA_HOST": "127.0.0.1:1",
    }.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> str:
        monkeypatch.setattr("sys.argv", ["ftworker", *arguments])
        with contextlib.suppress(SystemExit):
            main()
        told = capsys.readouterr()
        output = told.out + told.err
        assert "Traceback" not in output, output
        return output

    return run


def manifest() -> dict[str, Any]:
    """Of a dataset whose names somebody chose."""
    entry = {"name": DRIVES, "sha256": DRIVES, "bytes": 1, "rows": 1, "tokens": 1}
    return {
        "sha256": DRIVES,
        "content": {
            "format": DRIVES,
            "system_prompt": {"version": DRIVES, "sha256": DRIVES},
            "split": {"validation_share": 0.1, "salt": DRIVES, "given_up": DRIVES},
            "curation": {},
            "train": entry,
            "validation": entry,
        },
        "provenance": {
            "examples": 1,
            "drops": {DRIVES: 1},
            "left_out": {DRIVES: 1},
            "tokenizers": {DRIVES: 1},
            "selection": {},
        },
    }


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[str]:
    """The names of all commands, `runs show` and the like."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*before, name))
        else:
            yield " ".join((*before, name))


def calls(files: Path) -> dict[str, list[list[str]]]:
    """Arguments for each command that is tried."""
    lines = files / f"{ID}.jsonl"
    lines.write_text(
        "".join(
            json.dumps(line) + "\n"
            for line in (
                {"messages": [{"role": DRIVES, "content": 7}], DRIVES: 1},
                {"specversion": DRIVES, "type": EVENT_TYPE, "data": {"conversation_id": DRIVES, DRIVES: 1}},
                {"conversation_id": DRIVES, "messages": [{"role": DRIVES, "content": DRIVES, DRIVES: 1}]},
                DRIVES,
            )
        ),
        encoding="utf-8",
    )
    runs = [str(number) for number in (1, 2, 3, 4)]
    return {
        "status": [[], ["--json"]],
        "doctor": [[], ["--json"]],
        "triggers": [[], ["--json"], [DRIVES]],
        "config show": [[], ["--json"]],
        "runs list": [[], ["--json"], ["--state", DRIVES]],
        "runs start": [["tutor", "--dry-run"], [DRIVES], ["tutor"]],
        "runs show": [[run, *more] for run in runs for more in ([], ["--json"])],
        "runs watch": [["1"], ["4"]],
        "runs cancel": [["1"], ["2"]],
        "runs retry": [["3"], ["4"]],
        "runs approve": [["1"]],
        "runs promote": [["3"]],
        "runs reject": [["3"]],
        "runs resolve": [["3", "--job", DRIVES]],
        "curate": [[ID, "--explain", "--show-text"], [ID, "--show-text", "--json"], [DRIVES]],
        "datasets list": [[], ["--json"]],
        "datasets show": [["1"], ["2"], ["2", "--json"]],
        "datasets diff": [["1", "2", "--turns", "9"], ["1", "2", "--turns", "9", "--json"]],
        "datasets card": [["2"]],
        "datasets audit": [["2"], ["2", "--json"]],
        "datasets golden": [["tutor"], [DRIVES]],
        "datasets validate": [[str(lines)], [str(lines), "--json"], [str(files / DRIVES.replace("/", ""))]],
        "sources list": [[], ["--presets"]],
        "sources test": [
            ["rag"],
            ["rag", "--show-text"],
            ["rag", "--show-text", "--json"],
            ["--url-env", "RAG_DATABASE_URL", "--show-text"],
        ],
        "backfill": [["--source", "rag", "--dry-run"], ["--source", DRIVES]],
        "publish": [["--check", str(lines)]],
        "parked list": [[], ["--json"], ["--reason", DRIVES], ["--reason", DRIVES, "--json"]],
        "parked show": [["1", "--raw"], ["4", "--raw", "--json"]],
        "parked replay": [["1"], ["2", "--json"]],
        "parked drop": [["--reason", DRIVES, "--yes"]],
        "quarantine list": [["--show-ids"], ["--show-ids", "--json"], ["--rejected", "--show-ids"]],
        "quarantine show": [["41", "--show-text", "--show-ids"], ["41", "--show-text", "--json"], [DRIVES]],
        "quarantine release": [["41"], [DRIVES]],
        "quarantine reject": [["41"]],
    }


def test_no_command_lets_stored_text_drive_the_terminal(shown: Shown, tmp_path: Path) -> None:
    driven = {}
    said = ""
    for command, every in calls(tmp_path).items():
        for arguments in every:
            output = shown(*command.split(), *arguments)
            said += output
            if any(not c.isprintable() for c in output.replace("\n", "")):
                driven[command, *arguments] = output
    assert list(driven) == []
    # The text was there to be shown, without what drives.
    assert said.count("título") > 40


def test_a_table_of_any_name_is_found_and_shown_as_a_configuration(
    shown: Shown, rag: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = 'chat"\x1b]0;x\x07\x9b\n[sources.x]'
    rag.run("DROP TABLE messages, conversations")
    with rag.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            sql.SQL(
                "CREATE TABLE {} (id bigserial PRIMARY KEY, session_id text, message jsonb); INSERT INTO {} "
                """(session_id, message) VALUES ('a', '{{"type": "human", "data": {{"content": "x"}}}}')"""
            ).format(sql.Identifier(name), sql.Identifier(name))
        )
    connection.close()
    output = shown("sources", "test", "--url-env", "RAG_DATABASE_URL")
    assert "langchain_table" in output
    assert all(c.isprintable() for c in output.replace("\n", ""))
    assert "\n[sources.x]" not in output


def test_every_command_is_tried_or_has_a_reason(tmp_path: Path) -> None:
    assert set(commands(cli)) == set(calls(tmp_path)) | set(NOT_TRIED)
