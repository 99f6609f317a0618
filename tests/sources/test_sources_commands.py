"""`ftworker sources` and `ftworker backfill` as a person at a terminal meets them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ftworker.cli import cli
from ftworker.errors import NotFound, SourceRejected
from ftworker.settings import Settings, settings_from
from ftworker.sources.registry import make_source
from ftworker.sources.stores import preset_names
from ftworker.store import Store
from tests.sources.conftest import EMPTY, RagDatabase, say
from tests.sources.test_backfill import conversations_in

Run = Callable[..., Result]


@pytest.fixture
def run(two_tables: RagDatabase, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command of ftworker with one source, `tutor`, over the RAG's database."""
    configuration = tmp_path / "ftworker.toml"
    configuration.write_text(
        '[sources.tutor]\npreset = "messages"\nurl_env = "RAG_DATABASE_URL"\n'
        '[sources.tutor.messages]\nuser = "alumno"\ncourse = "curso"\nrating = "rating"\n'
        '[sources.sin]\npreset = "langchain"\nurl_env = "NO_SUCH_URL"\n',
        encoding="utf-8",
    )
    monkeypatch.setenv("FTWORKER_CONFIG", str(configuration))
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("RAG_DATABASE_URL", two_tables.url)
    return lambda *arguments: CliRunner().invoke(cli, list(arguments))


@pytest.fixture
def tutor(two_tables: RagDatabase) -> RagDatabase:
    say(two_tables, "34600123456", "Me llamo Ana y no entiendo", "Vamos por partes.")
    two_tables.run("UPDATE conversations SET alumno = 'a1', curso = 'mat'")
    two_tables.run("UPDATE messages SET rating = 'up' WHERE role = 'assistant'")
    return two_tables


def test_list_shows_each_source_and_what_it_lacks(run: Run) -> None:
    shown = run("sources", "list")
    assert shown.exit_code == 0
    assert "messages" in shown.output
    assert "sin: the variable NO_SUCH_URL is not set" in shown.output
    assert all(len(line) <= 80 for line in shown.output.splitlines())
    facts = json.loads(run("sources", "list", "--json").output)
    assert [fact["name"] for fact in facts] == ["sin", "tutor"]
    assert set(facts[0]) == {
        "name", "preset", "schema", "tables", "url_env", "address_known", "sweep_idle", "idle_seconds", "walks",
    }  # fmt: skip


def test_list_shows_every_preset_with_what_it_reads(run: Run) -> None:
    shown = run("sources", "list", "--presets")
    assert shown.exit_code == 0
    assert all(len(line) <= 80 for line in shown.output.splitlines())
    facts = json.loads(run("sources", "list", "--presets", "--json").output)
    assert [fact["preset"] for fact in facts] == list(preset_names())
    assert set(facts[0]) == {"preset", "reads", "tables"}
    assert all(fact["preset"] in shown.output for fact in facts)


def test_test_shows_what_is_there_and_hides_what_people_wrote(run: Run, tutor: RagDatabase) -> None:
    shown = run("sources", "test", "tutor")
    assert shown.exit_code == 0, shown.output
    assert "Conversations: 1" in shown.output
    assert "…3456" in shown.output
    assert {"assistant:1", "user:1"} <= set(shown.output.split())
    for hidden in ("34600123456", "Ana", "partes"):
        assert hidden not in shown.output
    assert all(
        len(line) <= 80 for line in shown.output.splitlines() if "->" not in line and "note:" not in line
    )


def test_test_shows_content_when_asked(run: Run, tutor: RagDatabase) -> None:
    say(tutor, "larga", "x" * 1_000, "\x1b[31mrojo")
    shown = run("sources", "test", "tutor", "--show-text")
    assert "user: Me llamo Ana y no entiendo" in shown.output
    assert "(1000 characters)" in shown.output
    assert "\x1b" not in shown.output


