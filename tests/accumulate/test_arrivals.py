"""Which events give examples, for whom, and what gives none."""

from __future__ import annotations

import pytest

from ftworker.accumulate import Accumulated
from ftworker.conversations import Conversation, Message
from ftworker.examples_of import takers
from ftworker.settings import settings_from
from ftworker.store import examples
from tests.accumulate.bench import Bench, conversation, turns


def test_an_event_with_its_messages_gives_an_example_for_each_good_answer(bench: Bench) -> None:
    bench.closed("c1", turns(2))
    done = bench.work()
    assert (done.taken, done.examples, done.drops, done.pipelines) == (1, 2, 0, {"tutor"})
    assert bench.taught() == [("c1", 0, False), ("c1", 1, False)]
    assert bench.outcomes() == {"e1": "examples"}
    assert bench.source.asked == []


def test_nothing_waits_nothing_happens(bench: Bench) -> None:
    assert bench.work() == Accumulated()


def test_events_without_messages_are_read_from_their_source_in_one_query(bench: Bench) -> None:
    for number in range(3):
        bench.source.add(conversation(f"c{number}", 1))
        bench.closed(f"c{number}", None)
    assert bench.work().examples == 3
    assert bench.source.asked == [("c0", "c1", "c2")]


def test_what_the_event_says_of_a_conversation_from_a_source_counts(bench: Bench) -> None:
    bench.values["pipelines"]["tutor"] |= {"tenant": "escuela", "course": "mates"}
    bench.source.add(conversation("c1", 1, course_id="mates"))
    bench.source.add(conversation("c2", 1, course_id="mates"))
    bench.closed("c1", None, tenant_id="escuela")
    bench.closed("c2", None, tenant_id="otra")
    bench.work()
    assert bench.taught() == [("c1", 0, False)]
    assert bench.outcomes() == {"e1": "examples", "e2": "unmatched"}


def test_what_gives_no_example_has_a_reason(bench: Bench) -> None:
    bench.closed("c1", [{"role": "user", "content": "hola"}, {"role": "assistant", "content": "¡Hola!"}])
    bench.closed("c2", turns(1), consent={"training": False})
    bench.closed("c3", [])
    done = bench.work()
    assert (done.examples, done.drops) == (0, 3)
    assert set(bench.outcomes().values()) == {"dropped"}
    with bench.store.transaction() as cursor:
        assert [tuple(row) for row in examples.conversation_outcome(cursor, "chat", "c2")] == [
            ("tutor", -1, "dropped", "no_consent", None)
        ]


def test_several_pipelines_claim_a_conversation_once_each(bench: Bench) -> None:
    bench.values["pipelines"] |= {
        "everything": {"provider": "local"},
        "other_source": {"provider": "local", "source": "elsewhere"},
    }
    bench.closed("c1", turns(1))
    bench.closed("c1", turns(1))
    done = bench.work()
    assert done.examples == 2
    assert done.pipelines == {"tutor", "everything"}
    for name in ("tutor", "everything"):
        assert bench.taught(name) == [("c1", 0, False)]
    assert bench.taught("other_source") == []
    bench.cut("everything")
    assert bench.taught("tutor") == [("c1", 0, False)]


@pytest.mark.parametrize(
    "source, tenant, course, expected",
    [
        ("chat", "north", "maths", ["all", "chat", "north", "maths", "exact"]),
        ("chat", "north", None, ["all", "chat", "north"]),
        ("chat", None, "maths", ["all", "chat", "maths"]),
        ("chat", "south", "maths", ["all", "chat", "maths"]),
        ("forum", None, None, ["all"]),
    ],
)
def test_a_conversation_goes_to_the_pipelines_that_choose_it(
    source: str, tenant: str | None, course: str | None, expected: list[str]
) -> None:
    choices: dict[str, dict[str, str]] = {
        "all": {},
        "chat": {"source": "chat"},
        "north": {"tenant": "north"},
        "maths": {"course": "maths"},
        "exact": {"source": "chat", "tenant": "north", "course": "maths"},
        "other": {"source": "chat", "tenant": "north", "course": "history"},
    }
    pipeline = {"provider": "openai", "base_model": "gpt"}
    settings = settings_from({"pipelines": {name: pipeline | choice for name, choice in choices.items()}})
    found = takers(settings, Conversation(source, "c1", (), tenant_id=tenant, course_id=course))
    assert found == expected


def test_examples_of_one_user_share_a_group_that_does_not_name_them(bench: Bench) -> None:
    bench.closed("c1", turns(1), user_ref="ana@example.org")
    bench.closed("c2", turns(1), user_ref="ana@example.org")
    bench.closed("c3", turns(1))
    bench.closed("c4", turns(1))
    bench.work()
    groups = [row.split_group for row in bench.sql("SELECT split_group FROM ftworker.examples ORDER BY id")]
    assert groups[0] == groups[1]
    assert len(set(groups)) == 3
    assert not any("ana" in group for group in groups)


def test_a_model_name_that_postgresql_cannot_hold_is_left_out_and_the_example_stays(bench: Bench) -> None:
    for number, model in enumerate(("llama\u0000", "x" * 10_000, "llama3.2:3b")):
        messages = turns(1)
        messages[1]["model"] = model
        bench.closed(f"c{number}", messages)
    assert bench.work().examples == 3
    models = [row.model for row in bench.sql("SELECT model FROM ftworker.examples ORDER BY conversation_id")]
    assert models == [None, None, "llama3.2:3b"]


def test_half_a_surrogate_pair_in_a_store_drops_its_turn_and_nothing_else(bench: Bench) -> None:
    broken = Conversation(
        "chat",
        "c1",
        (
            Message("user", "¿Qué es \ud800 esto, por favor?"),
            Message("assistant", "Una respuesta de verdad."),
        ),
    )
    bench.source.add(broken)
    bench.source.add(conversation("c2", 1))
    bench.closed("c1", None)
    bench.closed("c2", None)
    bench.work()
    assert bench.taught() == [("c2", 0, False)]
    assert bench.outcomes() == {"e1": "dropped", "e2": "examples"}
