"""What a run would cost, and whether a person must agree first. Pure; `steps` asks before anything is uploaded."""

from __future__ import annotations

from collections.abc import Callable

from ftworker.datasets.estimate import estimate_training
from ftworker.providers.contract import ExportedDataset
from ftworker.settings import OpenAISettings, Settings
from ftworker.store.runs import RunRow


def estimate_usd(settings: Settings, run: RunRow, dataset: ExportedDataset) -> float | None:
    """Tokens x epochs x price; None where nothing is paid or no price is known."""
    provider = settings.provider(run.provider)
    if not isinstance(provider, OpenAISettings):
        return None
    return estimate_training(
        dataset.train.rows,
        dataset.train.tokens,
        n_epochs=run.method.get("n_epochs", "auto"),
        model=run.base_model,
        price_per_million_tokens=provider.price_per_million_tokens,
    ).usd


def why_approval(
    settings: Settings, run: RunRow, estimate: float | None, spent_usd: Callable[[], float]
) -> str | None:
    """Why the run waits for a person; None when it may go on. `spent_usd` says what this month has cost so far."""
    if run.approved_at is not None:
        return None
    return why_wait(settings, run.pipeline, run.provider, run.base_model, estimate, spent_usd=spent_usd)


def why_wait(
    settings: Settings,
    pipeline: str,
    provider: str,
    base_model: str,
    estimate: float | None,
    *,
    spent_usd: Callable[[], float],
) -> str | None:
    """The same for a run that nobody has approved, begun or not."""
    budget = settings.pipeline(pipeline).budget
    if budget.approval == "manual":
        return "waits for approval: budget.approval is manual"
    capped = budget.max_usd_per_run is not None or budget.max_usd_per_month is not None
    if capped and estimate is None and isinstance(settings.provider(provider), OpenAISettings):
        return f"waits for approval: no price is known for {base_model}, so the budget cannot be checked"
    if estimate is None:
        return None
    if budget.max_usd_per_run is not None and estimate > budget.max_usd_per_run:
        return f"waits for approval: {estimate:.2f} USD is over the {budget.max_usd_per_run:.2f} USD of a run"
    if budget.max_usd_per_month is not None and (spent := spent_usd()) + estimate > budget.max_usd_per_month:
        return (
            f"waits for approval: {estimate:.2f} USD after {spent:.2f} USD this month is over "
            f"the {budget.max_usd_per_month:.2f} USD of a month"
        )
    return None
