"""From a provider's name in the configuration to the provider. The only place that knows all kinds.

A provider's module is imported when the provider is first made, in the process that uses it: `openai` costs 1.5 s
and 49 MiB, which no other process should pay.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from ftworker.clock import Clock, utc_now
from ftworker.providers.contract import Provider
from ftworker.settings import LocalSettings, OpenAISettings, Settings
from ftworker.training.desk import TrainingDesk


def make_provider(
    settings: Settings, name: str, *, desk: TrainingDesk | None = None, clock: Clock = utc_now
) -> Provider:
    """Make the provider that the configuration calls `name`. Raises NotFound.

    `desk` is where one that trains on this machine hands its trainings in; `clock` tells how old a file there is.
    """
    provider = settings.provider(name)
    models = sorted({p.base_model for p in settings.pipelines.values() if p.provider == name})
    match provider:
        case OpenAISettings():
            from ftworker.providers.openai import OpenAIProvider

            return OpenAIProvider(name, provider, base_models=models, clock=clock)
        case LocalSettings():
            from ftworker.providers.local import LocalProvider

            return LocalProvider(name, provider, base_models=models, desk=desk)
        case _:
            assert_never(provider)


def provider_factory(
    settings: Settings, desk: TrainingDesk | None = None, *, clock: Clock = utc_now
) -> Callable[[str], Provider]:
    """Name to provider, each made once and kept for the life of the process."""
    made: dict[str, Provider] = {}

    def provide(name: str) -> Provider:
        if name not in made:
            made[name] = make_provider(settings, name, desk=desk, clock=clock)
        return made[name]

    return provide


def warm_up(settings: Settings) -> None:
    """Import what the pipelines' providers need, ahead of their first call: the OpenAI package takes 1.5 s."""
    if any(isinstance(settings.providers[p.provider], OpenAISettings) for p in settings.pipelines.values()):
        from ftworker.providers.openai_client import load_sdk

        load_sdk()
