"""Settings of a model on one's own machine: who trains it, how, what must hold before it serves, and Ollama."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from ftworker.settings.fields import PositiveSeconds, Section, Share


class CommandSettings(Section):
    """A program of your own that trains: axolotl, unsloth, llama-factory, a Slurm or Kubernetes job. docs/LOCAL.md."""

    program: tuple[str, ...] = ()
    """The program and its arguments, no shell. `{config}`, `{train}`, `{base}`, `{output}` and more names are filled
    in: docs/LOCAL.md has them all, and what the program leaves."""
    template: Path | None = None
    """A file in which the same names are filled in (`${train}`...), written to `{config}` for the program. Examples are
    in config/trainers."""
    environment: dict[str, str] = {}
    """Variables for the program, beside those of the worker that `pass_environment` names. No place for secrets."""
    pass_environment: tuple[str, ...] = (
        "PATH",
        "HOME",
        "LANG",
        "CUDA_VISIBLE_DEVICES",
        "HF_HOME",
        "HF_HUB_OFFLINE",
    )
    """Variables of the worker that the program sees; every other one is kept from it (keys, database URLs)."""
    timeout_seconds: PositiveSeconds = 172_800.0
    """Longest that the program may take; after it the training fails with `command_timeout`."""
    retry_exit_codes: tuple[Annotated[int, Field(ge=1, le=255)], ...] = (75,)
    """Exit statuses after which the program is started again (75 is EX_TEMPFAIL); any other but 0 fails the run."""


class GateSettings(Section):
    """What must hold before a trained model is registered. A gate that does not pass ends the run as failed."""

    template_parity: bool = True
    """What is served must render a conversation to the very tokens it was trained on."""
    max_divergence: Annotated[float, Field(gt=0)] | Literal["off"] = 0.05
    """Largest mean KL divergence, in nats, of next-token distributions between the served file and the trained model,
    on prompts that the training did not touch. Sound conversions measured 0.0004 (F16) to 0.012 (Q8_0), a broken one
    0.27. `off`: not compared."""
    validation_loss: bool = True
    """The held-out loss must be lower than the base's. Without validation rows there is nothing to compare."""


class TrainerSettings(Section):
    """How a LoRA is trained on this machine. `auto` is chosen from the base's size and the data: docs/LOCAL.md."""

    base: str | None = None
    """What is trained: a directory, a GGUF file, or a hub name. None: the pipeline's `base_model`."""
    base_gguf: Path | None = None
    """The base as GGUF, F16 or better, for the file that is served. None: the base itself, when it is a GGUF."""
    quantization: Literal["F16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M"] = "Q8_0"
    """Of the file that is served. Those with K need llama.cpp's `llama-quantize` on the PATH."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where it trains; `auto` takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the arithmetic. `auto`: bf16 where the GPU or the CPU has instructions for it (half the time of fp32), else
    fp16 on a GPU and fp32 on a CPU. The LoRA's own weights are fp32 always."""
    processes: Annotated[int, Field(ge=1, le=64)] | Literal["auto"] = "auto"
    """Processes of one training, one a GPU; `auto`: one for each GPU that is seen, 1 on a CPU."""
    rank: Annotated[int, Field(ge=1, le=512)] | Literal["auto"] = "auto"
    """Rank of the LoRA; `auto`: 16, or 32 from 5,000 examples on."""
    alpha: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    """Scale of the LoRA's part; `auto`: twice the rank."""
    dropout: Share = 0.0
    """Dropout of the LoRA's input. 0 trains fastest; 0.05 helps with fewer than some hundred examples."""
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = "auto"
    """Largest rate; `auto`: 1e-3 for bases below 0.5 billion parameters, 2e-4 up to 13 billion, 1e-4 above."""
    learning_rate_schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the rate falls to 0 after the warm-up; `constant` keeps it."""
    warmup_share: Share = 0.05
    """Share of all steps in which the rate rises from 0: the first steps of a fresh LoRA must be small."""
    max_length_tokens: Annotated[int, Field(ge=16)] | Literal["auto"] = "auto"
    """Longest example. `auto`: the longest there is, at most 2048 and the base's context. A longer one loses its oldest
    earlier turns, never its answer; one whose answer alone does not fit is left out and counted."""
    micro_batch: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Examples in memory at once; gradients add up to `batch_size`. Lower it when memory runs out."""
    packing: bool = True
    """Several examples in one row, never seeing each other, where the model's attention allows it."""
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    """Less memory for a third more time; `auto`: on from 1 billion parameters on."""
    early_stop_patience: Annotated[int, Field(ge=1)] | Literal["off"] = 3
    """Looks at the held-out loss without a new best after which training ends; `off`: never. The best is kept."""
    checkpoint_interval_seconds: PositiveSeconds = 300.0
    """What a kill costs at most. A checkpoint holds the LoRA and its optimizer: tens of megabytes."""
    concurrent: Annotated[int, Field(ge=1, le=16)] = 1
    """Trainings at once on one machine. Two on one device slow each other several times over."""
    max_crashes: Annotated[int, Field(ge=1)] = 3
    """Ends without a word (killed, out of memory by the system) in a row after which the run fails."""


class LocalSettings(Section):
    """A model on your own machine, served by Ollama."""

    kind: Literal["local"] = "local"
    """The kind of provider."""
    trainer: Literal["none", "peft", "command"] = "none"
    """`none`: no weights are trained; the model is the base with the system prompt and chosen examples. `peft`: a LoRA,
    trained here (`pip install "ftworker[train]"`). `command`: a program of yours trains."""
    training: TrainerSettings = TrainerSettings()
    command: CommandSettings = CommandSettings()
    gates: GateSettings = GateSettings()
    ollama_host: Annotated[str, Field(repr=False)] = "http://127.0.0.1:11434"
    """Where Ollama answers. `OLLAMA_HOST` in the environment wins."""
    ollama_artefact: Literal["merged", "adapter"] = "merged"
    """What a trained model is registered as: the merged GGUF, or base and adapter, which Ollama takes up to 0.33."""
    pull_base: bool = False
    """True lets Ollama fetch a missing base model from its registry."""
    template_file: Path | None = None
    """A Go TEMPLATE of your own for trained models, where the base's chat template is none that can be read off."""
    model_name: str | None = None
    """Name in Ollama; the pipeline's own when not set. A run makes `<name>:<run_key>`; promotion moves `latest`."""
    messages_max_examples: Annotated[int, Field(ge=0, le=100)] = 8
    """Examples written as MESSAGE lines of the Modelfile, with `trainer = "none"`."""
    messages_max_tokens: Annotated[int, Field(ge=0)] = 2_000
    """Room in the context that those examples may take."""
    parameters: dict[str, int | float | str | bool | tuple[str, ...]] = {"num_ctx": 8192, "temperature": 0.3}
    """PARAMETER lines of the Modelfile."""
    keep_tags: Annotated[int, Field(ge=1)] = 3
    """Older tags of the model that stay for a rollback."""
    request_timeout_seconds: PositiveSeconds = 30.0
    """Longest wait for an answer from Ollama."""
    create_timeout_seconds: PositiveSeconds = 3_600.0
    """Longest that `ollama create` may take."""
    poll_interval_seconds: PositiveSeconds = 5.0
    """Between two looks at a model being made."""
