"""Which examples stand in a dataset's files: each rule, their order, and that nothing depends on the order of rows."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.conversations import canonical_json
from ftworker.curation.near_duplicates import jaccard, shingle
from ftworker.datasets.lessons import bare_question, lesson_text
from ftworker.datasets.selection import (
    LeftOutReason,
    Selection,
    SelectionRow,
    SelectionRules,
    is_own_model,
)
from ftworker.datasets.selector import Selector
from ftworker.datasets.split import Side, Split
from tests.invented import WORDS, words

TEMPLATE = "Contexto:\n{context}\n\nPregunta: {question}"
NO_RULES = SelectionRules(Split(0.0, "s"), context_template=TEMPLATE)


def content_of(question: str, answer: str) -> str:
    return canonical_json(
        [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    ).decode()


def example(number: int, answer: str | None = None, **fields: Any) -> SelectionRow:
    """An example like no other, of a user of its own, unless said otherwise."""
    content = content_of(f"¿Pregunta {number}?", answer if answer is not None else words(number))
    row = SelectionRow(
        example_id=number,
        dataset_id=1,
        content=content,
        content_sha256=hashlib.sha256(content.encode()).digest(),
        split_group=f"user-{number}",
        rating=0,
        model=None,
        question_sha256=hashlib.sha256(str(number).encode()).digest(),
        refusal=False,
        unsupported=False,
        corrected=False,
    )
    return row._replace(**fields)


def select(
    rules: SelectionRules,
    rows: Sequence[SelectionRow],
    *,
    golden: Sequence[SelectionRow] = (),
    golden_exists: bool = False,
    own: Collection[str] = (),
    seen: Collection[int] = (),
) -> Selection:
    known = {row.example_id: row.content for row in [*rows, *golden]}

    def contents(ids: Sequence[int]) -> Mapping[int, str]:
        return {number: known[number] for number in ids}

    selector = Selector(rules, own_models=own)
    for begin in range(0, len(rows), 7):
        selector.add(rows[begin : begin + 7])
    selector.add_golden(golden)
    return selector.decide(
        contents, lambda ids: set(ids) - set(seen), golden_exists=golden_exists or bool(golden)
    )


def left_out(selection: Selection) -> dict[int, tuple[str, int | None]]:
    return {one.example_id: (one.reason.value, one.of_example_id) for one in selection.left_out()}


def reasons(selection: Selection) -> dict[int, str]:
    return {number: reason for number, (reason, _) in left_out(selection).items()}


def groups_on(side: Side, split: Split, count: int) -> list[str]:
    found = (f"g{number}" for number in range(100_000) if split.side(f"g{number}") is side)
    return [group for group, _ in zip(found, range(count), strict=False)]


def test_without_rules_everything_stands() -> None:
    rows = [example(number, "la misma respuesta", model="ft:x", refusal=True) for number in range(20)]
    selection = select(NO_RULES, rows)
    assert left_out(selection) == {}
    assert list(selection.kept([(row.example_id, "rest") for row in rows])) == [("rest",)] * 20


def test_rows_other_than_those_that_were_judged_are_refused() -> None:
    rows = [example(1), example(2)]
    selection = select(NO_RULES, rows)
    with pytest.raises(ValueError, match="row 0 is example 2"):
        list(selection.kept([(2, "x"), (1, "y")]))
    with pytest.raises(ValueError, match="row 2 is example 3"):
        list(selection.kept([(1, "x"), (2, "y"), (3, "z")]))


# -- near-duplicates

NEAR = replace(NO_RULES, near_duplicate_similarity=0.8)


def test_a_near_duplicate_gives_way_to_the_first_and_names_it() -> None:
    same = words(1)
    rows = [example(1, same), example(2, same + " y más"), example(3)]
    (copy,) = select(NEAR, rows).left_out()
    assert copy.reason is LeftOutReason.NEAR_DUPLICATE
    assert {copy.example_id, copy.of_example_id} == {1, 2}


@pytest.mark.parametrize(
    "first,second",
    [
        ({"dataset_id": 1}, {"dataset_id": 2, "rating": 1}),
        ({"rating": 1}, {"rating": 0}),
    ],
)
def test_what_an_earlier_dataset_held_comes_first_then_what_people_rated_up(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    same = words(1)
    one, other = example(1, same), example(2, same + " y más")
    for winner, loser in ((one, other), (other, one)):
        rows = [winner._replace(**first), loser._replace(**second)]
        assert left_out(select(NEAR, rows)) == {loser.example_id: ("near_duplicate", winner.example_id)}


def test_passages_do_not_make_two_lessons_alike_and_do_not_keep_copies_apart() -> None:
    passages = words(77, 300)

    def served(context: str, question: str) -> str:
        return TEMPLATE.replace("{context}", context).replace("{question}", question)

    contents = [
        content_of(served(passages, "¿Qué es un átomo?"), words(1)),
        content_of(served(passages, "¿Qué es un verbo?"), words(2)),
        content_of(served(words(78, 300), "¿Qué es un átomo?"), words(1)),
    ]
    rows = [example(number)._replace(content=content) for number, content in enumerate(contents)]
    ((number, (reason, of)),) = left_out(select(NEAR, rows)).items()
    assert (reason, {number, of}) == ("near_duplicate", {0, 2})


def test_a_copy_of_a_copy_that_is_like_nothing_that_stands_stands_itself() -> None:
    base = words(1, 100).split()
    middle = [*base[8:], *words(2, 8).split()]
    far = [*middle[8:], *words(3, 8).split()]
    rows = [
        example(number, " ".join(answer), rating=1 - number, dataset_id=1 + number)
        for number, answer in enumerate((base, middle, far))
    ]
    assert left_out(select(NEAR, rows)) == {1: ("near_duplicate", 0)}


def corpus(seed: int, count: int) -> list[SelectionRow]:
    """Originals and copies of them, of some users, some datasets, some asked again."""
    dice = random.Random(seed)
    rows = []
    for number in range(count):
        answer = words(dice.randrange(count // 2)).split()
        for _ in range(dice.choice([0, 0, 1, 4])):
            answer[dice.randrange(len(answer))] = dice.choice(WORDS)
        rows.append(
            example(
                number,
                " ".join(answer),
                split_group=f"user-{dice.randrange(count // 4)}",
                dataset_id=dice.randrange(1, 4),
                rating=dice.choice([0, 0, 1]),
                model=dice.choice([None, "ft:ours", "gpt-4.1"]),
                question_sha256=dice.choice([None, hashlib.sha256(bytes([dice.randrange(40)])).digest()]),
                refusal=dice.random() < 0.2,
                corrected=dice.random() < 0.1,
            )
        )
    return rows


EVERY = SelectionRules(
    Split(0.2, "s", 0.1),
    golden_examples=3,
    near_duplicate_similarity=0.8,
    max_copies_of_question=3,
    max_examples_of_user=5,
    max_refusal_share=0.1,
    max_own_model_share=0.3,
    context_template=TEMPLATE,
)


def test_no_two_that_stand_are_near_duplicates_and_every_copy_is_one_of_its_first() -> None:
    rows = corpus(1, 400)
    bare = bare_question(TEMPLATE)
    shingles = shingle([lesson_text(row.content, bare) for row in rows])
    sets = {row.example_id: shingles.distinct(place) for place, row in enumerate(rows)}
    selection = select(NEAR, rows)
    copies = left_out(selection)
    assert len(copies) > 50
    for number, (_, of) in copies.items():
        assert of is not None
        assert of not in copies
        assert jaccard(sets[number], sets[of]) >= 0.8
    standing = [row.example_id for row in rows if row.example_id not in copies]
    close = [
        (one, other)
        for place, one in enumerate(standing)
        for other in standing[:place]
        if jaccard(sets[one], sets[other]) >= 0.8
    ]
    assert len(close) <= 0.02 * len(copies)


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_same_rows_give_the_same_result_in_any_order(dice: random.Random) -> None:
    rows = corpus(2, 150)
    expected = select(EVERY, rows)
    shuffled = list(rows)
    dice.shuffle(shuffled)
    found = select(EVERY, shuffled)
    assert left_out(found) == left_out(expected)
    assert found.new_golden == expected.new_golden
    assert found.figures == expected.figures
    assert len(set(reasons(expected).values())) >= 7


def test_what_earlier_datasets_kept_stays_when_conversations_come() -> None:
    before = [row._replace(dataset_id=1) for row in corpus(3, 200)]
    after = [row._replace(example_id=row.example_id + 1_000, dataset_id=2) for row in corpus(4, 200)]
    first, second = select(EVERY, before), select(EVERY, before + after)
    shares = {"refusal_share", "own_model_share"}
    old = {number: reason for number, reason in reasons(second).items() if number < 1_000}
    assert old.keys() <= reasons(first).keys()
    assert {number for number, reason in reasons(first).items() if reason not in shares} <= old.keys()


# -- copies of a question, examples of a user


def test_so_many_copies_of_a_question_stand_the_best_rated_first() -> None:
    rows = [example(number, question_sha256=b"same-question", rating=number % 2) for number in range(8)]
    rules = replace(NO_RULES, max_copies_of_question=3)
    out = reasons(select(rules, rows))
    assert set(out.values()) == {"copies_of_question"}
    assert len(out) == 5
    assert len({1, 3, 5, 7} & out.keys()) == 1


def test_examples_of_older_releases_have_no_question_to_count() -> None:
    rows = [example(number, question_sha256=None) for number in range(8)]
    assert left_out(select(replace(NO_RULES, max_copies_of_question=1), rows)) == {}


def test_a_question_stands_on_one_side_alone_and_training_comes_first() -> None:
    split = Split(0.3, "s")
    (trains,), (validates,) = groups_on(Side.TRAIN, split, 1), groups_on(Side.VALIDATION, split, 1)
    rules = replace(NO_RULES, split=split, max_copies_of_question=3)
    rows = [
        example(1, question_sha256=b"asked-twice", split_group=validates, rating=1),
        example(2, question_sha256=b"asked-twice", split_group=trains),
    ]
    assert reasons(select(rules, rows)) == {1: "question_on_other_side"}
    # What an earlier dataset validated with does not move to training.
    later = [rows[0], rows[1]._replace(dataset_id=2)]
    assert reasons(select(rules, later)) == {2: "question_on_other_side"}


def test_a_busy_user_has_so_many_examples_and_no_more() -> None:
    rows = [example(number, split_group="busy" if number < 9 else "other") for number in range(12)]
    out = reasons(select(replace(NO_RULES, max_examples_of_user=4), rows))
    assert list(out.values()) == ["examples_of_user"] * 5
    assert all(number < 9 for number in out)


def test_what_is_over_a_limit_does_not_take_its_copies_with_it() -> None:
    rules = replace(NEAR, max_examples_of_user=1)
    rows = [
        example(1, split_group="busy", rating=1),
        example(2, words(99), split_group="busy", rating=0),
        example(3, words(99) + " y más", rating=-1),
    ]
    assert reasons(select(rules, rows)) == {2: "examples_of_user"}


# -- shares


def test_refusals_stay_within_their_share() -> None:
    rows = [example(number, refusal=number < 10) for number in range(29)]
    selection = select(replace(NO_RULES, max_refusal_share=0.05), rows)
    assert selection.counts() == {"refusal_share": 9}
    assert selection.figures["refusals"] == 1
    assert selection.figures["refusal_share"] == 0.05


def test_answers_of_our_own_models_stay_within_their_share_but_not_what_a_person_corrected() -> None:
    rows = [
        example(number, model="tutor:latest" if number < 10 else "llama3.2:3b", corrected=number == 0)
        for number in range(20)
    ]
    selection = select(replace(NO_RULES, max_own_model_share=0.3), rows, own={"tutor:latest"})
    # The corrected one counts among the eleven others: 4 of 15 are below the share, 5 of 16 would be above.
    assert selection.counts() == {"own_model_share": 5}
    assert selection.figures["own_model"] == 4
    assert 0 not in left_out(selection)


def test_both_shares_hold_at_once() -> None:
    rows = [example(n, model="ft:ours" if n % 2 else None, refusal=n % 3 == 0) for n in range(120)]
    selection = select(replace(NO_RULES, max_refusal_share=0.1, max_own_model_share=0.3), rows)
    assert selection.figures["refusal_share"] <= 0.1
    assert selection.figures["own_model_share"] <= 0.3
    assert selection.figures["kept"] > 50


@pytest.mark.parametrize("share,kept", [(0.0, 0), (1.0, 5)])
def test_a_share_of_nothing_keeps_none_and_one_of_all_keeps_all(share: float, kept: int) -> None:
    rows = [example(number, refusal=True) for number in range(5)]
    assert select(replace(NO_RULES, max_refusal_share=share), rows).figures["kept"] == kept


@pytest.mark.parametrize(
    "name,own",
    [
        ("ft:gpt-4.1-mini:school::abc", True),
        ("FT:gpt-4.1-mini:school::abc", True),
        ("openai/ft:gpt-4.1-mini:school::abc", True),
        ("tutor:ft-tutor-1f0c", True),
        ("tutor:latest", True),
        ("tutor", True),
        ("Ollama/Tutor", True),
        ("tutor:other", False),
        ("llama3.2:3b", False),
        ("other/tutor-2", False),
        ("", False),
        (None, False),
    ],
)
def test_our_own_models_are_known_by_every_name_they_have(name: str | None, own: bool) -> None:
    assert is_own_model(name, {"tutor:ft-tutor-1f0c", "tutor:latest"}) is own


# -- golden set

GOLDEN = replace(NO_RULES, split=Split(0.0, "s", 0.3), golden_examples=4)
KEPT_FOR_GOLDEN = groups_on(Side.GOLDEN, GOLDEN.split, 8)
TRAINING = groups_on(Side.TRAIN, GOLDEN.split, 8)


def test_users_of_the_golden_share_never_train_also_before_there_is_a_set() -> None:
    rows = [example(number, split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN[:3] + TRAINING)]
    selection = select(GOLDEN, rows)
    assert reasons(selection) == dict.fromkeys(range(3), "golden_user")
    assert selection.new_golden == ()
    assert selection.figures["golden_possible"] == 3


def test_the_set_is_frozen_when_there_is_enough_for_it() -> None:
    rows = [example(number, split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN + TRAINING)]
    selection = select(GOLDEN, rows)
    assert len(selection.new_golden) == 4
    assert set(selection.new_golden) <= set(range(8))
    assert selection.counts() == {"golden": 4, "golden_user": 4}
    assert selection.figures["golden"] == 4


def test_a_set_that_is_frozen_already_is_not_frozen_again() -> None:
    rows = [example(number, split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN + TRAINING)]
    selection = select(GOLDEN, rows, golden_exists=True)
    assert selection.new_golden == ()
    assert selection.counts() == {"golden_user": 8}


def test_what_was_trained_on_before_cannot_become_golden() -> None:
    rows = [example(number, split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN)]
    assert set(select(GOLDEN, rows, seen={0, 1, 2, 3}).new_golden) == {4, 5, 6, 7}
    assert select(GOLDEN, rows, seen={0, 1, 2, 3, 4}).new_golden == ()


@pytest.mark.parametrize("flaw", [{"refusal": True}, {"unsupported": True}, {"model": "ft:ours"}])
def test_a_doubtful_answer_is_no_measure(flaw: dict[str, Any]) -> None:
    rows = [
        example(number, split_group=group, **(flaw if number < 4 else {}))
        for number, group in enumerate(KEPT_FOR_GOLDEN)
    ]
    assert set(select(GOLDEN, rows).new_golden) == {4, 5, 6, 7}


def test_copies_within_the_golden_users_are_one_golden_example() -> None:
    rows = [
        example(number, words(5), split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN[:4])
    ] + [example(10 + number, split_group=group) for number, group in enumerate(KEPT_FOR_GOLDEN[4:7])]
    rules = replace(GOLDEN, near_duplicate_similarity=0.8)
    (first,) = set(select(rules, rows).new_golden) - {10, 11, 12}
    assert first < 4


def test_nothing_like_a_golden_example_trains_wherever_the_golden_one_is() -> None:
    golden = [example(900, words(1), split_group="gone-elsewhere", question_sha256=b"asked-before")]
    rows = [
        example(1, words(1) + " y más"),
        example(2, question_sha256=b"asked-before"),
        example(3),
    ]
    rules = replace(GOLDEN, near_duplicate_similarity=0.8, max_copies_of_question=3, split=Split(0.0, "s"))
    assert left_out(select(rules, rows, golden=golden)) == {
        1: ("copy_of_golden", 900),
        2: ("question_on_other_side", None),
    }
    # The same when the golden one is a row of this dataset, whatever its user's side is now.
    assert left_out(select(rules, [*rows, *golden], golden=golden)) == {
        1: ("copy_of_golden", 900),
        2: ("question_on_other_side", None),
        900: ("golden", None),
    }


def test_users_of_the_golden_set_never_train_however_the_share_changes() -> None:
    golden = [example(900, split_group="measured")]
    rows = [example(1, split_group="measured"), example(2)]
    selection = select(replace(NO_RULES, split=Split(0.5, "another")), rows, golden=golden)
    assert left_out(selection) == {1: ("golden_user", None)}
    assert selection.new_golden == ()


def test_figures_tell_what_stands() -> None:
    rows = [
        example(1, words(1), rating=1),
        example(2, words(1) + " y más"),
        example(3, words(1) + " y menos"),
        example(4, unsupported=True),
        example(5, corrected=True, rating=-1),
        example(6, refusal=True),
        example(7, model="ft:ours"),
    ]
    assert select(NEAR, rows).figures == {
        "examples": 7,
        "kept": 5,
        "clusters": 1,
        "copies": 2,
        "refusals": 1,
        "refusal_share": 0.2,
        "own_model": 1,
        "own_model_share": 0.2,
        "rated_up": 1,
        "rated_down": 1,
        "unsupported": 1,
        "corrected": 1,
        "golden": 0,
        "golden_possible": 0,
    }


def test_of_no_rows_nothing_is_chosen() -> None:
    selection = select(EVERY, [])
    assert (left_out(selection), selection.new_golden, selection.counts()) == ({}, (), {})


# -- texts that are compared


@pytest.mark.parametrize(
    "template,prompt,question",
    [
        (TEMPLATE, "Contexto:\nuno\n\nPregunta: ¿Qué?", "¿Qué?"),
        (TEMPLATE, "Contexto:\nuno\n\nPregunta: dos\n\nPregunta: ¿Qué?", "¿Qué?"),
        (TEMPLATE, "¿Qué?", "¿Qué?"),
        ("{question}\n---\n{context}\n---", "¿Qué?\n---\nuno\n---\ndos\n---", "¿Qué?"),
        ("{context}{question}", "uno¿Qué?", "uno¿Qué?"),
    ],
)
def test_the_question_is_found_under_the_passages(template: str, prompt: str, question: str) -> None:
    assert bare_question(template)(prompt) == question


def test_only_what_is_taught_is_compared() -> None:
    history = [
        {"role": "user", "content": "antes"},
        {"role": "assistant", "content": "dicho", "weight": 0},
        {"role": "user", "content": "ahora"},
        {"role": "assistant", "content": "esto"},
    ]
    assert lesson_text(canonical_json(history).decode(), bare_question(TEMPLATE)) == "ahora\nesto"


def test_of_a_pair_the_question_and_both_answers_are_compared() -> None:
    pair = {
        "input": [{"role": "user", "content": "antes"}, {"role": "user", "content": "ahora"}],
        "preferred_output": [{"role": "assistant", "content": "bien"}],
        "non_preferred_output": [{"role": "assistant", "content": "mal"}],
    }
    assert lesson_text(canonical_json(pair).decode(), bare_question(TEMPLATE)) == "ahora\nbien\nmal"


def test_rules_are_those_that_were_frozen_with_the_dataset() -> None:
    frozen = {
        "curation": {"context_template": TEMPLATE},
        "split": {"validation_share": 0.2, "salt": "s", "golden_share": 0.1, "golden_examples": 3},
        "selection": {
            "near_duplicate_similarity": 0.8,
            "max_copies_of_question": 3,
            "max_examples_of_user": 5,
            "max_refusal_share": 0.1,
            "max_own_model_share": 0.3,
        },
    }
    assert SelectionRules.frozen_with(frozen) == EVERY
    older = {"curation": {"context_template": TEMPLATE}, "split": {"validation_share": 0.0, "salt": "s"}}
    assert SelectionRules.frozen_with(older) == NO_RULES
