"""Quarantine: what waits for a person, what a decision does to it, and what happens when both sides move at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ftworker.cli import quarantine as commands
from ftworker.conversations import Conversation, Message
from ftworker.curation.privacy.scan import Scanner
from ftworker.errors import NotFound, Refused
from ftworker.installation import Installation
from ftworker.quarantine import decide, look, read
from ftworker.store import Store
from ftworker.store import quarantine as stored
from ftworker.store.quarantine import Decision, Quarantined
from tests.accumulate.bench import Bench, turns

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
DISTRESS = "No quiero vivir más, quiero hacerme daño y nadie lo sabe."
PHONE = "+34 612 345 678"
SOURCE = {"url_env": "CHAT_DATABASE_URL", "preset": "langchain"}


def sad(about: str = "química") -> list[dict[str, Any]]:
    """A lesson in which the pupil says something that a person must see."""
    return [
        *turns(1, about),
        {"role": "user", "content": f"{DISTRESS} Llámame al {PHONE}."},
        {
            "role": "assistant",
            "content": "Lamento que te sientas así; habla con alguien de confianza, por favor.",
        },
    ]


@pytest.fixture
def bench(emptied_database_url: str, tmp_path: Path) -> Iterator[Bench]:
    made = Bench(emptied_database_url, tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def held(bench: Bench) -> Quarantined:
    """One conversation in quarantine."""
    bench.closed("c1", sad(), closed_at=NOON)
    bench.work()
    (row,) = waiting(bench)
    return row


def waiting(bench: Bench, **chosen: Any) -> list[Quarantined]:
    with bench.store.transaction() as cursor:
        return stored.waiting(cursor, **chosen)


def rejected(bench: Bench) -> list[Quarantined]:
    with bench.store.transaction() as cursor:
        return stored.rejected(cursor)


def decided(bench: Bench, row: Quarantined, decision: Decision, *, version: str | None = None) -> str:
    """What `decide` says about the version that was seen."""
    seen = row.version if version is None else version
    return decide(bench.store, bench.settings, row.id, decision, version=seen).back_by


def drops(bench: Bench) -> list[tuple[str, int, str]]:
    found = bench.sql("SELECT pipeline, turn, reason FROM ftworker.drops ORDER BY 1, 2")
    return [(row.pipeline, row.turn, row.reason) for row in found]


def reviews(bench: Bench) -> list[str]:
    return [row.decision for row in bench.sql("SELECT decision FROM ftworker.quarantine_reviews")]


def again(bench: Bench, later: timedelta = timedelta(minutes=1)) -> None:
    """The same version once more, as a RAG that closes it twice sends it."""
    bench.closed("c1", sad(), closed_at=NOON + later)
    bench.work()


# -- what waits


def test_a_quarantined_conversation_gives_nothing_and_waits_for_a_person(
    bench: Bench, held: Quarantined
) -> None:
    assert bench.taught() == []
    assert drops(bench) == [("tutor", -1, "quarantined_wellbeing")]
    assert (held.source_name, held.conversation_id, held.message_count) == ("chat", "c1", 4)
    assert (held.pipelines, held.reasons, held.decision) == (("tutor",), ("quarantined_wellbeing",), None)
    assert held.name == f"{held.id}.{held.version[:6]}"


def test_one_conversation_waits_once_however_many_pipelines_it_feeds(bench: Bench) -> None:
    bench.values["pipelines"]["second"] = {"provider": "local"}
    bench.values["pipelines"]["daring"] = {"provider": "local", "curation": {"quarantine": False}}
    bench.closed("c1", sad(), closed_at=NOON)
    bench.work()
    (row,) = waiting(bench)
    assert row.pipelines == ("second", "tutor")
    assert waiting(bench, pipeline="daring") == []
    assert waiting(bench, reason="quarantined_health") == []
    assert waiting(bench, after_id=row.id) == []


def test_turns_of_other_reasons_do_not_wait(bench: Bench) -> None:
    bench.closed("c1", [{"role": "user", "content": "¿Qué es un átomo?"}], closed_at=NOON)
    bench.closed("c2", None, reason="deleted")
    bench.run_all()
    assert waiting(bench) == []


# -- released


def test_a_released_conversation_becomes_examples_and_its_personal_data_stays_redacted(
    bench: Bench, held: Quarantined
) -> None:
    assert decided(bench, held, "released") == "event"
    assert waiting(bench) == []
    done = bench.work()
    assert (done.taken, done.examples) == (1, 2)
    assert bench.taught() == [("c1", 0, False), ("c1", 1, False)]
    assert drops(bench) == []
    assert PHONE not in bench.contents()


def test_a_release_lasts_however_often_the_same_version_comes(bench: Bench, held: Quarantined) -> None:
    decided(bench, held, "released")
    bench.work()
    again(bench)
    assert waiting(bench) == []
    assert len(bench.taught()) == 2


def test_a_newer_version_is_judged_anew(bench: Bench, held: Quarantined) -> None:
    decided(bench, held, "released")
    bench.work()
    bench.closed("c1", [*sad(), *turns(1, "física")], closed_at=NOON + timedelta(hours=1))
    bench.work()
    (row,) = waiting(bench)
    assert row.id == held.id
    assert row.version != held.version
    assert bench.taught() == []


def test_releasing_twice_is_releasing_once(bench: Bench, held: Quarantined) -> None:
    assert decided(bench, held, "released") == "event"
    assert decided(bench, held, "released") == "nothing"
    assert bench.work().taken == 1
    assert decided(bench, held, "released") == "nothing"
    assert bench.work().taken == 0
    assert reviews(bench) == ["released"]


def test_what_was_not_seen_is_not_released(bench: Bench, held: Quarantined) -> None:
    bench.closed("c1", [*sad(), *turns(1, "física")], closed_at=NOON + timedelta(hours=1))
    bench.work()
    with pytest.raises(Refused, match=rf"newer version than {held.id}\.{held.version}"):
        decided(bench, held, "released")
    assert reviews(bench) == []
    assert [row.decision for row in waiting(bench)] == [None]


def test_a_conversation_that_is_not_in_quarantine_is_not_found(bench: Bench) -> None:
    bench.closed("c1", turns(1), closed_at=NOON)
    bench.work()
    ((row_id,),) = bench.sql("SELECT id FROM ftworker.conversations")
    for missing in (row_id, row_id + 1):
        with pytest.raises(NotFound, match="ftworker quarantine list"):
            decide(bench.store, bench.settings, missing, "released")


# -- released when its event was erased


def erase_payloads(bench: Bench) -> None:
    bench.sql("UPDATE ftworker.inbox SET payload = NULL WHERE processed_at IS NOT NULL")


def in_source(bench: Bench, messages: list[dict[str, Any]]) -> None:
    bench.values["sources"] = {"chat": SOURCE}
    bench.source.add(Conversation("chat", "c1", tuple(Message(**message) for message in messages)))


def test_after_retention_the_source_gives_a_released_conversation_once_more(
    bench: Bench, held: Quarantined
) -> None:
    erase_payloads(bench)
    in_source(bench, sad())
    assert decided(bench, held, "released") == "source"
    assert bench.work().examples == 2
    assert bench.source.asked == [("c1",)]
    (event,) = bench.sql("SELECT event_source, outcome FROM ftworker.inbox WHERE event_id <> 'e1'")
    assert tuple(event) == ("ftworker/quarantine/chat", "examples")


def test_tenant_and_course_stay_known_after_retention(bench: Bench) -> None:
    bench.values["pipelines"]["tutor"] |= {"tenant": "colegio", "course": "eso-4"}
    bench.closed("c1", sad(), closed_at=NOON, tenant_id="colegio", course_id="eso-4")
    bench.work()
    (row,) = waiting(bench)
    erase_payloads(bench)
    in_source(bench, sad())
    decided(bench, row, "released")
    assert bench.work().examples == 2


def test_what_the_source_holds_by_then_is_judged_anew_when_it_is_a_newer_version(
    bench: Bench, held: Quarantined
) -> None:
    erase_payloads(bench)
    in_source(bench, sad("física"))
    decided(bench, held, "released")
    assert bench.work().examples == 0
    (row,) = waiting(bench)
    assert row.version != held.version


def test_what_nothing_holds_any_more_cannot_be_released_and_nothing_is_recorded(
    bench: Bench, held: Quarantined
) -> None:
    erase_payloads(bench)
    with pytest.raises(Refused, match="no source 'chat' is configured"):
        decided(bench, held, "released")
    assert reviews(bench) == []
    assert waiting(bench) == [held]


def test_one_event_is_enough_however_often_a_conversation_changes_sides(
    bench: Bench, held: Quarantined
) -> None:
    erase_payloads(bench)
    in_source(bench, sad())
    for decision in ("released", "rejected", "released"):
        decided(bench, held, decision)
    assert len(bench.sql("SELECT 1 FROM ftworker.inbox WHERE processed_at IS NULL")) == 1
    assert bench.work().examples == 2


# -- rejected


def test_a_rejected_conversation_leaves_the_list_and_stays_out(bench: Bench, held: Quarantined) -> None:
    assert decided(bench, held, "rejected") == "nothing"
    assert waiting(bench) == []
    assert drops(bench) == [("tutor", -1, "rejected_by_person")]
    assert [(row.id, row.decision) for row in rejected(bench)] == [(held.id, "rejected")]
    again(bench)
    assert waiting(bench) == []
    assert bench.taught() == []
    assert drops(bench) == [("tutor", -1, "rejected_by_person")]


def test_a_newer_version_of_what_was_rejected_waits_for_a_person_again(
    bench: Bench, held: Quarantined
) -> None:
    decided(bench, held, "rejected")
    bench.closed("c1", [*sad(), *turns(1, "física")], closed_at=NOON + timedelta(hours=1))
    bench.work()
    assert [row.reasons for row in waiting(bench)] == [("quarantined_wellbeing",)]
    assert rejected(bench) == []


def test_what_was_rejected_by_mistake_can_be_released(bench: Bench, held: Quarantined) -> None:
    decided(bench, held, "rejected")
    assert decided(bench, held, "released") == "event"
    assert bench.work().examples == 2
    assert drops(bench) == []


def test_what_was_released_by_mistake_is_taken_back_where_no_dataset_holds_it(
    bench: Bench, held: Quarantined
) -> None:
    decided(bench, held, "released")
    bench.work()
    assert decided(bench, held, "rejected") == "event"
    bench.work()
    assert bench.taught() == []
    assert [row.id for row in rejected(bench)] == [held.id]


def test_what_a_dataset_holds_stays_with_it(bench: Bench, held: Quarantined) -> None:
    decided(bench, held, "released")
    bench.work()
    bench.cut()
    decided(bench, held, "rejected")
    bench.work()
    assert bench.taught() == [("c1", 0, True), ("c1", 1, True)]


# -- deleted


@pytest.mark.parametrize("decision", [None, "released", "rejected"])
def test_a_deletion_erases_decision_and_reason(
    bench: Bench, held: Quarantined, decision: Decision | None
) -> None:
    if decision:
        decided(bench, held, decision)
    bench.closed("c1", None, reason="deleted")
    bench.run_all()
    assert reviews(bench) == []
    assert drops(bench) == []
    assert waiting(bench) == rejected(bench) == []
    with pytest.raises(NotFound):
        decided(bench, held, "released")


# -- at one moment


def test_a_release_waits_for_the_batch_that_brings_a_newer_version_and_is_refused(
    bench: Bench, held: Quarantined, wait_until: Callable[..., object]
) -> None:
    bench.closed("c1", sad("física"), closed_at=NOON + timedelta(hours=1))
    # The batch holds the conversation's row from its upsert on; a lock of the test stops it right after.
    with ThreadPoolExecutor(2) as pool, bench.store.transaction() as cursor:
        cursor.execute("LOCK TABLE ftworker.examples IN ACCESS EXCLUSIVE MODE")
        batch = pool.submit(bench.work)
        wait_until(lambda: blocked(bench) == 1)
        releasing = pool.submit(decided, bench, held, "released")
        wait_until(lambda: blocked(bench) == 2)
        cursor.connection.commit()
        batch.result(timeout=30)
        with pytest.raises(Refused, match="newer version"):
            releasing.result(timeout=30)
    assert bench.taught() == []
    assert [row.decision for row in waiting(bench)] == [None]


def blocked(bench: Bench) -> int:
    """Sessions that wait for a lock. Asked on a connection of its own: the test's own transaction must not end."""
    other = Store(bench.url)
    try:
        with other.transaction() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            row = cursor.fetchone()
            assert row is not None
            return int(row[0])
    finally:
        other.close()


