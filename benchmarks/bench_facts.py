"""What the training demonstration teaches, and whether what is served is what was trained.

Runs `ftworker demo --train` in a fresh folder (or takes one that has been run: `--home FOLDER`). Asks its held-out
questions of the base and of the trained model by llama.cpp and by transformers. Compares next-token distributions of
its file as F16, as Q8_0, and as a conversion would leave it that forgot to permute q and k.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import torch

from ftworker.demo.answers import MAX_TOKENS, ask_both
from ftworker.demo.facts import SYSTEM_PROMPT, packaged_facts
from ftworker.demo.needs import base_file
from ftworker.training.base_model import gguf_read_once, load_model, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.convert import convert
from ftworker.training.devices import Place
from ftworker.training.divergence import divergence
from ftworker.training.gguf import architectures
from ftworker.training.llama_cpp import LlamaCpp
from ftworker.training.order import ADAPTER, ARTEFACTS, ORDER, TrainingOrder
from ftworker.training.probes import BEGINNINGS
from ftworker.training.reference import trained_log_probabilities
from ftworker.training.rendering import Renderer
from ftworker.training.results import TRAINED, Trained
from ftworker.training.stage import Events, Stop


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    arguments.add_argument("--home", type=Path, help="FTWORKER_HOME of a demonstration that has ended")
    with tempfile.TemporaryDirectory() as folder:
        home = arguments.parse_args().home or _run_demo(Path(folder))
        (made,) = (home / "storage" / "runs").iterdir()
        (work,) = (path.parent for path in (home / "trainings").glob(f"*/{ORDER}"))
        trained = msgspec.json.decode((made / TRAINED).read_bytes(), type=Trained)
        print(
            f"training: {trained.steps} steps, {trained.seen_tokens} tokens, {trained.seconds:.0f} s, peak "
            f"{trained.hyperparameters['peak_memory_bytes'] / 1e9:.2f} GB, held-out loss "
            f"{trained.base_validation_loss:.3f} -> {trained.validation_loss:.3f}"
        )
        files = dict(_files(work / ORDER, made, Path(folder)))
        _facts(made, files)
        _divergences(made, files)


def _run_demo(folder: Path) -> Path:
    environment = {**os.environ, "FTWORKER_HOME": str(folder / "home"), "OLLAMA_HOST": "http://127.0.0.1:9"}
    began = time.monotonic()
    subprocess.run(
        [Path(sys.executable).parent / "ftworker", "demo", "--train"], env=environment, cwd=folder, check=True
    )
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"the whole demo: {time.monotonic() - began:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of it computing"
    )
    return folder / "home"


def _files(order_file: Path, made: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """The adapter merged anew, in each way, under its name."""
    order = msgspec.json.decode(order_file.read_bytes(), type=TrainingOrder)
    for name, quantization, permuted in (
        ("F16", "F16", True),
        ("Q8_0", "Q8_0", True),
        ("q and k not permuted", "Q8_0", False),
    ):
        work = folder / f"{quantization}-{permuted}"
        artefacts = work / ARTEFACTS
        artefacts.mkdir(parents=True)
        (artefacts / ADAPTER).symlink_to((made / ADAPTER).absolute())
        settings = {**order.settings, "quantization": quantization}
        (work / ORDER).write_bytes(msgspec.json.encode(msgspec.structs.replace(order, settings=settings)))
        before = architectures.PERMUTES["llama"]
        if not permuted:
            architectures.PERMUTES["llama"] = frozenset()
        try:
            convert(work, Events(os.open(os.devnull, os.O_WRONLY)), Stop())
        finally:
            architectures.PERMUTES["llama"] = before
        yield name, artefacts / f"merged-{quantization}.gguf"


def _facts(made: Path, files: Mapping[str, Path]) -> None:
    """Held-out questions, right answers of each file, and how often transformers says the same."""
    facts = packaged_facts()
    by_transformers = _answers_of_transformers(made / ADAPTER)
    right = sum(fact.is_right(by_transformers[q]) for fact in facts for q in fact.held_out)
    print(f"transformers and PEFT: {right} of {len(by_transformers)} facts")
    for name, file in files.items():
        answers = ask_both(facts, base_file(), file)
        alike = sum(one.after == by_transformers[one.question] for one in answers.asked)
        judged_alike = sum(
            one.after_right == fact.is_right(by_transformers[one.question])
            for fact in facts
            for one in answers.asked
            if one.fact == fact.fact
        )
        print(
            f"{name}: base {answers.right_before}, trained {answers.right_after} of {len(answers.asked)} facts; "
            f"as transformers: word for word {alike}, in being right {judged_alike}"
        )


def _answers_of_transformers(adapter: Path) -> dict[str, str]:
    from peft import PeftModel

    source = locate_base(str(base_file()))
    with gguf_read_once():
        tokenizer, model = load_tokenizer(source), load_model(source, torch.float32, torch.device("cpu"))
    renderer = Renderer(tokenizer, 512)
    tuned = PeftModel.from_pretrained(model, str(adapter)).eval()
    said = {}
    for fact in packaged_facts():
        for question in fact.held_out:
            messages = [{"role": "system", "content": SYSTEM_PROMPT}, {"role": "user", "content": question}]
            ids = torch.tensor([renderer.tokens(renderer.text(messages, generation_prompt=True))])
            with torch.inference_mode():
                out = tuned.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=MAX_TOKENS,
                    do_sample=False,
                    eos_token_id=tokenizer.eos_token_id,
                    pad_token_id=tokenizer.eos_token_id,
                )
            said[question] = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()
    return said


def _divergences(made: Path, files: Mapping[str, Path]) -> None:
    source = locate_base(str(base_file()))
    with gguf_read_once():
        tokenizer = load_tokenizer(source)
    prompts = [list(map(int, tokenizer(text)["input_ids"])) for text in BEGINNINGS]
    place = Place(torch.device("cpu"), "fp32")
    reference = trained_log_probabilities(source, made / ADAPTER, prompts, place, lambda: None)
    for name, file in files.items():
        with LlamaCpp(file, threads=1) as served:
            found = divergence(reference, [served.next_tokens(ids) for ids in prompts])
        print(
            f"{name}: divergence {found.mean:.5f} nats, same first token {found.same_first} of {found.prompts}"
        )


if __name__ == "__main__":
    main()
