"""The stage that trains, whole, on a tiny model: what it learns, leaves, tells, survives and refuses."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy
import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from ftworker.training import loop, objectives
from ftworker.training.base_model import load_model, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.events import Event, Noted, Progressed, decode_event
from ftworker.training.order import ADAPTER, ARTEFACTS, CHECKPOINTS, DATA
from ftworker.training.results import TRAINED, Trained
from ftworker.training.scoring import Scorer
from ftworker.training.stage import Events, Interrupted, StageFailed, Stop, named_failure
from ftworker.training.train import train
from tests.conftest import REPOSITORY
from tests.training.gguf.tiny_models import make_tiny_model
from tests.training.tiny import CHATML, LESSONS, chat, tiny_tokenizer, write_base, write_work


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_base(tmp_path_factory.mktemp("base"))


class Listener(Events):
    """Keeps the events, and does something at one of them."""

    def __init__(self, at: Callable[[Event], None] = lambda _: None) -> None:
        super().__init__(-1)
        self.events: list[Event] = []
        self._at = at

    def send(self, event: Event) -> None:
        self.events.append(event)
        self._at(event)

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noted)]


def run(work: Path, listener: Listener | None = None, stop: Stop | None = None) -> Trained:
    train(work, listener or Listener(), stop or Stop())
    return msgspec.json.decode((work / ARTEFACTS / TRAINED).read_bytes(), type=Trained)


def weights(work: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = load_file(str(work / ARTEFACTS / ADAPTER / "adapter_model.safetensors"))
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def losses(trained: Trained) -> list[float]:
    each = [value for point in trained.curve for value in (point.train_loss, point.validation_loss)]
    return [value for value in each if value is not None]


HARD: dict[str, Any] = {"method": {"n_epochs": 8}, "learning_rate": 0.02}
"""Enough to teach a tiny random model something."""


def test_a_lora_is_trained_and_peft_loads_it(base: Path, tmp_path: Path) -> None:
    listener = Listener()
    work = write_work(tmp_path / "work", base, LESSONS[:9], LESSONS[9:], **HARD)
    trained = run(work, listener)
    assert (trained.steps, trained.epochs, trained.attempts, trained.stopped_early) == (24, 8.0, 1, False)
    assert trained.base_validation_loss is not None
    assert trained.validation_loss is not None
    assert trained.validation_loss < trained.base_validation_loss * 0.8
    assert [point.step for point in trained.curve][-1] == 24
    numbers = trained.hyperparameters
    assert (numbers["rank"], numbers["alpha"], numbers["batch_size"], numbers["packed"]) == (4, 8, 4, True)
    assert set(trained.versions) == {"python", "torch", "transformers", "peft", "device"}

    config = json.loads((work / ARTEFACTS / ADAPTER / "adapter_config.json").read_text())
    assert config["target_modules"] == [
        "down_proj",
        "gate_proj",
        "k_proj",
        "o_proj",
        "q_proj",
        "up_proj",
        "v_proj",
    ]
    assert (config["use_dora"], config["use_rslora"], config["modules_to_save"]) == (False, False, None)
    assert config["base_model_name_or_path"] == str(base)
    assert (work / ARTEFACTS / ADAPTER / "chat_template.jinja").read_text() == CHATML
    assert not (work / CHECKPOINTS).exists()

    # The held-out loss once more, by PEFT and transformers alone.
    plain = AutoModelForCausalLM.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT asks transformers by a name of before
        found = peft.PeftModel.from_pretrained(plain, work / ARTEFACTS / ADAPTER).eval()
    tokenizer = tiny_tokenizer()
    total, count = 0.0, 0
    for row in LESSONS[9:]:
        whole = tokenizer.apply_chat_template(row["messages"], tokenize=True)["input_ids"][:-1]
        prompt = tokenizer.apply_chat_template(row["messages"][:1], tokenize=True, add_generation_prompt=True)
        labels = torch.tensor([whole])
        labels[:, : len(prompt["input_ids"])] = -100
        learned = int((labels != -100).sum())
        with torch.no_grad():
            total += found(input_ids=torch.tensor([whole]), labels=labels).loss.item() * learned
        count += learned
    assert total / count == pytest.approx(trained.validation_loss, rel=1e-4)

    steps = [event for event in listener.events if isinstance(event, Progressed) and event.stage == "train"]
    last = steps[-1]
    assert (last.completed, last.total, last.unit) == (24, 24, "steps")
    assert last.trained_tokens == trained.trained_tokens
    assert last.tokens_per_second
    assert last.memory_bytes
    assert last.eta_seconds == 0


def test_a_training_that_is_done_is_not_begun_again(base: Path, tmp_path: Path) -> None:
    work = write_work(tmp_path / "work", base)
    run(work)
    before = (work / ARTEFACTS / TRAINED).read_bytes()
    listener = Listener()
    run(work, listener)
    assert listener.events == []
    assert (work / ARTEFACTS / TRAINED).read_bytes() == before


def test_the_same_order_gives_the_same_lora_and_another_seed_another(base: Path, tmp_path: Path) -> None:
    works = [write_work(tmp_path / name, base, dropout=0.1) for name in ("one", "two")]
    other = write_work(tmp_path / "three", base, method={"seed": 4}, dropout=0.1)
    for work in (*works, other):
        run(work)
    assert same(weights(works[0]), weights(works[1]))
    assert not same(weights(works[0]), weights(other))


def test_how_a_batch_is_cut_into_rows_does_not_change_what_is_learned(base: Path, tmp_path: Path) -> None:
    # Answers of very different lengths: a mean of the rows' means would be another number.
    rows = [chat("¿Uno?", "Uno. " * (1 + 7 * (number % 4 == 0))) for number in range(8)]
    cuts: list[dict[str, Any]] = [
        {},
        {"micro_batch": 1},
        {"micro_batch": 3},
        {"packing": False},
        {"packing": False, "micro_batch": 1},
        {"gradient_checkpointing": True},
    ]
    found = [
        run(write_work(tmp_path / f"{place}", base, rows, rows[:3], **cut)) for place, cut in enumerate(cuts)
    ]
    for trained in found[1:]:
        assert losses(trained) == pytest.approx(losses(found[0]), rel=2e-4)
    first = weights(tmp_path / "0")
    for place in range(1, len(cuts)):
        for name, value in weights(tmp_path / f"{place}").items():
            torch.testing.assert_close(value, first[name], rtol=1e-2, atol=2e-4)


def test_the_first_loss_is_the_mean_over_all_learned_tokens_of_the_batch(base: Path, tmp_path: Path) -> None:
    rows = [chat("¿Uno?", "Uno."), chat("¿Dos?", "Dos, tres, cuatro, cinco. " * 3)]
    work = write_work(tmp_path / "work", base, rows, method={"n_epochs": 1}, micro_batch=1)
    trained = run(work)
    model = AutoModelForCausalLM.from_pretrained(base)
    tokenizer = tiny_tokenizer()
    surprise = []
    for row in rows:
        ids = tokenizer.apply_chat_template(row["messages"], tokenize=True)["input_ids"][:-1]
        prompt = tokenizer.apply_chat_template(row["messages"][:1], tokenize=True, add_generation_prompt=True)
        start = len(prompt["input_ids"])
        with torch.no_grad():
            scores = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
        surprise += [-scores[place - 1, ids[place]].item() for place in range(start, len(ids))]
    assert trained.trained_tokens == len(surprise)
    assert trained.train_loss == pytest.approx(sum(surprise) / len(surprise), rel=1e-4)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_what_the_whole_one_learns(base: Path, tmp_path: Path, precision: str) -> None:
    expected = run(write_work(tmp_path / "whole", base, LESSONS[:9], LESSONS[9:], **HARD))
    found = run(write_work(tmp_path / "half", base, LESSONS[:9], LESSONS[9:], precision=precision, **HARD))
    assert found.hyperparameters["precision"] == precision
    assert losses(found) == pytest.approx(losses(expected), rel=0.1)
    assert {value.dtype for value in weights(tmp_path / "half").values()} == {torch.float32}


def test_training_ends_early_and_the_best_is_kept(base: Path, tmp_path: Path) -> None:
    # Held-out answers that contradict what is taught: the loss falls a little, then rises.
    held_out = [chat(row["messages"][0]["content"], "No lo sé.") for row in LESSONS]
    work = write_work(
        tmp_path / "work",
        base,
        LESSONS,
        held_out,
        method={"n_epochs": 30},
        learning_rate=0.02,
        early_stop_patience=2,
    )
    trained = run(work)
    seen = [
        (point.validation_loss, point.step) for point in trained.curve if point.validation_loss is not None
    ]
    best, step = min(seen)
    assert trained.stopped_early
    assert trained.steps < 90
    assert trained.validation_loss == best
    assert trained.steps > step
    later = write_work(
        tmp_path / "later", base, held_out, held_out, learning_rate=1e-9, method={"n_epochs": 1}
    )
    assert run(later).base_validation_loss == seen[0][0]


# -- going on


def interrupted_at(step: int, stop: Stop) -> Listener:
    def ask(event: Event) -> None:
        if isinstance(event, Progressed) and event.stage == "train" and event.completed == step:
            stop.requested = True

    return Listener(ask)


@pytest.fixture
def tells_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_TELL_SECONDS", 0.0)


@pytest.mark.usefixtures("tells_every_step")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_stopped_training_goes_on_to_the_very_same_result(
    base: Path, tmp_path: Path, precision: str
) -> None:
    given: dict[str, Any] = {"dropout": 0.1, "precision": precision, "method": {"n_epochs": 3}}
    whole = write_work(tmp_path / "whole", base, LESSONS, LESSONS[:3], **given)
    expected = run(whole)
    work = write_work(tmp_path / "work", base, LESSONS, LESSONS[:3], **given)
    for step in (2, 3, 5):  # the third ends an epoch: its look is cut short, and made up for
        stop = Stop()
        with pytest.raises(Interrupted):
            run(work, interrupted_at(step, stop), stop)
    listener = Listener()
    found = run(work, listener)
    assert listener.notes == ["goes on from the checkpoint of step 5 of 9"]
    assert found.attempts == 4
    assert losses(found) == losses(expected)
    assert (found.steps, found.trained_tokens, found.seen_tokens, found.train_loss) == (
        expected.steps,
        expected.trained_tokens,
        expected.seen_tokens,
        expected.train_loss,
    )
    assert same(weights(work), weights(whole))


def child(work: Path, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "ftworker.training.train", str(work)],
        cwd=REPOSITORY,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_after_kill_9_it_goes_on_to_the_very_same_result(base: Path, tmp_path: Path) -> None:
    # Sixty steps of milliseconds, a checkpoint after each: the kill comes in the middle of writing one.
    given: dict[str, Any] = {"method": {"n_epochs": 20}, "early_stop_patience": "off"}
    work = write_work(tmp_path / "work", base, checkpoint_interval_seconds=1e-6, **given)
    process = child(work)
    checkpoints = work / CHECKPOINTS
    try:
        deadline = time.monotonic() + 90
        while not (any(checkpoints.glob(".writing-*")) and len([*checkpoints.glob("step-*")]) > 1):
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
    finally:
        process.kill()
        said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    told = [decode_event(line) for line in said.splitlines(keepends=True) if line.endswith(b"\n")]
    assert None not in told  # nothing else on standard output, whatever libraries print
    assert {event.stage for event in told if isinstance(event, Progressed)} >= {"load", "train"}
    listener = Listener()
    found = run(work, listener)
    assert "goes on from the checkpoint of step" in listener.notes[0]
    whole = write_work(tmp_path / "whole", base, **given)
    expected = run(whole)
    assert losses(found) == losses(expected)
    assert same(weights(work), weights(whole))


def test_two_processes_learn_what_one_learns(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"micro_batch": 1, "method": {"n_epochs": 3}}
    alone = write_work(tmp_path / "alone", base, LESSONS, LESSONS[:3], **given)
    expected = run(alone)
    work = write_work(tmp_path / "work", base, LESSONS, LESSONS[:3], **given)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    second = child(work, RANK="1", LOCAL_RANK="1", **shared)
    try:
        for name, value in {"RANK": "0", "LOCAL_RANK": "0", **shared}.items():
            monkeypatch.setenv(name, value)
        found = run(work)
        assert second.stdout is not None
        said = second.stdout.read()
        status = second.wait(60)
    finally:
        second.kill()
        _, complaints = second.communicate()
    assert status == 0, complaints.decode()
    assert said == b""  # the first one speaks for both
    assert found.hyperparameters["processes"] == 2
    assert losses(found) == pytest.approx(losses(expected), rel=1e-4)
    for name, value in weights(work).items():
        torch.testing.assert_close(value, weights(alone)[name], rtol=1e-2, atol=2e-4)


# -- preferences


PAIRS = [
    {
        "prompt": [{"role": "user", "content": f"¿Cuál es la capital {number}?"}],
        "chosen": [{"role": "assistant", "content": "La capital es París."}],
        "rejected": [{"role": "assistant", "content": "No lo sé, gracias."}],
    }
    for number in range(8)
]


def test_from_pairs_the_chosen_answers_become_likelier(base: Path, tmp_path: Path) -> None:
    work = write_work(
        tmp_path / "work",
        base,
        PAIRS[:6],
        PAIRS[6:],
        form="preference",
        method={"type": "dpo", "n_epochs": 8},
        learning_rate=0.02,
    )
    trained = run(work)
    assert trained.method == "dpo"
    # Before the first step the model is its own reference: a coin toss.
    assert trained.base_validation_loss == pytest.approx(numpy.log(2), rel=1e-4)
    assert trained.validation_loss is not None
    assert trained.validation_loss < 0.3
    assert trained.hyperparameters["beta"] == 0.1


@pytest.mark.usefixtures("tells_every_step")
def test_the_reference_is_computed_once(base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"form": "preference", "method": {"type": "dpo", "n_epochs": 2, "batch_size": 4}}
    whole = write_work(tmp_path / "whole", base, PAIRS, PAIRS[6:], learning_rate=0.01, **given)
    run(whole)
    work = write_work(tmp_path / "work", base, PAIRS, PAIRS[6:], learning_rate=0.01, **given)
    stop = Stop()
    with pytest.raises(Interrupted):
        run(work, interrupted_at(2, stop), stop)

    def again(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(Scorer, "without_lora", again)
    run(work)
    assert same(weights(work), weights(whole))


# -- the base


def test_a_gguf_file_is_trained_as_the_directory_it_was_made_from(tmp_path: Path) -> None:
    tiny = make_tiny_model("llama", tmp_path / "tiny")
    load_tokenizer(locate_base(str(tiny.base_gguf))).save_pretrained(tiny.folder)
    found = [
        run(write_work(tmp_path / f"{place}", base, LESSONS[:8], LESSONS[8:]))
        for place, base in enumerate((tiny.folder, tiny.base_gguf))
    ]
    assert losses(found[1]) == pytest.approx(losses(found[0]), rel=1e-3)


@pytest.mark.parametrize(
    "name, code, words",
    [
        ("nowhere/model", "base_missing", "HF_HUB_OFFLINE"),
        ("llama3.2:3b", "base_missing", "a name of Ollama's"),
        ("{folder}/nothing.gguf", "base_missing", "there is no"),
        ("{folder}", "base_missing", "neither config.json nor a GGUF file"),
        ("{folder}/order.json", "base_unsupported", "is a file but no GGUF"),
        ("{folder}/data/strange", "base_unsupported", "cannot load the base"),
    ],
)
def test_a_base_that_cannot_be_had_is_named(
    tmp_path: Path, name: str, code: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    work = tmp_path / "work"
    write_work(work, name.format(folder=work))
    strange = work / DATA / "strange"
    strange.mkdir()
    (strange / "config.json").write_text('{"model_type": "of-another-world"}')
    tiny_tokenizer().save_pretrained(strange)
    with pytest.raises(StageFailed, match=words) as caught:
        run(work)
    assert caught.value.code == code


def test_a_tokenizer_of_a_directory_has_its_template(base: Path) -> None:
    source = locate_base(str(base))
    assert load_tokenizer(source).chat_template == CHATML
    assert load_model(source, torch.float32, torch.device("cpu")).training is False


# -- failures by name


def test_no_row_to_train_on_is_named(base: Path, tmp_path: Path) -> None:
    work = write_work(tmp_path / "work", base, [chat("¿Uno?", "uno " * 200)], max_length_tokens=40)
    with pytest.raises(StageFailed, match="1 answers longer than 40 tokens") as caught:
        run(work)
    assert caught.value.code == "no_rows"


def test_what_is_left_out_is_noted_and_never_quoted(base: Path, tmp_path: Path) -> None:
    listener = Listener()
    run(
        write_work(tmp_path / "work", base, [*LESSONS, chat("secreto", "uno " * 200)], max_length_tokens=120),
        listener,
    )
    assert listener.notes == [
        "train.jsonl: 1 of 13 rows are left out: question and answer alone are longer than 120 tokens"
    ]


def test_pairs_are_for_dpo_and_answers_for_supervised(base: Path, tmp_path: Path) -> None:
    with pytest.raises(StageFailed, match="pairs are for dpo") as caught:
        run(write_work(tmp_path / "work", base, PAIRS, form="preference"))
    assert caught.value.code == "method_format"


def test_a_device_that_is_not_there_is_named(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(StageFailed, match=r'training\.device = "auto"') as caught:
        run(write_work(tmp_path / "work", base, device="cuda"))
    assert caught.value.code == "device_missing"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_ends_the_training_by_name(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    own = objectives.Supervised.loss
    monkeypatch.setattr(objectives.Supervised, "loss", lambda self, items: own(self, items) * value)
    with pytest.raises(StageFailed, match=r"at step 1 of 6; lower training\.learning_rate") as caught:
        run(write_work(tmp_path / "work", base))
    assert caught.value.code == "loss_not_finite"


def test_when_memory_runs_out_rows_become_smaller_and_the_result_is_the_same(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = run(write_work(tmp_path / "plenty", base, method={"batch_size": 8}))
    own = objectives.Supervised.loss

    def little_memory(self: objectives.Supervised, items: list[Any]) -> torch.Tensor:
        if sum(item.tokens for item in items) > 150:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
            )
        return own(self, items)

    monkeypatch.setattr(objectives.Supervised, "loss", little_memory)
    listener = Listener()
    found = run(write_work(tmp_path / "little", base, method={"batch_size": 8}), listener)
    assert "memory ran out: from here on at most 128 tokens" in listener.notes[-1]
    assert losses(found) == pytest.approx(losses(expected), rel=1e-4)


def test_memory_that_is_never_enough_is_named(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(self: objectives.Supervised, items: list[Any]) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate")

    monkeypatch.setattr(objectives.Supervised, "loss", no_memory)
    with pytest.raises(torch.OutOfMemoryError) as caught:
        run(write_work(tmp_path / "work", base))
    failure = named_failure(caught.value)
    assert failure is not None
    assert failure.code == "out_of_memory"
    assert "lower training.micro_batch" in failure.message


def test_a_full_disk_is_named_and_may_be_tried_again(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ftworker.training.checkpoints.save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        run(write_work(tmp_path / "work", base, checkpoint_interval_seconds=1e-6))
    failure = named_failure(caught.value)
    assert failure is not None
    assert (failure.code, failure.transient) == ("disk_full", True)
