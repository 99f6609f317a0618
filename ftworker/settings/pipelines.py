"""Settings of a pipeline: which conversations train which model, when, and for how much."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ftworker.settings.data import CurationSettings, SelectionSettings, SplitSettings
from ftworker.settings.fields import CRON_EXPECTED, CRON_LINE, Name, PositiveSeconds, Seconds, Section, Share

DEFAULT_SYSTEM_PROMPT = (
    "Eres un asistente útil que responde preguntas basadas en la información proporcionada."
)
"""The system prompt of the RAG's documentation. Training and serving must use the same bytes."""


class TriggerSettings(Section):
    """When a pipeline begins a run. `ftworker triggers` says how far each is, and why it did or did not fire."""

    min_examples: Annotated[int, Field(ge=1)] | None = 500
    """Usable examples (after curation) that are waiting."""
    min_tokens: Annotated[int, Field(ge=1)] | None = None
    """Tokens in waiting examples."""
    combine: Literal["all", "any"] = "all"
    """Whether `min_examples` and `min_tokens` must both hold, or one is enough."""
    max_wait_seconds: PositiveSeconds | None = None
    """Fire when the oldest example has waited so long, even below the thresholds..."""
    max_wait_floor: Annotated[int, Field(ge=1)] = 50
    """...but only with at least this many examples."""
    schedule: str | None = None
    """A cron line in UTC ("0 3 * * sun"): fire at that time when at least `max_wait_floor` examples wait."""
    cooldown_seconds: Seconds = 3_600.0
    """Least time between two cuts by trigger. A run by hand does not wait for it."""
    max_examples: Annotated[int, Field(ge=1)] | None = None
    """At most so many new examples in one dataset; the rest waits for the next."""

    @field_validator("schedule")
    @classmethod
    def _cron_line(cls, value: str | None) -> str | None:
        if value is not None:
            from croniter import CroniterError, croniter

            try:
                # Also that there is such a time: "0 0 31 2 *" is well written and never comes.
                croniter(value, 0.0).get_next(float)
            except CroniterError:
                raise ValueError(CRON_EXPECTED) from None
            if not CRON_LINE.fullmatch(value):
                raise ValueError(CRON_EXPECTED)
        return value


class TrainingSettings(Section):
    """What is asked of the trainer. Frozen into the run when it begins."""

    type: Literal["supervised", "dpo"] = "supervised"
    """Method: supervised fine-tuning, or direct preference optimisation (`curation.unit = "preference"`)."""
    beta: Annotated[float, Field(gt=0, le=2)] | Literal["auto"] = "auto"
    """`dpo` only: how closely the new model keeps to the old one; higher is closer."""
    n_epochs: Annotated[int, Field(ge=1, le=50)] | Literal["auto"] = 3
    """3 is the usual target; `auto` lets the provider choose, which can be many on tiny sets."""
    batch_size: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = "auto"
    """Examples in one step; `auto` lets the provider choose."""
    learning_rate_multiplier: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Scale of the provider's own rate; `auto` lets it choose."""
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] | None = 42
    """Makes a training repeatable as far as the provider can."""
    suffix: Annotated[str, Field(max_length=18, pattern=r"^[a-zA-Z0-9-]*$")] = ""
    """Shows in the name of the tuned model, before the run's key."""


class BudgetSettings(Section):
    """What may be spent. Checked before anything is uploaded: tokens x epochs x price."""

    max_usd_per_run: Annotated[float, Field(ge=0)] | None = None
    """A run estimated above waits for approval. None: no cap."""
    max_usd_per_month: Annotated[float, Field(ge=0)] | None = None
    """A run that would take the month's estimates above waits for approval. None: no cap."""
    approval: Literal["auto", "manual"] = "auto"
    """`manual`: every run waits for `ftworker runs approve`. Over a cap a run always waits."""


class PipelineSettings(Section):
    """Which conversations train which model, when, and for how much."""

    source: str = "*"
    """Name of the source whose conversations feed it; `*` for all."""
    tenant: str = "*"
    """Only conversations of this tenant; `*` for all."""
    course: str = "*"
    """Only conversations of this course; `*` for all."""
    provider: Name = "local"
    """Name of the provider that trains."""
    base_model: str = "llama3.2:3b"
    """The provider's name of the model to start from; for a local trainer its name in Ollama, a path, or a hub name."""
    strategy: Literal["all", "new", "replay"] = "all"
    """`all`: everything kept so far. `new`: what no dataset holds yet. `replay`: new plus a stable sample of old."""
    replay_share: Share = 0.2
    """Share of old examples in a `replay` dataset."""
    format: Literal[
        "auto",
        "openai-chat",
        "openai-preference",
        "prompt-completion",
        "preference",
        "instruction-json",
        "instruction-jsonl",
    ] = "auto"
    """`auto`: openai-chat; instruction-json where a local provider trains nothing; openai-preference for pairs."""
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    """Stands in every example. Must be the very bytes that serving uses."""
    system_prompt_version: str = "1"
    """Yours to count up when the prompt changes; stands in the manifest beside the prompt's hash."""
    trigger: TriggerSettings = TriggerSettings()
    curation: CurationSettings = CurationSettings()
    selection: SelectionSettings = SelectionSettings()
    split: SplitSettings = SplitSettings()
    training: TrainingSettings = TrainingSettings()
    budget: BudgetSettings = BudgetSettings()
    promote: Literal["auto", "manual"] = "manual"
    """`auto`: a trained model becomes the pipeline's own at once. `manual`: `ftworker runs promote`."""
