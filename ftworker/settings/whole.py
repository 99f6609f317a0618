"""The whole configuration of one installation, and its sections that belong to no source, provider or pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr

from ftworker.errors import NotFound
from ftworker.settings.data import PrivacySettings
from ftworker.settings.fields import Name, PositiveSeconds, Seconds, Section
from ftworker.settings.local import LocalSettings
from ftworker.settings.pipelines import PipelineSettings
from ftworker.settings.providers import OpenAISettings, ProviderSettings
from ftworker.settings.sources import SourceSettings


class IngestSettings(Section):
    """How events come in (`ftworker ingest`)."""

    exchange: str = "rag.events"
    """RabbitMQ topic exchange that the RAG publishes to."""
    routing_key: str = "conversation.closed.v1"
    """Key that the RAG publishes with; the queue is bound by it."""
    queue: str = "ftworker.conversation-closed"
    """Our quorum queue, bound to the exchange; its dead letters go to `<queue>.dead`."""
    stream: str = "ftworker:events"
    """Valkey/Redis stream that the RAG XADDs to, field `event`."""
    group: str = "ftworker"
    """Consumer group on the stream."""
    batch_size: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Events in one INSERT and one COMMIT. 500 measured best on two cores; more only adds latency."""
    linger_seconds: PositiveSeconds = 0.2
    """Longest wait for a batch to fill before it is written anyway."""
    max_message_bytes: Annotated[int, Field(ge=1024)] = 4_194_304
    """A larger message is parked instead of accumulated. 4 MiB holds a conversation of about 700 pages."""
    delivery_limit: Annotated[int, Field(ge=1)] = 20
    """Deliveries after which RabbitMQ sends a message to the dead-letter queue (`x-delivery-limit`)."""
    claim_idle_seconds: PositiveSeconds = 60.0
    """Stream entries that another consumer took and did not acknowledge for so long are taken over (XAUTOCLAIM)."""


class NetworkSettings(Section):
    """How long a server is waited for that neither answers nor hangs up: docs/RELIABILITY.md."""

    answer_seconds: Annotated[float, Field(ge=1)] = 20.0
    """Longest wait for an answer of RabbitMQ or Valkey; also the interval of RabbitMQ's heartbeats."""
    statement_seconds: Annotated[float, Field(ge=1)] = 600.0
    """Longest wait for PostgreSQL's answer to one statement, and longest that a transaction may ask it nothing."""


class WebSettings(Section):
    """The process that serves /metrics, /healthz and the pages."""

    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 lets others look; the pages hold no conversation and ask for no login."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464
    """Port to listen on; 0 takes a free one."""
    names: tuple[str, ...] = ()
    """Names that a proxy asks for, while it listens on this machine alone. Addresses and localhost always may."""
    cache_seconds: Seconds = 5.0
    """A scrape within this time of the last answers from memory, so that many scrapers cost one query."""


class WorkerSettings(Section):
    """How the Celery workers and beat behave."""

    accumulate_batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Inbox rows that one transaction turns into examples."""
    sweep_interval_seconds: PositiveSeconds = 5.0
    """Beat's tick: whatever a lost message or a dead worker left waits at most this long plus its own due time."""
    idle_sweep_interval_seconds: PositiveSeconds = 60.0
    """How often stores that emit no events are looked at."""
    step_lease_seconds: PositiveSeconds = 120.0
    """A step that has not renewed its claim for so long is taken for dead and done again by another worker."""
    revive_after_seconds: PositiveSeconds = 15.0
    """A message for a step that is due and untouched for so long is taken for lost and sent again."""
    retry_base_seconds: PositiveSeconds = 10.0
    """First wait after a passing failure; doubled each time up to `retry_max_seconds`, with jitter."""
    retry_max_seconds: PositiveSeconds = 900.0
    """Longest wait between two tries."""
    reconcile_interval_seconds: PositiveSeconds = 30.0
    """Between two looks for a job whose creation has an unknown outcome."""
    reconcile_grace_seconds: PositiveSeconds = 600.0
    """How long to look before the run is parked for a person. Listings of providers may lag by minutes."""
    stalled_after_seconds: PositiveSeconds = 21_600.0
    """A job whose provider reports no change for so long raises an alert in the journal and in metrics."""
    retention_days: Annotated[int, Field(ge=1)] = 30
    """Accumulated events are erased from the inbox after this many days; examples of datasets stay."""


class Settings(Section):
    """The whole configuration of one installation."""

    home: Path = Path(".ftworker")
    """Where embedded servers and, by default, datasets live."""
    database_url: SecretStr | None = None
    """ftworker's own PostgreSQL (schema `ftworker`). None: an embedded one under `home`."""
    broker_url: SecretStr | None = None
    """Celery's broker, `amqp://` or `redis://`. None: an embedded Valkey under `home`."""
    events_url: SecretStr | None = None
    """Where the RAG's events arrive. None: the broker's."""
    storage_url: Annotated[str | None, Field(repr=False)] = None
    """fsspec URL for datasets and artefacts (`s3://bucket/ftworker`). None: `home`/storage on this machine."""
    ingest: IngestSettings = IngestSettings()
    worker: WorkerSettings = WorkerSettings()
    network: NetworkSettings = NetworkSettings()
    web: WebSettings = WebSettings()
    privacy: PrivacySettings = PrivacySettings()
    sources: dict[Name, SourceSettings] = {}
    """Stores of conversations, by name."""
    providers: dict[Name, ProviderSettings] = {"openai": OpenAISettings(), "local": LocalSettings()}
    """Who trains, by name."""
    pipelines: dict[Name, PipelineSettings] = {"default": PipelineSettings()}
    """Which conversations train which model, by name."""

    def pipeline(self, name: str) -> PipelineSettings:
        """Raises NotFound, naming the pipelines that exist."""
        try:
            return self.pipelines[name]
        except KeyError:
            known = ", ".join(sorted(self.pipelines)) or "none"
            raise NotFound(f"no pipeline named {name!r} in the configuration; there are: {known}") from None

    def sources_without_section(self) -> dict[str, str]:
        """Pipelines whose `source` names no configured one, and that name. Right only for events with messages."""
        return {
            name: pipeline.source
            for name, pipeline in self.pipelines.items()
            if pipeline.source != "*" and pipeline.source not in self.sources
        }

    def provider(self, name: str) -> OpenAISettings | LocalSettings:
        """Raises NotFound, naming the providers that exist."""
        try:
            return self.providers[name]
        except KeyError:
            known = ", ".join(sorted(self.providers)) or "none"
            raise NotFound(f"no provider named {name!r} in the configuration; there are: {known}") from None

    def dataset_format(self, name: str) -> str:
        """The file format of a pipeline's datasets, with `auto` resolved."""
        pipeline = self.pipeline(name)
        if pipeline.format != "auto":
            return pipeline.format
        if pipeline.curation.unit == "preference":
            return "openai-preference"
        provider = self.provider(pipeline.provider)
        # A trainer needs the turns as they were said; the flat form is what the RAG's documentation promises.
        flat = isinstance(provider, LocalSettings) and provider.trainer == "none"
        return "instruction-json" if flat else "openai-chat"

    def storage(self) -> str:
        """The fsspec URL under which datasets and artefacts lie."""
        return self.storage_url or f"file://{(self.home / 'storage').resolve()}"

    def events(self) -> str | None:
        """Where events arrive: `events_url`, else the broker's URL; None when neither is set."""
        url = self.events_url or self.broker_url
        return url.get_secret_value() if url else None
