"""The command line as a whole: every command explains itself, exit codes mean what they say, JSON keys stay."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from ftworker.cli import COMMANDS, cli, main
from ftworker.cli.output import emit_json, printable, printable_lines
from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.providers.contract import ProviderRejected
from ftworker.settings import settings_from
from ftworker.store import Store, runs
from tests.integration.workbench import Workbench, closed_events
from tests.servers import OwnProcess


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


ALL = dict(every_command(cli))


@pytest.mark.parametrize("name", ALL)
def test_every_command_explains_itself_with_an_example(name: str) -> None:
    help_text = ALL[name].get_help(click.Context(ALL[name], info_name=f"ftworker {name}"))
    assert "Example:" in help_text, f"ftworker {name} --help shows no example"
    assert f"ftworker {name.split(maxsplit=1)[0]}" in help_text
    assert len(help_text.partition("Example:")[0].strip()) > 20


def test_the_short_help_of_the_first_page_fits_its_commands() -> None:
    assert set(COMMANDS) == {name for name in ALL if " " not in name}


def test_a_mistyped_command_is_answered_with_the_one_that_was_meant() -> None:
    done = CliRunner().invoke(cli, ["run", "list"])
    assert done.exit_code == 2
    assert "No such command 'run'. Did you mean 'runs'?" in done.output
    assert "No such command 'xyz'." in CliRunner().invoke(cli, ["xyz"]).output


def test_the_first_page_imports_nothing_heavy() -> None:
    """`ftworker --help` answers in a fraction of a second because it loads none of these."""
    code = (
        "import sys\nfrom ftworker.cli import cli\ncli.main(['--help'], standalone_mode=False)\n"
        "heavy = {'celery', 'kombu', 'openai', 'pydantic', 'psycopg2', 'rich', 'msgspec', 'redis'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "demo" in done.stdout


# Programs read these: a key may be added, and none renamed or taken away.
RUN_KEYS = {
    "id",
    "pipeline",
    "state",
    "state_since",
    "trigger",
    "dataset_id",
    "provider",
    "base_model",
    "generation",
    "run_key",
    "job_id",
    "provider_status",
    "model",
    "trained_tokens",
    "estimated_usd",
    "error_code",
    "error_message",
    "next_action_at",
    "created_at",
    "finished_at",
    "detail",
}
HOSTILE = "a\x1b[2Jb\x07\r\nc\x9b31m\u202ed"


def test_control_characters_from_outside_cannot_drive_the_terminal() -> None:
    assert printable(HOSTILE) == "a [2Jb   c 31m d"
    assert printable_lines(HOSTILE) == "a [2Jb \nc 31m d"


def test_json_is_the_text_itself_and_plain_to_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    emit_json({"message": HOSTILE, "español": "¿qué?"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"message": HOSTILE, "español": "¿qué?"}
    assert "español" in out
    assert [c for c in out if not c.isprintable()] == ["\n"] * out.count("\n")


@pytest.mark.parametrize(
    "error, code, says",
    [
        (ProviderRejected(HOSTILE, code="x"), 1, "Error: a [2Jb \nc 31m d\n"),
        (ConfigurationError("f.toml", [ConfigurationProblem("a", "1", "two")]), 2, "a = 1: two"),
        (KeyboardInterrupt(), 1, "Stopped."),
        (click.UsageError("not so"), 2, "Error: not so"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_message_and_an_exit_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = run_main(error, code, monkeypatch, capsys)
    assert says in shown
    assert "Traceback" not in shown


def test_a_bug_shows_its_place_and_not_the_text_that_may_hold_a_row(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = run_main(ValueError("el gato de Marisol"), 1, monkeypatch, capsys)
    assert "ValueError" in shown
    assert "test_cli.py" in shown
    assert "Marisol" not in shown


def run_main(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What `ftworker` prints when its command ends in this error."""

    def act(**_: object) -> None:
        raise error

    monkeypatch.setattr(cli, "main", act)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == code
    return capsys.readouterr().err