def test_a_batch_that_waits_for_a_release_uses_it(bench: Bench, held: Quarantined) -> None:
    bench.closed("c1", sad(), closed_at=NOON + timedelta(minutes=1))
    with ThreadPoolExecutor(1) as pool, bench.store.transaction() as cursor:
        stored.lock(cursor, held.id)
        stored.review(cursor, held.id, "released")
        batch = pool.submit(bench.work)
        cursor.connection.commit()
        assert batch.result(timeout=30).examples == 2
    assert waiting(bench) == []


def test_two_people_who_decide_at_once_leave_one_decision_and_one_event(
    bench: Bench, held: Quarantined
) -> None:
    def one(_: int) -> str:
        return decided(bench, held, "released")

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(one, range(8))) == ["event", *["nothing"] * 7]
    assert reviews(bench) == ["released"]
    assert bench.work().taken == 1
    assert len(bench.taught()) == 2


# -- looked at


def test_looking_tells_kinds_and_places_and_no_word(bench: Bench, held: Quarantined) -> None:
    seen = read(bench.store, bench.settings, bench.sources, held)
    assert seen.is_judged_version
    looked = look(seen.conversation, Scanner())
    assert [(message.role, message.sensitive) for message in looked] == [
        ("user", None),
        ("assistant", None),
        ("user", "wellbeing"),
        ("assistant", None),
    ]
    assert looked[2].cues == {"phone": 1}
    assert looked[2].characters == len(f"{DISTRESS} Llámame al {PHONE}.")


