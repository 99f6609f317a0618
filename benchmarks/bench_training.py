"""How fast a LoRA is trained, in how much memory, beside TRL's SFTTrainer: same base, data, LoRA, batch and arithmetic.

The base is a Llama of random weights made on the spot; `--base` names another one. Every training is a process of its
own, so that its peak memory is its own; ways interleaved, medians and ratios within one run. Tokens are those of the
data: padding is work, but no result. Needs the extra `train` and `trl`, `datasets`, `accelerate`.
`python -m benchmarks.bench_training [--rows 48] [--rounds 3] [--base DIRECTORY]`. Figures: docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.bench_export import text
from ftworker.training.order import OrderedFile, TrainingOrder

BATCH = 4
RANK = 16
RATE = 1e-3
SYSTEM = "Eres un tutor paciente que responde con los apuntes de la clase."
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
WAYS = ("ftworker", "ftworker fp32", "trl", "trl fp32")


def rows(count: int) -> list[dict[str, Any]]:
    """Questions with a piece of a lesson, and answers, of the lengths that a tutor's have; none like another."""
    dice = random.Random(4)
    made = []
    for number in range(count):
        source = text(dice, dice.choice((120, 240, 480, 720)))
        question = f"{source}\n\n¿{number}: {text(dice, 60)}?"
        answer = text(dice, dice.choice((60, 120, 240)))
        prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        made.append({"prompt": prompt, "completion": [{"role": "assistant", "content": answer}]})
    return made


def make_base(folder: Path, *, hidden: int, layers: int) -> None:
    """A Llama of that size with random weights, and a tokenizer made from the rows."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    texts = [
        message["content"] for row in rows(500) for key in ("prompt", "completion") for message in row[key]
    ]
    special = ["<|im_start|>", "<|im_end|>"]
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=4096, special_tokens=special, show_progress=False)
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=special[1], pad_token=special[1], chat_template=CHATML
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49_152,  # as SmolLM2's: the head is part of the work
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3 // 64 * 64,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        num_key_value_heads=max(1, hidden // 192),
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder)
    print(f"base: Llama of {model.num_parameters() / 1e6:.0f} M parameters, random", flush=True)


# -- one training, in a process of its own


def train_ours(folder: Path, base: str, precision: str) -> dict[str, float]:
    """The stage as a run calls it; its time without loading, as the loop counts it."""
    import msgspec
    import torch

    from ftworker.settings import TrainerSettings
    from ftworker.training import loop
    from ftworker.training.stage import Events, Stop
    from ftworker.training.train import train

    file = OrderedFile("", "train.jsonl", "", 0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    settings = TrainerSettings(rank=RANK, learning_rate=RATE, precision=precision, device=device)
    order = TrainingOrder(
        run_id=0,
        run_key="bench",
        pipeline="bench",
        provider="bench",
        base=base,
        method={"type": "supervised", "n_epochs": 1, "batch_size": BATCH, "seed": 1},
        format="prompt-completion",
        system_prompt="",
        train=file,
        validation=None,
        trainer="peft",
        settings=settings.model_dump(mode="json"),
        artefacts_url="",
    )
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        (work / "data").symlink_to(folder)
        (work / "order.json").write_bytes(msgspec.json.encode(order))
        measured: dict[str, float] = {}
        own: Callable[..., Any] = loop.Training.run

        def timed(training: Any) -> Any:
            measured["before"] = peak_bytes()
            began, worked = time.perf_counter(), time.process_time()
            outcome = own(training)
            measured["seconds"] = time.perf_counter() - began
            measured["worked"] = time.process_time() - worked
            measured["tokens"] = outcome.standing.seen_tokens
            measured["loss"] = outcome.standing.epoch_loss_sum / outcome.standing.epoch_loss_weight
            return outcome

        loop.Training.run = timed  # type: ignore[assignment, method-assign]
        train(work, Events(-1, silent=True), Stop())
    return measured


def train_trl(folder: Path, base: str, precision: str) -> dict[str, float]:
    """TRL's SFTTrainer with its own defaults where the comparison leaves any: completion alone, padded batches."""
    import torch
    from datasets import Dataset  # type: ignore[import-untyped]
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    cuda = torch.cuda.is_available()
    half = precision == "bf16"
    data = Dataset.from_list([json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()])
    config = SFTConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=BATCH,
        num_train_epochs=1,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        completion_only_loss=True,
        gradient_checkpointing=False,
        max_length=2048,
        bf16=half,
        use_cpu=not cuda,
        logging_steps=1000,
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        seed=1,
    )
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.bfloat16 if half and cuda else torch.float32
    )
    trainer = SFTTrainer(
        model,
        args=config,
        train_dataset=data,
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", bias="none"
        ),
    )
    tokens = sum(len(row["input_ids"]) for row in trainer.train_dataset)
    before = peak_bytes()
    began, worked = time.perf_counter(), time.process_time()
    done = trainer.train()
    return {
        "before": before,
        "seconds": time.perf_counter() - began,
        "worked": time.process_time() - worked,
        "tokens": tokens,
        "loss": done.training_loss,
    }


def peak_bytes() -> int:
    """Peak memory of this process, or of its GPU."""
    import torch

    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(way: str, folder: Path, base: str) -> None:
    """One training; prints its figures as JSON on the last line."""
    import torch

    torch.manual_seed(1)
    train, _, precision = way.partition(" ")
    measured = (train_ours if train == "ftworker" else train_trl)(folder, base, precision or "bf16")
    print(json.dumps({**measured, "peak": peak_bytes()}))


def run_child(way: str, folder: Path, base: str) -> dict[str, float]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.bench_training",
            "--child",
            way,
            "--folder",
            str(folder),
            "--base",
            base,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hidden", type=int, default=576)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--ways", nargs="*", default=WAYS)
    parser.add_argument("--base")
    parser.add_argument("--child")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, asked.folder, asked.base)
        return
    with tempfile.TemporaryDirectory(prefix="ftworker-bench-") as name:
        folder = Path(name)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows(asked.rows)]
        (folder / "train.jsonl").write_text("".join(lines), encoding="utf-8")
        base = asked.base
        if not base:
            base = str(folder / "base")
            make_base(folder / "base", hidden=asked.hidden, layers=asked.layers)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in asked.ways}
        for turn in range(asked.rounds):
            for way in asked.ways if turn % 2 == 0 else asked.ways[::-1]:
                found[way].append(run_child(way, folder, base))
                seen = found[way][-1]
                print(f"{way}: {seen['tokens'] / seen['seconds']:.0f} tokens/s", flush=True)
    print("| way | tokens/s | tokens/s of CPU time | peak memory | of it for training | mean loss |")
    print("|---|---|---|---|---|---|")
    for way in asked.ways:
        speed, working, peak, added, loss = (
            statistics.median(figure)
            for figure in zip(
                *(
                    (
                        each["tokens"] / each["seconds"],
                        each["tokens"] / each["worked"],
                        each["peak"] / 2**20,
                        (each["peak"] - each["before"]) / 2**20,
                        each["loss"],
                    )
                    for each in found[way]
                ),
                strict=True,
            )
        )
        print(f"| {way} | {speed:.0f} | {working:.0f} | {peak:.0f} MiB | {added:.0f} MiB | {loss:.3f} |")


if __name__ == "__main__":
    main()