def test_a_reader_who_goes_away_ends_the_command_quietly(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ftworker.cli", "--help"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 1


@pytest.mark.parametrize("name", [name for name, command in ALL.items() if isinstance(command, click.Group)])
def test_no_short_help_of_a_group_is_cut_off(name: str) -> None:
    context = click.Context(ALL[name], info_name=f"ftworker {name}", terminal_width=80, max_content_width=80)
    commands = ALL[name].get_help(context).partition("\nCommands:\n")[2].splitlines()
    assert len(commands) > 1
    assert [line for line in commands if line.endswith("...")] == []


@pytest.mark.parametrize("name", ["", *ALL])
def test_help_reads_well_in_80_columns(name: str) -> None:
    command = ALL[name] if name else cli
    context = click.Context(command, info_name=f"ftworker {name}", terminal_width=80, max_content_width=80)
    wide = [line for line in command.get_help(context).splitlines() if len(line) > 80]
    assert wide == []


@pytest.fixture
def bench(tmp_path: Path, database_url: str, valkey_url: str, start_process: Any) -> Workbench:
    return Workbench(
        tmp_path, database_url, valkey_url, start_process, provider="local", base_model="llama3.2:3b"
    )


def run(bench: Workbench, *arguments: str) -> OwnProcess:
    return bench.command("ftworker", *arguments)


def keys(process: OwnProcess) -> set[str]:
    value = json.loads(process.output())
    return set(value[0] if isinstance(value, list) else value)


def test_exit_codes_and_stable_keys(bench: Workbench) -> None:
    assert run(bench, "migrate", "--check").returncode == 0
    assert keys(run(bench, "triggers", "--json")) == {
        "pipeline",
        "fires",
        "cause",
        "blocker",
        "progress",
        "waiting_examples",
        "waiting_tokens",
        "oldest_at",
        "last_cut_at",
        "conditions",
        "next_run",
    }
    assert {"pipelines", "runs", "inbox", "parked", "quarantined", "processes", "needs_person"} <= keys(
        run(bench, "status", "--json")
    )
    examined = run(bench, "doctor", "--json")
    assert keys(examined) == {"level", "subject", "message", "advice"}
    [tokens] = [check for check in json.loads(examined.output()) if check["subject"] == "tokens of tutor"]
    assert tokens["message"] == "counted by o200k_base"
    # Each finding leads to the page that explains its code.
    [provider] = [check for check in json.loads(examined.output()) if check["subject"] == "provider local"]
    assert provider["advice"] == "see docs/LOCAL.md, ollama_unreachable"
    # The answer is no: nothing waits, there is no such run.
    assert run(bench, "triggers", "tutor").returncode == 1
    refused = run(bench, "runs", "start", "tutor")
    assert refused.returncode == 1
    assert "no example waits" in refused.output()
    assert run(bench, "runs", "show", "42").returncode == 1
    # Wrong usage, wrong configuration.
    assert run(bench, "runs", "show", "forty").returncode == 2
    assert run(bench, "no-such-command").returncode == 2
    bench.config.write_text("[worker]\nsweep_interval_second = 1\n", encoding="utf-8")
    wrong = run(bench, "config", "check")
    assert wrong.returncode == 2
    assert "worker.sweep_interval_second" in wrong.output()


def test_a_pipeline_of_a_source_that_nobody_configured_is_noted_until_an_event_of_it_came(
    bench: Workbench,
) -> None:
    says = "no source named aula is configured"
    with bench.config.open("a", encoding="utf-8") as config:
        config.write('\n[pipelines.other]\nprovider = "local"\nbase_model = "llama3.2:3b"\nsource = "aula"\n')
    checked = run(bench, "config", "check")
    assert (checked.returncode, says in checked.output()) == (0, True)
    examined = json.loads(run(bench, "doctor", "--json").output())
    [note] = [check for check in examined if says in check["message"]]
    assert (note["level"], note["subject"]) == ("note", "pipeline other")

    with bench.store.transaction() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.conversations "
            "(source_name, conversation_id, content_sha256, message_count, closed_at) "
            "VALUES ('aula', 'c1', '', 2, now())"
        )
    assert says not in run(bench, "doctor").output()


