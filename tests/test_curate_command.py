"""`ftworker curate`: the demo's conversations, followed from event or store into a line or a drop reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftworker.accumulate import accumulate
from ftworker.cli import cli
from ftworker.conversations import Conversation, Message
from ftworker.datasets.storage import open_storage
from ftworker.demo.conversations import SOURCE_NAME, closed_event, packaged_conversations
from ftworker.errors import FtworkerError
from ftworker.events.contract import EVENT_TYPE
from ftworker.explain import Explained, explain
from ftworker.runs import cutting
from ftworker.runs.states import Step
from ftworker.runs.steps import StepRunner
from ftworker.settings import Settings
from ftworker.store import Store, datasets, inbox
from ftworker.store.inbox import NewEvent
from tests.doubles.fake_provider import FakeProvider
from tests.doubles.fake_source import FakeSource, FakeSources

PIPELINE = "tutor"
# Of a school whose events carry the messages.
INLINE = [{**conversation, "tenant_id": "a-school"} for conversation in packaged_conversations()]
CONFIGURATION = """
storage_url = "{storage}"
[providers.local]
kind = "local"
[pipelines.tutor]
source = "demo"
provider = "local"
format = "{format}"
trigger = {{ min_examples = 1 }}
[pipelines.other]
source = "another"
provider = "local"
"""


class Town:
    """An installation whose one dataset was cut and exported from the demo's conversations."""

    def __init__(self, url: str, folder: Path, form: str) -> None:
        self.store = Store(url)
        self.source = FakeSource(SOURCE_NAME)
        self.settings = Settings.model_validate(
            {
                "database_url": url,
                "storage_url": f"file://{folder}/storage",
                "providers": {"local": {"kind": "local"}},
                "pipelines": {
                    PIPELINE: {
                        "source": SOURCE_NAME,
                        "provider": "local",
                        "format": form,
                        "trigger": {"min_examples": 1},
                    },
                    "other": {"source": "another", "provider": "local"},
                },
            }
        )

    def arrive(self, conversation_id: str, data: dict[str, Any]) -> None:
        event = {
            "specversion": "1.0",
            "id": conversation_id,
            "source": "/rag",
            "type": EVENT_TYPE,
            "data": data,
        }
        new = NewEvent("/rag", conversation_id, data["source_name"], conversation_id, json.dumps(event))
        with self.store.transaction() as cursor:
            inbox.record_batch(cursor, [new], [], "task")

    def work(self) -> None:
        while accumulate(self.store, self.settings, FakeSources(self.source)).taken:
            continue

    def cut_and_export(self) -> Path:
        """The folder of the dataset."""
        run = cutting.start_by_hand(self.store, self.settings, PIPELINE, lambda: datetime.now(UTC))
        StepRunner(self.store, self.settings, lambda _: FakeProvider()).perform(run, Step.EXPORT)
        with self.store.transaction() as cursor:
            (row,) = datasets.list_datasets(cursor)
        assert row.url is not None
        return Path(open_storage(row.url)[1])

    def tell(self, conversation_id: str, **arguments: Any) -> Explained:
        return explain(self.store, self.settings, FakeSources(self.source), conversation_id, **arguments)


@pytest.fixture(params=["instruction-json", "openai-chat"])
def town(request: pytest.FixtureRequest, emptied_database_url: str, tmp_path: Path) -> Iterator[Town]:
    made = Town(emptied_database_url, tmp_path, request.param)
    yield made
    made.store.close()


@pytest.fixture
def exported(town: Town) -> tuple[Town, Path]:
    for conversation in INLINE:
        town.arrive(conversation["conversation_id"], closed_event(conversation))
    town.work()
    return town, town.cut_and_export()


def test_every_turn_of_the_demo_is_followed_to_the_line_that_holds_it_or_to_its_reason(
    exported: tuple[Town, Path],
) -> None:
    town, folder = exported
    followed = dropped = left_out = 0
    for conversation in INLINE:
        told = town.tell(conversation["conversation_id"])
        (story,) = told.stories
        assert told.other_pipelines == ["other"]
        # Whether the pipeline keeps the same words already is found where they are stored.
        duplicates = {d.turn for d in story.drops if d.reason == "duplicate"}
        assert {example.turn for example in story.examples} | duplicates == {
            example.turn for example in story.given.examples
        }
        assert [(d.turn, d.reason) for d in story.drops if d.turn not in duplicates] == [
            (d.turn, d.reason) for d in story.given.drops
        ]
        dropped += len(story.drops)
        for example in story.examples:
            (belonging,) = story.datasets[example.id]
            if belonging.dataset.left_out is not None:
                left_out += 1
                continue
            (place,) = belonging.places
            lines = (folder / place.file).read_text(encoding="utf-8").split("\n")
            answer = json.loads(example.content)[-1]["content"]
            # Of the indented form a row begins with its brace; its answer is in the third line.
            row = (
                " ".join(lines[place.line - 1 : place.line + 3])
                if place.file.endswith(".json")
                else lines[place.line - 1]
            )
            assert json.dumps(answer, ensure_ascii=False) in row
            followed += 1
    assert followed > 100
    assert dropped > 5
    with town.store.transaction() as cursor:
        cursor.execute("SELECT count(*) AS number FROM ftworker.dataset_left_out")
        assert left_out == cursor.fetchone().number


