"""FineTuningManager and run_fine_tuning, as the RAG's documentation promises them, over ftworker.

The same code as the worker's, run synchronously in this process: no broker, no worker. The conversations are found
in the RAG's own database, whose tables are recognised by their shape; ftworker keeps its state in a schema of its
own, `ftworker`, in the same database (or where FTWORKER_DATABASE_URL says).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr

from ftworker.errors import FtworkerError, PermanentError
from ftworker.once import OnceResult, run_once
from ftworker.runs.driver import Tell
from ftworker.settings import (
    LocalSettings,
    OpenAISettings,
    PipelineSettings,
    Settings,
    config_path,
    load_settings,
    rag_database_url,
)

logger = logging.getLogger(__name__)

DEFAULT_OUTPUT_DIR = "datos_fine_tuning"
DEFAULT_OPENAI_MODEL = "gpt-4.1-mini-2025-04-14"
"""Trainable at OpenAI until 2027-01-06, when it closes fine-tuning; other services name their own models."""


@dataclass(frozen=True)
class FineTuningResult:
    """What a fine-tuning came to. True when it succeeded (for OpenAI: when the job was created).

    `instructions` holds, for the local provider, the exact commands for Ollama.
    """

    success: bool
    message: str
    run_id: int | None = None
    state: str | None = None
    job_id: str | None = None
    model: str | None = None
    dataset: str | None = None
    instructions: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.success

    def __str__(self) -> str:
        return "\n\n".join(part for part in (self.message, self.instructions) if part)


class FineTuningManager:
    """Extracts the conversations, prepares the data, and fine-tunes at OpenAI (or a service that speaks its API) or
    locally for Ollama.

    `db_connection`: URL of the RAG's PostgreSQL. `output_dir`: where datasets and artefacts are written. A
    configuration in config/ftworker.toml, when there is one, gives everything else.
    """

    def __init__(
        self,
        db_connection: str | None = None,
        provider: Literal["openai", "local"] = "openai",
        openai_api_key: str | None = None,
        openai_model: str | None = None,
        output_dir: str | Path = DEFAULT_OUTPUT_DIR,
    ) -> None:
        if provider not in ("openai", "local"):
            raise ValueError(f"provider = {provider!r}: expected 'openai' or 'local'")
        self.db_connection = db_connection
        self.provider = provider
        self.openai_model = openai_model
        self.output_dir = Path(output_dir)
        self._openai_api_key = openai_api_key

    def __repr__(self) -> str:
        return f"FineTuningManager(provider={self.provider!r}, output_dir={str(self.output_dir)!r})"

    def run_fine_tuning(self, *, wait: bool = False, tell: Tell | None = None) -> FineTuningResult:
        """Do the whole process and return a result that is true on success.

        With OpenAI it returns when the job is created; `wait=True` stays until the model is trained. A later call
        goes on with the run that is in flight, does again what failed before it cost anything or what no Ollama served,
        and begins another only when there are new conversations. Expected trouble (no connection, no data, a refused
        key) is a false result whose message says what to do. A provider that is away is tried again for as long as it
        is: `tell` hears of that, and of every state, a line at a time.
        """
        try:
            connection = self._connection()
            settings, name = self._settings(connection)
            done = run_once(settings, name, connection, wait=wait or self.provider == "local", tell=tell)
            result = self._result(done)
        except FtworkerError as error:
            result = FineTuningResult(False, f"Error en el fine-tuning: {error}")
        if not result:
            # The documentation's own program prints only that something went wrong: the reason is here.
            logger.error("%s", result.message)
        return result

    def _connection(self) -> str:
        connection = self.db_connection or rag_database_url()
        if connection is None:
            raise PermanentError(
                "no database is named: give db_connection= (or --db-connection), or set RAG_DATABASE_URL to "
                "postgresql://user:password@host:5432/name"
            )
        return connection

    def _settings(self, connection: str) -> tuple[Settings, str]:
        """The settings for this call, and the name of the pipeline in them."""
        configured = load_settings()
        pipelines = dict(configured.pipelines) if config_path() is not None else {}
        # Both providers' pipelines take in every conversation now, so that a later call with the other one finds it.
        for provider, model in (("local", PipelineSettings().base_model), ("openai", DEFAULT_OPENAI_MODEL)):
            pipelines.setdefault(f"rag-{provider}", PipelineSettings(provider=provider, base_model=model))
        name = next(n for n, p in pipelines.items() if self._is_mine(configured, p))
        pipeline = pipelines[name]
        if self.openai_model and self.provider == "openai":
            pipeline = pipeline.model_copy(update={"base_model": self.openai_model})
        pipelines[name] = pipeline
        providers = dict(configured.providers)
        chosen = providers[pipeline.provider]
        if self._openai_api_key and isinstance(chosen, OpenAISettings):
            providers[pipeline.provider] = chosen.with_api_key(self._openai_api_key)
        update: dict[str, Any] = {
            "providers": providers,
            "pipelines": pipelines,
            "storage_url": f"file://{self.output_dir.absolute()}",
        }
        if configured.database_url is None:
            update["database_url"] = SecretStr(connection)
        return configured.model_copy(update=update), name

    def _is_mine(self, settings: Settings, pipeline: PipelineSettings) -> bool:
        provider = settings.provider(pipeline.provider)
        return isinstance(provider, OpenAISettings if self.provider == "openai" else LocalSettings)

    def _result(self, done: OnceResult) -> FineTuningResult:
        run = done.run
        message = _MESSAGES.get(run.state.value, "El fine-tuning está en el estado «{state}».").format(
            state=run.state.value, job=run.job_id, model=run.model, error=run.error_message
        )
        if not done.new_examples:
            message = f"No hay conversaciones nuevas desde el último dataset. {message}"
        return FineTuningResult(
            success=done.succeeded,
            message=message,
            run_id=run.id,
            state=run.state.value,
            job_id=run.job_id,
            model=run.model,
            dataset=done.dataset_url,
            instructions=str(run.detail.get("instrucciones") or run.detail.get("instructions") or ""),
            detail=dict(run.detail),
        )


_MESSAGES = {
    "submitted": "Fine-tuning iniciado: trabajo {job}.",
    "trained": "Fine-tuning terminado: modelo {model}.",
    "promoted": "Fine-tuning terminado y modelo {model} en servicio.",
    "packaged": "Datos y Modelfile preparados para el modelo {model}; Ollama no responde en esta máquina.",
    "failed": "Error en el fine-tuning: {error}",
    "parked": "No se sabe si el trabajo existe; hay que mirarlo: {error}",
    "awaiting_approval": "El fine-tuning espera aprobación por su coste: ftworker runs approve.",
    "cancelled": "El fine-tuning fue cancelado.",
}


def run_fine_tuning(
    provider: Literal["openai", "local"] = "local",
    db_connection: str | None = None,
    openai_api_key: str | None = None,
    openai_model: str | None = None,
    output_dir: str | Path = DEFAULT_OUTPUT_DIR,
    *,
    wait: bool = False,
    tell: Tell | None = None,
) -> FineTuningResult:
    """The whole process in one call, for the command line. See FineTuningManager."""
    manager = FineTuningManager(
        db_connection=db_connection,
        provider=provider,
        openai_api_key=openai_api_key,
        openai_model=openai_model,
        output_dir=output_dir,
    )
    return manager.run_fine_tuning(wait=wait, tell=tell)