def test_a_run_is_begun_followed_shown_and_listed_by_hand(bench: Workbench) -> None:
    """`runs start --wait` needs no worker; a run without Ollama ends packaged, which is well."""
    bench.record(closed_events(15))
    accumulate_here(bench)

    started = run(bench, "runs", "start", "tutor", "--wait")
    assert started.returncode == 0, started.output()
    assert "packaged" in started.output()
    assert "ollama create" in started.output()

    [found] = bench.all_runs()
    listed = run(bench, "runs", "list", "--json")
    assert json.loads(listed.output())[0]["state"] == "packaged"
    assert keys(listed) == RUN_KEYS
    shown = json.loads(run(bench, "runs", "show", str(found.id), "--json").output())
    assert set(shown) == RUN_KEYS | {"training", "journal"}
    assert set(shown["journal"][0]) == {"at", "kind", "message", "data"}
    status = json.loads(run(bench, "status", "--json").output())
    assert set(status) == {
        "pipelines",
        "runs",
        "inbox",
        "parked",
        "quarantined",
        "processes",
        "needs_person",
    }
    assert set(status["runs"][0]) == RUN_KEYS
    assert set(status["inbox"]) == {"waiting", "postponed", "oldest_age_seconds"}
    assert set(status["pipelines"][0]) == {
        "pipeline",
        "configured",
        "waiting_examples",
        "waiting_tokens",
        "progress",
        "fires_by",
        "blocker",
        "last_cut_at",
        "model",
    }
    assert [entry["data"]["to"] for entry in shown["journal"] if entry["kind"] == "move"][-1] == "packaged"
    assert run(bench, "runs", "watch", str(found.id)).returncode == 0
    assert run(bench, "runs", "cancel", str(found.id)).returncode == 1
    for arguments in (("runs", "list"), ("runs", "show", str(found.id)), ("status",), ("triggers",)):
        assert max(map(len, run(bench, *arguments).output().splitlines())) <= 80 or arguments[1:2] == (
            "show",
        )


def test_approval_is_given_by_hand(bench: Workbench) -> None:
    bench.config.write_text(
        bench.config.read_text(encoding="utf-8") + 'budget = { approval = "manual" }\n', encoding="utf-8"
    )
    bench.record(closed_events(15))
    accumulate_here(bench)

    waiting = run(bench, "runs", "start", "tutor", "--wait")
    assert waiting.returncode == 0
    assert "runs approve 1" in waiting.output()
    assert run(bench, "runs", "promote", "1").returncode == 1
    assert run(bench, "runs", "approve", "1").returncode == 0
    with bench.store.transaction() as cursor:
        assert runs.get_run(cursor, 1).state == "exported"


def test_a_parked_run_is_resolved_only_by_naming_one_outcome(bench: Workbench) -> None:
    assert run(bench, "runs", "resolve", "1").returncode == 2
    assert run(bench, "runs", "resolve", "1", "--job", "x", "--none").returncode == 2


def accumulate_here(bench: Workbench) -> None:
    from ftworker.accumulate import accumulate

    settings = settings_from({"pipelines": {"tutor": {"provider": "local", "trigger": {"min_examples": 20}}}})
    store = Store(bench.database_url)
    while accumulate(store, settings, lambda name: pytest.fail(f"asked for source {name}")).taken:
        continue
    store.close()


def test_what_a_run_would_take_is_told_before_anything_is_cut(bench: Workbench) -> None:
    bench.record(closed_events(15))
    accumulate_here(bench)
    told = run(bench, "runs", "start", "tutor", "--dry-run")
    assert told.returncode == 0
    assert "15 new" in told.output()
    assert "counted by o200k_base" in told.output()
    assert "llama3.2:3b at local: no weights are trained" in told.output()
    facts = json.loads(run(bench, "runs", "start", "tutor", "--dry-run", "--json").output())
    assert set(facts) == {
        "pipeline",
        "provider",
        "base_model",
        "new_examples",
        "train_examples",
        "train_tokens",
        "counted_by",
        "epochs",
        "trained_tokens",
        "usd",
        "trains_weights",
        "approval",
        "blocker",
    }
    assert facts == json.loads(run(bench, "triggers", "--json").output())[0]["next_run"] | {"blocker": None}
    assert "next run: about" in run(bench, "triggers").output()
    assert json.loads(run(bench, "datasets", "list", "--json").output()) == []
    assert run(bench, "runs", "start", "tutor", "--dry-run", "--wait").returncode == 2
    assert run(bench, "runs", "start", "tutor", "--json").returncode == 2


def test_what_forbids_a_run_is_told_by_a_dry_one(bench: Workbench) -> None:
    told = run(bench, "runs", "start", "tutor", "--dry-run")
    assert told.returncode == 1
    assert "Does not begin: no example waits" in told.output()