def test_half_of_a_surrogate_pair_is_looked_at_like_any_text() -> None:
    conversation = Conversation("chat", "c1", (Message("user", f"\ud800 {DISTRESS}"),))
    assert [message.sensitive for message in look(conversation, Scanner())] == ["wellbeing"]


def test_a_conversation_is_looked_at_in_its_source_when_its_event_does_not_hold_it(bench: Bench) -> None:
    in_source(bench, sad())
    bench.closed("c1", None, closed_at=NOON)
    bench.work()
    (row,) = waiting(bench)
    assert read(bench.store, bench.settings, bench.sources, row).is_judged_version
    erase_payloads(bench)
    in_source(bench, sad("física"))
    assert not read(bench.store, bench.settings, bench.sources, row).is_judged_version


def test_what_nothing_holds_any_more_cannot_be_looked_at(bench: Bench, held: Quarantined) -> None:
    erase_payloads(bench)
    with pytest.raises(NotFound, match="ftworker quarantine reject"):
        read(bench.store, bench.settings, bench.sources, held)


# -- the commands

Run = Callable[..., Result]


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[Installation]:
    """Each time that a command rang for a worker."""
    noted: list[Installation] = []
    monkeypatch.setattr(commands, "ring", noted.append)
    return noted


@pytest.fixture
def run(bench: Bench, rings: list[Installation], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", bench.url)
    monkeypatch.setenv("FTWORKER_BROKER_URL", "redis://127.0.0.1:1")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "ftworker.toml").write_text('[pipelines.tutor]\nprovider = "local"\n')
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, answer: str | None = None) -> Result:
        return CliRunner().invoke(commands.quarantine, arguments, input=answer)

    return invoke