def test_test_answers_programs_in_json(run: Run, tutor: RagDatabase) -> None:
    facts = json.loads(run("sources", "test", "tutor", "--json").output)
    assert facts["well"] is True
    assert facts["conversations"] == 1
    (seen,) = facts["newest"]
    assert (seen["roles"], seen["rated"], seen["course_id"], seen["user_known"]) == (
        {"assistant": 1, "user": 1},
        1,
        "mat",
        True,
    )
    assert "content" not in seen


def test_test_counts_what_a_sample_holds_and_says_what_the_store_cannot_tell(
    run: Run, tutor: RagDatabase
) -> None:
    sample = json.loads(run("sources", "test", "tutor", "--json").output)["sample"]
    assert sample == {
        "conversations": 1, "messages": 2, "answers": 1, "roles": {"user": 1, "assistant": 1}, "rated_up": 1,
        "rated_down": 0, "with_context": 0, "passages": 0, "with_siblings": 0, "corrected": 0, "timed": 2, "errors": {},
        "models": {}, "debug": 0, "of_known_users": 1, "users": 1, "courses": 1, "tenants": 0, "consented": 0,
        "refused": 0,
    }  # fmt: skip
    shown = " ".join(run("sources", "test", "tutor").output.split())
    assert "rated answers 1 100%; 1 up, 0 down" in shown
    assert "What this store cannot tell:" in shown
    assert "- consent: a pipeline with require_consent takes nothing from here" in shown


@pytest.fixture
def onyx(run: Run, rag: RagDatabase) -> RagDatabase:
    """Another program's store in the place of the tutor's."""
    rag.run(EMPTY)
    rag.load("onyx")
    return rag


def test_a_store_can_be_tried_before_it_is_configured(run: Run, onyx: RagDatabase) -> None:
    shown = run("sources", "test", "--preset", "onyx", "--url-env", "RAG_DATABASE_URL")
    assert shown.exit_code == 0, shown.output
    assert "Conversations: 2" in shown.output
    assert "ecosistema" not in shown.output
    sample = json.loads(
        run("sources", "test", "--preset", "onyx", "--url-env", "RAG_DATABASE_URL", "--json").stdout
    )["sample"]
    assert (sample["with_siblings"], sample["errors"], sample["debug"]) == (1, {"failed": 1}, 0)


def test_an_address_alone_says_which_store_it_is(run: Run, onyx: RagDatabase) -> None:
    shown = run("sources", "test", "--url-env", "RAG_DATABASE_URL")
    assert shown.exit_code == 0, shown.output
    assert "reading the tables of onyx in public.chat_session" in shown.stderr
    assert "Source onyx" in shown.stdout
    assert shown.stdout.endswith('\n[sources.onyx]\npreset = "onyx"\nurl_env = "RAG_DATABASE_URL"\n')


def test_the_configuration_that_is_proposed_reads_what_was_tried(run: Run, tutor: RagDatabase) -> None:
    shown = run("sources", "test", "--url-env", "RAG_DATABASE_URL")
    _, _, proposed = shown.stdout.partition("In the configuration file this source is:")
    (source,) = settings_from(tomllib.loads(proposed)).sources.values()
    assert (source.preset, source.messages.user, source.messages.course) == ("messages", "alumno", "curso")
    assert source.connection_url() == tutor.url


def test_test_says_what_is_wrong_and_ends_with_one(run: Run, two_tables: RagDatabase) -> None:
    two_tables.run("ALTER TABLE conversations DROP COLUMN curso")
    shown = run("sources", "test", "tutor")
    assert shown.exit_code == 1
    assert "correct sources.tutor.messages.course" in shown.output
    assert json.loads(run("sources", "test", "tutor", "--json").output)["well"] is False


