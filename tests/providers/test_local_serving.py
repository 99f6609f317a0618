"""The files of a training serve alike wherever they are served: llama-server with either form, Ollama of either age."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ollama
import openai
import pytest

from ftworker.providers.contract import JobSucceeded
from ftworker.training.gguf.adapting import write_adapter
from ftworker.training.gguf.architectures import base_of_gguf
from ftworker.training.gguf.header import read_header
from ftworker.training.gguf.lora import read_lora
from ftworker.training.gguf.merging import write_merged
from ftworker.training.gguf.tensor_types import TensorType
from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.ollama_api.llama_cpp import Opened
from tests.doubles.tiny_gguf import write_tiny_gguf
from tests.doubles.tiny_lora import write_tiny_lora
from tests.providers.local_runs import RUN_KEY, SYSTEM_PROMPT, TAG
from tests.providers.openai_runs import Journal
from tests.providers.trained_runs import (
    BASE,
    digest,
    folder_of,
    leave_artefacts,
    through,
    trained_run,
    trainer_at,
)

CONVERSATION = [
    {"role": "system", "content": SYSTEM_PROMPT},
    {"role": "user", "content": "¿Qué fue la Hansa?"},
]
TOKENS = 6


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.gguf, and a LoRA for it that is converted: merged.gguf and adapter.gguf."""
    folder = tmp_path_factory.mktemp("made")
    header = read_header(write_tiny_gguf(folder / "base.gguf"))
    lora = read_lora(write_tiny_lora(folder / "adapter"), base_of_gguf(header))
    write_adapter(folder / "adapter.gguf", lora, name="tiny", told=lambda: None)
    write_merged(folder / "merged.gguf", header, lora, TensorType.F16, name="tiny", told=lambda: None)
    return folder


@contextmanager
def llama_server(model: Path, *adapters: Path) -> Iterator[openai.OpenAI]:
    """`llama-server -m MODEL [--lora ADAPTER] --jinja`, and OpenAI's own client for it."""
    opened = Opened(model.read_bytes(), tuple(adapter.read_bytes() for adapter in adapters))
    try:
        with openai.OpenAI(base_url=f"{opened.address}/v1", api_key="none") as client:
            yield client
    finally:
        opened.close()


def answer_of(client: openai.OpenAI) -> str:
    told = client.chat.completions.create(
        model="tutor",
        messages=CONVERSATION,  # type: ignore[arg-type]
        temperature=0.0,
        max_completion_tokens=TOKENS,
    )
    return whole(told.choices[0].message.content)


def whole(text: str | None) -> str:
    """Without the half character with which an answer of so many tokens may end; servers show it or not."""
    return (text or "").rstrip("\ufffd")


def test_llama_server_answers_alike_with_the_merged_file_and_with_base_and_adapter(made: Path) -> None:
    with llama_server(made / "merged.gguf") as client:
        merged = answer_of(client)
    with llama_server(made / "base.gguf", made / "adapter.gguf") as client:
        adapted = answer_of(client)
    with llama_server(made / "base.gguf") as client:
        untrained = answer_of(client)
    assert merged == adapted
    assert merged.strip()
    assert merged != untrained


@pytest.mark.parametrize(
    "version,artefact", [("0.34.1", "merged"), ("0.33.2", "merged"), ("0.33.2", "adapter")]
)
def test_ollama_answers_as_llama_server_does(
    made: Path, tmp_path: Path, journal: Journal, version: str, artefact: str
) -> None:
    with llama_server(made / "merged.gguf") as client:
        expected = answer_of(client)
    run = trained_run(f"file://{tmp_path}")
    leave_artefacts(
        run,
        merged_content=(made / "merged.gguf").read_bytes(),
        adapter_content=(made / "adapter.gguf").read_bytes(),
    )
    with OllamaDouble(version, models=()) as double:
        client_of_ollama = ollama.Client(host=double.url, trust_env=False)
        base = (made / "base.gguf").read_bytes()
        double.put_blob(f"sha256:{digest(base)}", base)
        client_of_ollama.create(model=BASE, files={"base.gguf": f"sha256:{digest(base)}"})
        provider = trainer_at(double.url, through(RUN_KEY), ollama_artefact=artefact)
        assert isinstance(provider.poll(run, journal), JobSucceeded)
        told = client_of_ollama.chat(
            TAG, messages=CONVERSATION, options={"temperature": 0, "num_predict": TOKENS}
        )
        assert whole(told.message.content) == expected
        # What the model's own SYSTEM adds is what the pipeline's prompt was in training.
        alone = client_of_ollama.chat(
            TAG, messages=CONVERSATION[1:], options={"temperature": 0, "num_predict": TOKENS}
        )
        assert whole(alone.message.content) == expected
    assert (folder_of(run) / "Modelfile").is_file()
