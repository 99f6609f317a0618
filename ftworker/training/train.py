"""The stage that trains: `python -m ftworker.training.train WORK`, or several of it under torchrun.

Reads WORK/order.json and the data beside it; leaves WORK/artefacts/adapter and, last, WORK/artefacts/training.json.
Knows nothing of the database, of Ollama or of GGUF files to serve. `rows` reads, `rendering` makes tokens, `presets`
chooses numbers, `loop` trains.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import transformers

from ftworker.settings import TrainerSettings
from ftworker.training import lora, presets
from ftworker.training.base_model import context_length, gguf_read_once, load_model, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.batches import Item, RowLimits
from ftworker.training.checkpoints import Checkpoints
from ftworker.training.devices import Place, free_memory_bytes, leave, peak_memory_bytes, take_place, versions
from ftworker.training.events import Progressed
from ftworker.training.loop import Outcome, Training
from ftworker.training.objectives import Objective, Preference, Supervised, reference_margins
from ftworker.training.order import ADAPTER, ARTEFACTS, CHECKPOINTS, DATA, ORDER, OrderedFile, TrainingOrder
from ftworker.training.rendering import Counts, Renderer
from ftworker.training.results import TRAINED, Trained
from ftworker.training.rows import is_preference, read_preferred, read_taught
from ftworker.training.scoring import Scorer
from ftworker.training.stage import Events, StageFailed, Stop, leave_result, run_stage

_ATTEMPTS = "attempts"
_REFERENCE = "reference.safetensors"


def train(work: Path, events: Events, stop: Stop) -> None:
    """Train what the order in this folder asks for. A training whose result is there is done already. Raises
    StageFailed, Interrupted.
    """
    began = time.monotonic()
    text = (work / ORDER).read_bytes()
    order = msgspec.json.decode(text, type=TrainingOrder)
    if (work / ARTEFACTS / TRAINED).exists():
        return
    settings = TrainerSettings.model_validate(order.settings)
    dpo = order.method.get("type") == "dpo"
    if dpo != is_preference(order.format):
        raise StageFailed(
            "method_format",
            f'training.type = "{order.method.get("type")}" does not go with rows of {order.format}; pairs are for '
            "dpo, answers for supervised",
        )
    place = take_place(settings)
    if not place.first:
        events.silence()
    attempts = _count_attempt(work / CHECKPOINTS, count=place.first)
    try:
        _train(work, order, settings, place, _Attempt(events, stop, began, attempts, _hash(text)))
    finally:
        leave(place)


class _Attempt:
    """This start of the training."""

    def __init__(self, events: Events, stop: Stop, began: float, number: int, order: str) -> None:
        self.events = events
        self.stop = stop
        self.began = began
        self.number = number
        self.order = order


def _train(
    work: Path, order: TrainingOrder, settings: TrainerSettings, place: Place, attempt: _Attempt
) -> None:
    events = attempt.events
    source = locate_base(order.base)
    with gguf_read_once():
        events.send(Progressed("load", 0, 3, "steps"))
        tokenizer = load_tokenizer(source)
        renderer = Renderer(tokenizer, presets.length_limit(settings, context_length(source)))
        if renderer.folds_system:
            events.note(
                "the base's template knows no system message: it stands at the start of the first question"
            )
        items = _items(work, order.train, order, renderer)
        _tell_counts(events, order.train.name, renderer.counts, renderer.max_length)
        if not items:
            raise StageFailed(
                "no_rows",
                f"{order.train.name}: none of {renderer.counts.rows} rows can be trained on "
                f"({renderer.counts.too_long} answers longer than {renderer.max_length} tokens, "
                f"{renderer.counts.refused} rows that the base's chat template does not take)",
            )
        renderer.counts = Counts()
        held_out: list[Item] = []
        if order.validation:
            held_out = _items(work, order.validation, order, renderer)
            _tell_counts(events, order.validation.name, renderer.counts, renderer.max_length)
        events.send(Progressed("load", 1, 3, "steps"))
        model = load_model(source, place.weight_type, place.device)
    events.send(Progressed("load", 2, 3, "steps"))
    seed = presets.training_seed(order.method, order.run_key)
    numbers = presets.resolve(
        settings,
        order.method,
        seed=seed,
        base=_base_facts(model),
        data=presets.DataFacts(
            examples=len(items),
            tokens=sum(item.tokens for item in items),
            longest=max(item.tokens for item in items),
            validation_tokens=sum(item.tokens for item in held_out),
        ),
        device=presets.DeviceFacts(
            kind=place.device.type,
            free_bytes=free_memory_bytes(place.device),
            value_bytes=place.weight_type.itemsize,
            processes=place.size,
        ),
    )
    if place.device.type == "cpu" and place.autocast:
        lora.narrow_layers(model, place.autocast)
    tuned = lora.add_lora(
        model, rank=numbers.rank, alpha=numbers.alpha, dropout=numbers.dropout, base=order.base, seed=seed
    )
    scorer = Scorer(tuned, place.device, place.autocast)
    short_cuts = scorer.prepare(packing=settings.packing)
    if settings.packing and not short_cuts.packing:
        events.note(
            "sequences stand in rows of their own: this base's attention cannot keep packed ones apart"
        )
    if numbers.gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
    tuned.train()
    limits = RowLimits(numbers.row_tokens, numbers.row_items, short_cuts.packing)
    events.send(Progressed("load", 3, 3, "steps"))
    outcome = Training(
        tuned,
        _objective(numbers, scorer, items + held_out, limits, work / CHECKPOINTS / _REFERENCE),
        train=items,
        validation=held_out,
        hyperparameters=numbers,
        limits=limits,
        place=place,
        checkpoints=Checkpoints(work / CHECKPOINTS, attempt.order),
        checkpoint_seconds=settings.checkpoint_interval_seconds,
        events=events,
        stop=attempt.stop,
        began=attempt.began,
    ).run()
    if not place.first:
        return
    more = {
        "max_length_tokens": renderer.max_length,
        "precision": place.precision,
        "device": place.device.type,
        "processes": place.size,
        "packed": short_cuts.packing,
        "target_layers": tuned.peft_config["default"].target_modules,
        "parameters": model.num_parameters(),
        "trained_parameters": sum(weight.numel() for weight in lora.trainable(tuned)),
        "peak_memory_bytes": peak_memory_bytes(place.device),
        "system_in_first_question": renderer.folds_system,
    }
    result = _result(
        order,
        numbers,
        outcome,
        hyperparameters={**asdict(numbers), **more},
        known=versions(place),
        attempts=attempt.number,
    )
    _leave_result(
        work, result, lambda folder: lora.save_adapter(tuned, outcome.lora, folder, renderer.template)
    )


def _items(work: Path, file: OrderedFile, order: TrainingOrder, renderer: Renderer) -> list[Item]:
    """What is learned of a file: a sequence each, or a pair each."""
    return list(_read_items(work / DATA / file.name, order, renderer))


def _read_items(file: Path, order: TrainingOrder, renderer: Renderer) -> Iterator[Item]:
    if is_preference(order.format):
        for pair in read_preferred(file, order.format):
            both = renderer.pair(pair)
            if both is not None:
                yield Item(both)
        return
    for row in read_taught(file, order.format, order.system_prompt):
        for sequence in renderer.conversation(row):
            yield Item((sequence,))


def _tell_counts(events: Events, name: str, counts: Counts, limit: int) -> None:
    said = [
        (counts.shortened, f"were longer than {limit} tokens and lost their oldest turns"),
        (counts.too_long, f"are left out: question and answer alone are longer than {limit} tokens"),
        (counts.refused, "are left out: the base's chat template does not take their order of speakers"),
    ]
    for count, what in said:
        if count:
            events.note(f"{name}: {count} of {counts.rows} rows {what}")


def _objective(
    numbers: presets.Hyperparameters, scorer: Scorer, items: list[Item], limits: RowLimits, cache: Path
) -> Objective:
    if numbers.beta is None:
        return Supervised(scorer)
    return Preference(scorer, numbers.beta, reference_margins(scorer, items, limits, cache))


def _base_facts(model: Any) -> presets.BaseFacts:
    config = model.config.get_text_config()
    hidden = int(config.hidden_size)
    return presets.BaseFacts(
        parameters=int(model.num_parameters()),
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        intermediate=int(getattr(config, "intermediate_size", None) or 4 * hidden),
    )


def _result(
    order: TrainingOrder,
    numbers: presets.Hyperparameters,
    outcome: Outcome,
    *,
    hyperparameters: dict[str, Any],
    known: dict[str, str],
    attempts: int,
) -> Trained:
    standing = outcome.standing
    weight = standing.epoch_loss_weight
    return Trained(
        method=numbers.method,
        base=order.base,
        seed=numbers.seed,
        steps=standing.step,
        epochs=standing.step / numbers.steps_an_epoch,
        trained_tokens=standing.trained_tokens,
        seen_tokens=standing.seen_tokens,
        base_validation_loss=standing.base_validation_loss,
        validation_loss=outcome.validation_loss,
        train_loss=standing.epoch_loss_sum / weight if weight else None,
        stopped_early=outcome.stopped_early,
        seconds=standing.seconds,
        curve=standing.curve,
        hyperparameters=hyperparameters,
        versions=known,
        attempts=attempts,
    )


def _leave_result(work: Path, result: Trained, write_adapter: Callable[[Path], None]) -> None:
    """Write the adapter, then the result, each whole or not at all; the checkpoints are of no use any more."""
    artefacts = work / ARTEFACTS
    artefacts.mkdir(parents=True, exist_ok=True)
    writing, target = artefacts / f".{ADAPTER}", artefacts / ADAPTER
    for left in (writing, target):
        shutil.rmtree(left, ignore_errors=True)
    writing.mkdir()
    write_adapter(writing)
    writing.rename(target)
    leave_result(artefacts / TRAINED, result)
    # Its name too is on the disk before the checkpoints go.
    os.sync()
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)


def _count_attempt(folder: Path, *, count: bool) -> int:
    """How often this training was begun, now included."""
    file = folder / _ATTEMPTS
    number = int(file.read_text() or "0") + 1 if file.exists() else 1
    if count:
        folder.mkdir(parents=True, exist_ok=True)
        writing = folder / f".{_ATTEMPTS}"
        writing.write_text(str(number))
        writing.rename(file)
    return number


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


if __name__ == "__main__":
    transformers.utils.logging.set_verbosity_error()
    sys.exit(run_stage(train, sys.argv[1:]))