@pytest.mark.parametrize(
    "arguments,said",
    [
        (["sources", "test", "tutora"], "there are: sin, tutor"),
        (["sources", "test", "sin"], "NO_SUCH_URL is not set"),
        (["sources", "test"], "give the NAME of a source, or --url-env"),
        (["sources", "test", "tutor", "--preset", "dify"], "for a store without a NAME"),
        (["sources", "test", "--preset", "dify"], "--url-env"),
        (
            ["sources", "test", "--preset", "difi", "--url-env", "RAG_DATABASE_URL"],
            "there are: messages, log,",
        ),
        (["sources", "test", "--preset", "dify", "--url-env", "NO_SUCH_URL"], "NO_SUCH_URL is not set"),
        (["sources", "test", "--url-env", "NO_SUCH_URL"], "NO_SUCH_URL is not set"),
        (["backfill", "--source", "tutora"], "there are: sin, tutor"),
        (["backfill", "--source", "tutor", "--since", "ayer"], "expected a date such as"),
        (["backfill"], "Missing option '--source'"),
    ],
)
def test_wrong_usage_ends_with_two_and_says_what_there_is(run: Run, arguments: list[str], said: str) -> None:
    shown = run(*arguments)
    assert shown.exit_code == 2
    assert said in shown.output


def test_backfill_takes_in_the_past_and_says_so(run: Run, tutor: RagDatabase, store: Store) -> None:
    shown = run("backfill", "--source", "tutor", "--since", "2026-02-01")
    assert shown.exit_code == 0, shown.output
    assert "Looked at 1 conversations: 1 are new, 0 were known, 0 are still open." in shown.output
    assert conversations_in(store) == ["34600123456"]
    facts = json.loads(run("backfill", "--source", "tutor", "--json").stdout)
    assert (facts["recorded"], facts["known"]) == (0, 1)
    assert "Backfill of tutor: 1 of 1" in run("backfill", "--source", "tutor").stderr
    assert "1" in run("sources", "list").output


def test_backfill_can_only_count(run: Run, tutor: RagDatabase, store: Store) -> None:
    assert "1 would be new" in run("backfill", "--source", "tutor", "--dry-run").output
    assert conversations_in(store) == []


def test_since_with_a_store_without_times_is_wrong_usage(
    run: Run, tutor: RagDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    tutor.run("CREATE TABLE message_store (id serial, session_id text, message jsonb)")
    monkeypatch.setenv("NO_SUCH_URL", tutor.url)
    shown = run("backfill", "--source", "sin", "--since", "2026-01-01")
    assert shown.exit_code == 2
    assert "leave --since out" in shown.output
    assert run("backfill", "--source", "sin").exit_code == 0


def test_a_source_is_made_once_and_a_wrong_name_is_answered_with_those_there_are() -> None:
    settings = settings_from(
        {"sources": {"a": {"preset": "langchain", "url": "postgresql://x"}, "b": {"preset": "langchain"}}}
    )
    assert make_source(settings, "a") is make_source(settings, "a")
    with pytest.raises(NotFound, match="there are: a, b"):
        make_source(settings, "c")
    with pytest.raises(NotFound, match="there are: none"):
        make_source(Settings(), "a")
    with pytest.raises(SourceRejected, match=r"sources\.b has neither url_env nor url"):
        make_source(settings, "b")


def test_a_store_in_ftworker_s_own_database_needs_no_second_address() -> None:
    """Not even where that database is the embedded one, which no variable names."""
    settings = settings_from(
        {
            "database_url": "postgresql://x/own",
            "sources": {"a": {"preset": "langchain", "url_env": "FTWORKER_DATABASE_URL"}},
        }
    )
    assert make_source(settings, "a").name == "a"


def test_backfill_again_makes_everything_wait_once_more(run: Run, tutor: RagDatabase, store: Store) -> None:
    run("backfill", "--source", "tutor")
    with store.transaction() as cursor:
        cursor.execute("UPDATE ftworker.inbox SET processed_at = now(), outcome = 'examples'")
    shown = run("backfill", "--source", "tutor", "--again")
    assert "1 conversations taken in before wait once more" in shown.stderr
    assert conversations_in(store) == ["34600123456"]
    assert run("backfill", "--source", "tutor", "--again", "--dry-run").exit_code != 0