def several(bench: Bench, ids: Sequence[str]) -> list[Quarantined]:
    for conversation_id in ids:
        bench.closed(conversation_id, sad(conversation_id), closed_at=NOON)
    bench.work()
    return waiting(bench)


def test_list_names_versions_and_hides_the_rags_ids_unless_asked(bench: Bench, run: Run) -> None:
    assert "Nothing waits in quarantine." in run("list").output
    assert "Nothing was rejected." in run("list", "--rejected").output
    (row,) = several(bench, ["alumno-600123456"])
    shown = run("list").output
    assert row.name in shown
    assert "quarantined_wellbeing" in shown
    assert "600123456" not in shown + run("list", "--json").output
    assert "600123456" in run("list", "--show-ids").output
    (facts,) = json.loads(run("list", "--json", "--show-ids").stdout)
    assert set(facts) == {
        "id",
        "name",
        "version",
        "source",
        "pipelines",
        "reasons",
        "message_count",
        "since",
        "decision",
        "conversation_id",
    }
    assert facts["name"] == row.name


def test_list_goes_on_where_it_ended(bench: Bench, run: Run) -> None:
    rows = several(bench, ["c1", "c2", "c3"])
    first = run("list", "--limit", "2").output
    assert f"--after {rows[1].id}" in first
    assert [row["id"] for row in json.loads(run("list", "--after", str(rows[1].id), "--json").stdout)] == [
        rows[2].id
    ]