def test_a_conversation_that_was_sent_by_its_id_is_read_from_its_source(town: Town) -> None:
    talk = Conversation(
        SOURCE_NAME,
        "c-9",
        (Message("user", "¿Qué es la célula?"), Message("assistant", "La unidad de la vida.")),
    )
    town.source.add(talk)
    unknown = town.tell("c-9", source_name=SOURCE_NAME)
    assert (unknown.read_from, unknown.known) == ("source", None)
    assert unknown.stories[0].given.examples
    assert unknown.stories[0].examples == ()
    town.arrive("c-9", {"source_name": SOURCE_NAME, "conversation_id": "c-9", "reason": "user_ended"})
    town.work()
    told = town.tell("c-9")
    assert (told.read_from, told.closed_reason) == ("source", "user_ended")
    assert told.known is not None
    (example,) = told.stories[0].examples
    assert example.dataset_id is None


def test_what_nobody_has_and_what_is_not_said_clearly_is_refused(town: Town) -> None:
    data = {"conversation_id": "c-1", "reason": "user_ended", "messages": [{"role": "user", "content": "a"}]}
    for name in (SOURCE_NAME, "another"):
        town.arrive(f"c-1-{name}", {**data, "source_name": name})
        with town.store.transaction() as cursor:
            cursor.execute(
                "UPDATE ftworker.inbox SET conversation_id = 'c-1' WHERE source_name = %s", (name,)
            )
    for arguments, said in (
        (("nobody",), "no text of this conversation"),
        (("c-1",), "--source: another, demo"),
    ):
        with pytest.raises(FtworkerError, match=said):
            town.tell(*arguments)
    assert town.tell("c-1", source_name="another").stories[0].pipeline == "other"
    with pytest.raises(FtworkerError, match="no pipeline named"):
        town.tell("c-1", source_name="another", pipeline="none")
    town.arrive("c-2", {"conversation_id": "c-2", "reason": "deleted", "source_name": SOURCE_NAME})
    town.work()
    with pytest.raises(FtworkerError, match="was deleted"):
        town.tell("c-2")


def test_files_that_are_gone_are_a_problem_and_not_an_end(exported: tuple[Town, Path]) -> None:
    town, folder = exported
    (folder / "manifest.json").unlink()
    (story,) = town.tell(INLINE[0]["conversation_id"]).stories
    for belongings in story.datasets.values():
        assert "no finished dataset" in (belongings[0].problem or "")


# The command itself


@pytest.fixture
def run(
    exported: tuple[Town, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    town, _ = exported
    configuration = tmp_path / "ftworker.toml"
    form = town.settings.pipelines[PIPELINE].format
    configuration.write_text(
        CONFIGURATION.format(storage=town.settings.storage_url, format=form), encoding="utf-8"
    )
    url = town.settings.database_url
    assert url is not None
    monkeypatch.setenv("FTWORKER_CONFIG", str(configuration))
    monkeypatch.setenv("FTWORKER_DATABASE_URL", url.get_secret_value())
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1/0")
    return lambda *arguments: CliRunner().invoke(cli, ["curate", *arguments])


def test_the_command_shows_the_fate_of_each_turn_and_no_text(run: Callable[..., Result]) -> None:
    first = INLINE[0]
    said = [message["content"] for message in first["messages"] if len(message["content"]) > 20]
    for arguments in (
        (),
        ("--explain",),
        ("--json",),
        ("--explain", "--pipeline", PIPELINE, "--source", SOURCE_NAME),
    ):
        shown = run(first["conversation_id"], *arguments)
        assert shown.exit_code == 0, shown.output
        assert not any(text[:20] in shown.output for text in said)
        if "--json" not in arguments:
            assert all(
                len(line) <= 80 for line in shown.output.splitlines() if not line.startswith("Conversation")
            )
            assert ("min_answer_characters" in shown.output) == ("--explain" in arguments)
    assert any(text[:20] in run(first["conversation_id"], "--show-text").output for text in said)


def test_the_commands_json_has_stable_keys_and_texts_only_on_request(run: Callable[..., Result]) -> None:
    facts = json.loads(run(INLINE[0]["conversation_id"], "--json").output)
    assert set(facts) == {
        "source", "conversation_id", "row", "messages", "read_from", "closed_reason", "texts", "other_pipelines",
        "pipelines",
    }  # fmt: skip
    (story,) = facts["pipelines"]
    assert set(story) == {
        "pipeline",
        "redactions",
        "steps",
        "examples",
        "drops",
        "stored_examples",
        "stored_drops",
    }
    assert set(story["steps"][0]) == {"turn", "rule", "outcome", "value", "limit"}
    assert set(story["stored_examples"][0]) == {"id", "turn", "withheld", "erased", "datasets"}
    assert set(story["stored_examples"][0]["datasets"][0]) == {
        "dataset",
        "left_out",
        "of_example",
        "lines",
        "problem",
    }
    assert facts["texts"] is None
    assert story["examples"][0]["content"] is None
    with_text = json.loads(run(INLINE[0]["conversation_id"], "--json", "--show-text").output)
    assert with_text["texts"][0]["content"] == INLINE[0]["messages"][0]["content"]
    assert with_text["pipelines"][0]["examples"][0]["content"]


def test_the_command_ends_with_an_error_for_what_nobody_has(run: Callable[..., Result]) -> None:
    shown = run("nobody")
    assert shown.exit_code != 0
    assert isinstance(shown.exception, FtworkerError)
