"""What the next run of a pipeline would take, told before anything is cut: examples, tokens, epochs, money.

From what waits and from the last export, so that it costs the backlog and not the history. An estimate: near-duplicates
and shares are found at the export, and the provider's own count decides the bill. Reads only; `cutting` cuts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ftworker.curation.tokens import ESTIMATE, TOKENS_PER_MESSAGE
from ftworker.datasets.estimate import TrainingEstimate, estimate_training
from ftworker.runs.budget import why_wait
from ftworker.settings import LocalSettings, OpenAISettings, PipelineSettings, Settings
from ftworker.store import datasets, examples, runs
from ftworker.store.connection import Cursor, Store
from ftworker.tokenizers import counter_for
from ftworker.training.presets import COMMAND_EPOCHS, auto_epochs


@dataclass(frozen=True)
class Forecast:
    """The next run of a pipeline, if it began now."""

    pipeline: str
    provider: str
    base_model: str
    new_examples: int
    """Waiting examples that the dataset would be the first to hold, validation and golden ones included."""
    train_examples: int
    """About how many the model would learn from, older ones included where the strategy takes them along."""
    train_tokens: int
    counted_by: tuple[str, ...]
    """The tokenizers of the waiting examples; `estimate`: not counted."""
    training: TrainingEstimate
    trains_weights: bool
    """False: the provider makes a model of prompt and chosen examples, and no epoch is run."""
    approval: str | None
    """Why the run would wait for a person; None: it would not."""

    @property
    def is_estimated(self) -> bool:
        """Whether tokens of waiting examples are estimated from their characters."""
        return ESTIMATE in self.counted_by


def forecast(store: Store, settings: Settings, name: str) -> Forecast:
    """What a run of the pipeline begun now would take. Raises NotFound, and ConfigurationError for its tokenizer."""
    pipeline = settings.pipeline(name)
    with store.transaction() as cursor:
        waiting = examples.backlogs(cursor, [name])[name]
        new = min(waiting.examples, pipeline.trigger.max_examples or waiting.examples)
        whole = datasets.newest_whole(cursor, name)
        if waiting.examples:
            mean = waiting.tokens / waiting.examples + _prompt_tokens(settings, name, pipeline)
        else:
            mean = whole.tokens / max(whole.rows, 1) if whole else 0.0
        rows = new * _train_share(pipeline)
        tokens = rows * mean
        old_rows, old_tokens = _older(cursor, name, pipeline, whole, mean)
        counted_by = examples.waiting_tokenizers(cursor, name)
        provider = settings.provider(pipeline.provider)
        prices = provider.price_per_million_tokens if isinstance(provider, OpenAISettings) else {}
        training = estimate_training(
            round(rows + old_rows),
            round(tokens + old_tokens),
            n_epochs=_epochs(provider, pipeline, round(rows + old_rows)),
            model=pipeline.base_model,
            price_per_million_tokens=prices,
        )
        approval = why_wait(
            settings,
            name,
            pipeline.provider,
            pipeline.base_model,
            training.usd,
            spent_usd=lambda: runs.spent_this_month(cursor, name),
        )
    return Forecast(
        pipeline=name,
        provider=pipeline.provider,
        base_model=pipeline.base_model,
        new_examples=new,
        train_examples=round(rows + old_rows),
        train_tokens=round(tokens + old_tokens),
        counted_by=counted_by,
        training=training,
        trains_weights=isinstance(provider, OpenAISettings) or provider.trainer != "none",
        approval=approval,
    )


def _epochs(
    provider: OpenAISettings | LocalSettings, pipeline: PipelineSettings, rows: int
) -> int | Literal["auto"]:
    """As configured; of `auto` what a training here makes of it, which is another number than OpenAI's."""
    if pipeline.training.n_epochs != "auto" or isinstance(provider, OpenAISettings):
        return pipeline.training.n_epochs
    return auto_epochs(rows) if provider.trainer == "peft" else COMMAND_EPOCHS


def _train_share(pipeline: PipelineSettings) -> float:
    split = pipeline.split
    return (1 - split.golden_share) * (1 - split.validation_share)


def _prompt_tokens(settings: Settings, name: str, pipeline: PipelineSettings) -> int:
    """The system prompt's, which stands in every row of a chat format."""
    if not pipeline.system_prompt or settings.dataset_format(name).startswith("instruction"):
        return 0
    return counter_for(settings, name).count(pipeline.system_prompt) + TOKENS_PER_MESSAGE


def _older(
    cursor: Cursor, name: str, pipeline: PipelineSettings, whole: datasets.TrainFile | None, mean: float
) -> tuple[float, float]:
    """Rows and tokens to train on that earlier datasets held; `mean` tokens a row where no export says more."""
    if pipeline.strategy == "new":
        return 0.0, 0.0
    if pipeline.strategy == "replay":
        rows = pipeline.replay_share * datasets.cut_after(cursor, name, 0) * _train_share(pipeline)
        return rows, rows * mean
    since = datasets.cut_after(cursor, name, whole.sequence if whole else 0) * _train_share(pipeline)
    if whole is None:
        return since, since * mean
    # Real sizes, after near-duplicates and shares.
    return whole.rows + since, whole.tokens + since * mean