def test_show_tells_what_stands_where_and_the_text_only_when_asked(
    bench: Bench, held: Quarantined, run: Run
) -> None:
    shown = run("show", str(held.id))
    assert shown.exit_code == 0
    assert "wellbeing, phone" in shown.output
    for word in ("vivir", "612", "química"):
        assert word not in shown.output + run("show", held.name, "--json").output
    assert DISTRESS in run("show", held.name, "--show-text").output
    facts = json.loads(run("show", held.name, "--json", "--show-text").stdout)
    assert facts["is_judged_version"] is True
    assert facts["messages"][2]["sensitive"] == "wellbeing"
    assert facts["messages"][2]["text"].startswith(DISTRESS)


def test_release_and_reject_say_what_they_did_and_what_they_could_not(
    bench: Bench, run: Run, rings: list[Installation]
) -> None:
    first, second, third = several(bench, ["c1", "c2", "c3"])
    done = run("release", first.name, f"{second.id}.000000", "99", "--json")
    assert done.exit_code == 1
    facts = json.loads(done.stdout)
    assert facts["done"] == [{"name": first.name, "back_by": "event"}]
    assert [one["name"] for one in facts["refused"]] == [f"{second.id}.000000", "99"]
    assert len(rings) == 1
    assert run("reject", str(second.id)).stdout == "1 rejected\n"
    # What is rejected while it waits is no work for anybody.
    assert len(rings) == 1
    assert [row.id for row in waiting(bench)] == [third.id]
    assert str(second.id) in run("list", "--rejected").output


def test_everything_of_one_reason_is_decided_at_once_after_a_question(
    bench: Bench, run: Run, rings: list[Installation]
) -> None:
    rows = several(bench, ["c1", "c2", "c3"])
    assert "0 released" in run("release", "--all", "--reason", "quarantined_health").output
    refused = run("release", "--all", "--reason", "quarantined_wellbeing", answer="n\n")
    assert refused.exit_code == 1
    assert "Release 3 conversations?" in refused.output
    assert waiting(bench) == rows
    assert "3 released" in run("release", "--all", "--reason", "quarantined_wellbeing", "--yes").output
    assert len(rings) == 1
    assert bench.work().examples == 6


@pytest.mark.parametrize(
    "arguments",
    [
        ["release"],
        ["release", "1", "--all"],
        ["reject", "1", "--reason", "quarantined_health"],
        ["release", "1; drop"],
        ["list", "--rejected", "--reason", "quarantined_health"],
    ],
)
def test_what_is_unclear_is_wrong_usage(run: Run, arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_no_error_names_what_was_written_or_who(bench: Bench, held: Quarantined, run: Run) -> None:
    erase_payloads(bench)
    for shown in (run("release", held.name), run("show", held.name)):
        assert shown.exit_code == 1
        assert "c1" not in shown.output
        assert DISTRESS not in shown.output + str(shown.exception)
