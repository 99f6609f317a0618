"""Every setting: its key, unit, default and reason. Read from `config/ftworker.toml` and the environment.

The only module that reads the environment. Secrets come from the environment or from a file that the environment or
the configuration names, never from the configuration itself. Never opens a connection.
Order of precedence: environment, then the TOML file, then the defaults here.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
)

from ftworker.errors import ConfigurationError, ConfigurationProblem, NotFound
from ftworker.masking import describe_value, mask_value

DEFAULT_CONFIG = Path("config/ftworker.toml")
DEFAULT_SYSTEM_PROMPT = (
    "Eres un asistente útil que responde preguntas basadas en la información proporcionada."
)
"""The system prompt of the RAG's documentation. Training and serving must use the same bytes."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,39}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
# Not croniter's own "R" and "H" (a random time, another at each look), nor a sixth field.
CRON_LINE = re.compile(r"@\w+|(?!.*\b[RrHh]\b)[\w*/,#-]+(?: +[\w*/,#-]+){4}")
CRON_EXPECTED = 'expected a cron line of five fields that comes at some time, such as "0 3 * * sun"'
LONGEST_SECONDS = 1e9
"""About 31 years. PostgreSQL refuses times that much longer ones would lead to."""
Seconds = Annotated[float, Field(ge=0, le=LONGEST_SECONDS)]
PositiveSeconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS)]
Share = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """A part of the configuration. An unknown key is an error: a misspelt setting must not be silently ignored."""

    # Not a number and infinity are numbers in TOML, and no time to wait.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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


class WebSettings(Section):
    """The process that serves /metrics, /healthz and the pages."""

    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 lets others look; the pages hold no conversation and ask for no login."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464
    """Port to listen on; 0 takes a free one."""
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


class ColumnsMessages(Section):
    """Column names of the generic shape of two tables. Set to "" what the store does not have."""

    conversations_table: str = "conversations"
    """Table with one row a conversation; "" when there are only messages."""
    conversation_id: str = "id"
    """Its key."""
    user: str = ""
    """Who asked, as a pseudonym: groups the split. Hashed before it is stored."""
    tenant: str = ""
    """School or customer; pipelines can choose by it."""
    course: str = ""
    """Course or subject; pipelines can choose by it."""
    closed_at: str = ""
    """When the conversation was closed or last changed; without it the newest message counts."""
    consent: str = ""
    """Whether the user agreed to training."""
    messages_table: str = "messages"
    """Table with one row a message."""
    message_id: str = "id"
    """Its key; breaks ties in time."""
    message_conversation_id: str = "conversation_id"
    """The conversation that a message belongs to."""
    role: str = "role"
    """Who speaks."""
    content: str = "content"
    """The text."""
    created_at: str = "created_at"
    """When it was written."""
    context: str = ""
    """A json or jsonb column with the retrieved chunks: a list of texts or of objects with `text` or `content`."""
    rating: str = ""
    """The user's opinion of the message."""
    error: str = ""
    """Set when the answer failed."""
    model: str = ""
    """The model that answered."""
    role_user: tuple[str, ...] = ("user", "human", "usuario", "alumno")
    """Words in `role` that mean the user."""
    role_assistant: tuple[str, ...] = ("assistant", "ai", "bot", "asistente", "tutor")
    """Words in `role` that mean the assistant."""


class ColumnsLog(Section):
    """Column names of the generic shape of one question/answer log. Set to "" what the store does not have."""

    table: str = "chat_log"
    """Table with one row a question and its answer."""
    id: str = "id"
    """Its key; breaks ties in time."""
    conversation_id: str = ""
    """Without it, a user's rows are one conversation until a gap of `idle_seconds`."""
    question: str = "question"
    """What was asked."""
    answer: str = "answer"
    """What was answered."""
    created_at: str = "created_at"
    """When it was asked."""
    user: str = ""
    """Who asked, as a pseudonym."""
    tenant: str = ""
    """School or customer."""
    course: str = ""
    """Course or subject."""
    context: str = ""
    """A json or jsonb column with the retrieved chunks."""
    rating: str = ""
    """The user's opinion of the answer."""
    model: str = ""
    """The model that answered."""


class SourceSettings(Section):
    """A store of conversations that ftworker may read. `ftworker sources test NAME` tries it."""

    preset: Literal["messages", "log", "langchain"]
    """Shape of the store: `messages`, `log` or `langchain` (docs/SOURCES.md)."""
    url: SecretStr | None = None
    """Connection URL of the RAG's PostgreSQL. Better: `url_env`, the environment variable that holds it."""
    url_env: str | None = None
    """Environment variable that holds the connection URL."""
    schema_name: str = "public"
    """PostgreSQL schema of the tables."""
    messages: ColumnsMessages = ColumnsMessages()
    log: ColumnsLog = ColumnsLog()
    langchain_table: str = "message_store"
    """Table of the `langchain` preset: `message_store`, `n8n_chat_histories`, or your own."""
    idle_seconds: PositiveSeconds = 1800.0
    """A conversation untouched for so long is closed. 30 minutes: only 0.16 % of real human gaps are longer."""
    sweep_idle: bool = False
    """True for a store whose RAG emits no events: beat looks for idle conversations."""
    naive_timezone: str = "UTC"
    """Zone of timestamps that carry none."""
    statement_timeout_seconds: PositiveSeconds = 60.0
    """Longest that one query may take in the RAG's database."""
    ratings_up: tuple[str, ...] = ("1", "up", "like", "good", "true", "t", "positive")
    """Values of a rating that mean thumbs-up, compared in lower case."""
    ratings_down: tuple[str, ...] = ("-1", "0", "down", "dislike", "bad", "false", "f", "negative")
    """Values that mean thumbs-down. Any other is no opinion."""

    def connection_url(self) -> str | None:
        """The URL to connect to, from the environment variable when one is named; None when nothing is configured."""
        if self.url_env:
            return _variable(self.url_env)
        return self.url.get_secret_value() if self.url else None


class OpenAISettings(Section):
    """A service that speaks OpenAI's Files and fine_tuning.jobs API."""

    kind: Literal["openai"] = "openai"
    """The kind of provider."""
    base_url: Annotated[str, Field(repr=False)] = "https://api.openai.com/v1"
    """OpenAI's own is https://api.openai.com/v1; Azure, Nebius and gateways: docs/PROVIDERS.md."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key."""
    api_key_file: Path | None = None
    """Or a file that holds it (Docker and Kubernetes secrets)."""
    request_timeout_seconds: PositiveSeconds = 60.0
    """Longest wait for an answer to a read."""
    submit_timeout_seconds: PositiveSeconds = 90.0
    """Longest wait for the paid call's answer; must stay below `worker.step_lease_seconds`."""
    max_upload_bytes: Annotated[int, Field(ge=1024)] = 536_870_912
    """A larger file goes up in parts through the Uploads API. OpenAI takes 512 MB a file, Azure 100 MB at once."""
    upload_part_bytes: Annotated[int, Field(ge=1024, le=67_108_864)] = 67_108_864
    """Size of a part; OpenAI takes at most 64 MB."""
    bom: bool = False
    """Azure wants a UTF-8 byte-order mark at the start of training files."""
    suffix_max_length: Annotated[int, Field(ge=0, le=64)] = 64
    """18 at Azure."""
    send_metadata: bool = True
    """False for a service that refuses `metadata` on jobs; reconciling then goes by the training file alone."""
    check_model: bool = True
    """False for a service without `/models/{model}`."""
    hyperparameters_in: Literal["method", "body"] = "method"
    """`body` for a service that knows only the older top-level `hyperparameters`."""
    extra_hyperparameters: dict[str, int | float | str | bool] = {}
    """Sent beside ours, for what only this service knows (Nebius: `lora = true`)."""
    extra_body: dict[str, int | float | str | bool] = {}
    """More fields of the job (Azure: `trainingType = "Standard"`)."""
    extra_headers: Annotated[dict[str, str], Field(repr=False)] = {}
    """Sent with every request (Portkey: `x-portkey-provider`). No place for secrets: the configuration is no secret."""
    extra_query: Annotated[dict[str, str], Field(repr=False)] = {}
    """Added to every URL (`api-version`, LiteLLM: `custom_llm_provider`)."""
    clock_skew_seconds: Seconds = 300.0
    """How far the service's clock may be behind ours, when we look for a job that may have been made."""
    file_expires_after_seconds: Annotated[int, Field(ge=3600, le=2_592_000)] | None = None
    """Let the provider erase uploaded files after this time (children's data should not stay)."""
    files_ready_timeout_seconds: PositiveSeconds = 600.0
    """Longest wait until an uploaded file is processed."""
    poll_interval_seconds: PositiveSeconds = 30.0
    """Between two looks at a job."""
    price_per_million_tokens: dict[str, Annotated[float, Field(ge=0)]] = {
        "gpt-4.1": 25.0,
        "gpt-4.1-mini": 5.0,
        "gpt-4o": 25.0,
        "gpt-4o-mini": 3.0,
    }
    """US dollars for a million trained tokens, by the beginning of the model's name (2026-11; check your contract)."""

    # Given by a program (FineTuningManager), never by the configuration; not part of any dump.
    _given_key: SecretStr | None = PrivateAttr(default=None)

    def api_key(self) -> str | None:
        """The key, or None when nobody gave one and neither the variable nor the file holds one."""
        if self._given_key is not None:
            return self._given_key.get_secret_value()
        if self.api_key_file:
            try:
                return self.api_key_file.read_text(encoding="utf-8").strip() or None
            except OSError:
                return None
        return _variable(self.api_key_env)

    def with_api_key(self, key: str) -> OpenAISettings:
        """The same service with a key that a program was given."""
        given = self.model_copy()
        given._given_key = SecretStr(key)  # noqa: SLF001 - our own copy
        return given


class LocalSettings(Section):
    """A model on your own machine, served by Ollama."""

    kind: Literal["local"] = "local"
    """The kind of provider."""
    trainer: Literal["none"] = "none"
    """`none`: no weights are trained; the model is the base with the system prompt and chosen examples."""
    ollama_host: Annotated[str, Field(repr=False)] = "http://127.0.0.1:11434"
    """Where Ollama answers. `OLLAMA_HOST` in the environment wins."""
    pull_base: bool = False
    """True lets Ollama fetch a missing base model from its registry."""
    model_name: str | None = None
    """Name in Ollama; the pipeline's own when not set. A run makes `<name>:<run_key>`; promotion moves `latest`."""
    messages_max_examples: Annotated[int, Field(ge=0, le=100)] = 8
    """Examples written as MESSAGE lines of the Modelfile."""
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


LEAST_EXAMPLES = {"openai": 10, "local": 1}
"""Least examples of a dataset, by kind of provider. OpenAI refuses fewer than 10 (fine-tuning guide)."""

ProviderSettings = Annotated[OpenAISettings | LocalSettings, Field(discriminator="kind")]


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


class CurationSettings(Section):
    """Which turns become examples, and what is in them. Each drop has a reason code (docs/DATASETS.md)."""

    unit: Literal["turn", "conversation"] = "turn"
    """`turn`: an example for each good answer, its history as prompt. `conversation`: whole, bad ones at weight 0."""
    context: Literal["as_served", "none"] = "as_served"
    """Whether retrieved chunks stand in the prompt of the turn being trained, as they did when it was served."""
    context_template: str = "Contexto:\n{context}\n\nPregunta: {question}"
    """How the RAG puts chunks and question together. Must be what serving uses."""
    chunk_template: str = "[{rank}] {text}"
    """How one chunk stands in the context: {rank}, {text}, {source}."""
    chunk_separator: str = "\n\n"
    """What stands between two chunks."""
    max_history_messages: Annotated[int, Field(ge=0)] = 20
    """Earlier messages kept before the turn."""
    min_answer_characters: Annotated[int, Field(ge=0)] = 15
    """Shorter answers are dropped unless rated up."""
    max_answer_characters: Annotated[int, Field(ge=1)] = 20_000
    """Longer answers are dropped: they are dumps, not lessons."""
    max_tokens: Annotated[int, Field(ge=16)] = 16_384
    """Longer examples are dropped: providers cut from the end, where the answer is. OpenAI's limit is 65,536."""
    max_messages: Annotated[int, Field(ge=2)] = 1_000
    """A longer conversation is dropped as a whole: it is a loop, not a lesson."""
    require_consent: bool = False
    """True: a conversation without an explicit consent is dropped. An explicit no is always dropped."""
    drop_thumbs_down: bool = True
    """Whether answers rated down are left out."""
    drop_personal_data: bool = True
    """Drop turns in which an identity number, an e-mail, a phone, a card or an IBAN is found."""
    reasons_closed: tuple[str, ...] = ()
    """Only conversations closed for these reasons; empty: all."""

    @field_validator("context_template")
    @classmethod
    def _has_places(cls, value: str) -> str:
        for place in ("{context}", "{question}"):
            if place not in value:
                raise ValueError(f"expected {place} in it: else it would be lost from every example")
        return value


class SplitSettings(Section):
    validation_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of users (conversations, where no user is known) whose examples validate instead of train."""
    salt: str = "ftworker"
    """Changing it draws the split anew."""


class TrainingSettings(Section):
    """What is asked of the trainer. Frozen into the run when it begins."""

    type: Literal["supervised"] = "supervised"
    """Method: supervised fine-tuning."""
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
    """The provider's name of the model to start from."""
    strategy: Literal["all", "new", "replay"] = "all"
    """`all`: everything kept so far. `new`: what no dataset holds yet. `replay`: new plus a stable sample of old."""
    replay_share: Share = 0.2
    """Share of old examples in a `replay` dataset."""
    format: Literal["auto", "openai-chat", "instruction-json", "instruction-jsonl"] = "auto"
    """`auto`: openai-chat for an openai provider, instruction-json for a local one."""
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    """Stands in every example. Must be the very bytes that serving uses."""
    system_prompt_version: str = "1"
    """Yours to count up when the prompt changes; stands in the manifest beside the prompt's hash."""
    trigger: TriggerSettings = TriggerSettings()
    curation: CurationSettings = CurationSettings()
    split: SplitSettings = SplitSettings()
    training: TrainingSettings = TrainingSettings()
    budget: BudgetSettings = BudgetSettings()
    promote: Literal["auto", "manual"] = "manual"
    """`auto`: a trained model becomes the pipeline's own at once. `manual`: `ftworker runs promote`."""


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
    web: WebSettings = WebSettings()
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
        return "openai-chat" if self.provider(pipeline.provider).kind == "openai" else "instruction-json"

    def storage(self) -> str:
        """The fsspec URL under which datasets and artefacts lie."""
        return self.storage_url or f"file://{(self.home / 'storage').resolve()}"

    def events(self) -> str | None:
        """Where events arrive: `events_url`, else the broker's URL; None when neither is set."""
        url = self.events_url or self.broker_url
        return url.get_secret_value() if url else None


ENVIRONMENT = {
    "FTWORKER_HOME": "home",
    "FTWORKER_DATABASE_URL": "database_url",
    "FTWORKER_BROKER_URL": "broker_url",
    "FTWORKER_EVENTS_URL": "events_url",
    "FTWORKER_STORAGE_URL": "storage_url",
}
"""Environment variables that win over the file. A `_FILE` at the end names a file that holds the value."""


def config_path() -> Path | None:
    """The configuration file in use: `FTWORKER_CONFIG`, else config/ftworker.toml when it is there."""
    named = os.environ.get("FTWORKER_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def load_settings(path: Path | None = None) -> Settings:
    """Read file and environment. Raises ConfigurationError that names every problem at once."""
    path = path or config_path()
    where = str(path) if path else "environment"
    values: dict[str, Any] = {}
    if path:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ConfigurationError(
                where,
                [
                    ConfigurationProblem(
                        "FTWORKER_CONFIG", str(path), "no such file; copy config/ftworker.toml"
                    )
                ],
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
            raise ConfigurationError(
                where, [ConfigurationProblem("TOML", "unreadable", str(error))]
            ) from error
    return _validated(values, where, _overlay_environment(values))


def settings_from(values: dict[str, Any], where: str = "configuration") -> Settings:
    """Validate plain values. Raises ConfigurationError that names every problem at once."""
    return _validated(values, where, [])


def _validated(values: dict[str, Any], where: str, problems: list[ConfigurationProblem]) -> Settings:
    if isinstance(given := values.get("providers"), dict):
        # The two that are always there may be left out, also beside others.
        values = {**values, "providers": {"openai": {"kind": "openai"}, "local": {"kind": "local"}, **given}}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(e) for e in error.errors()]
        with suppress(ValidationError):
            problems += _contradictions(Settings.model_validate(_without(values, error)))
    else:
        problems += _contradictions(settings)
        if not problems:
            return settings
    raise ConfigurationError(where, problems)


def _without(values: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """The values without those that are wrong, to find what contradicts each other among the rest."""
    rest = copy.deepcopy(values)
    for problem in error.errors():
        *path, last = _location(problem["loc"])
        place: Any = rest
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            continue
        if path == ["providers"]:
            # It is there, whatever it is: a pipeline that names it is not wrong too.
            place[last] = {"kind": "local"}
        elif problem["type"] == "missing" and path:
            parent: Any = rest
            for part in path[:-1]:
                parent = parent[part]
            parent.pop(path[-1], None)
        else:
            place.pop(last, None)
    return rest


def _contradictions(settings: Settings) -> Iterator[ConfigurationProblem]:
    """What is wrong between settings that are each well by themselves."""
    for name, pipeline in settings.pipelines.items():
        if pipeline.provider not in settings.providers:
            known = ", ".join(sorted(settings.providers))
            yield ConfigurationProblem(
                f"pipelines.{name}.provider", repr(pipeline.provider), f"expected one of {known}"
            )
        # A source that only sends inline messages needs no section, so a name alone is enough.
        if pipeline.source != "*" and not re.match(NAME_PATTERN, pipeline.source):
            yield ConfigurationProblem(
                f"pipelines.{name}.source", repr(pipeline.source), "expected * or a source's name"
            )
        provider = settings.providers.get(pipeline.provider)
        most = pipeline.trigger.max_examples
        if provider is not None and most is not None and most < LEAST_EXAMPLES[provider.kind]:
            yield ConfigurationProblem(
                f"pipelines.{name}.trigger.max_examples",
                str(most),
                f"expected at least {LEAST_EXAMPLES[provider.kind]}: "
                f"{pipeline.provider} trains on no fewer, so no dataset would ever be cut",
            )
    lease = settings.worker.step_lease_seconds
    for name, provider in settings.providers.items():
        if isinstance(provider, OpenAISettings) and provider.submit_timeout_seconds >= lease:
            yield ConfigurationProblem(
                f"providers.{name}.submit_timeout_seconds",
                str(provider.submit_timeout_seconds),
                f"expected below worker.step_lease_seconds ({lease}): else a job is looked for while it is created",
            )


def _overlay_environment(values: dict[str, Any]) -> list[ConfigurationProblem]:
    """Put what the environment says over the values; returns what is wrong with it."""
    problems: list[ConfigurationProblem] = []

    def variable(name: str) -> str | None:
        try:
            return _read_variable(name)
        except (OSError, UnicodeDecodeError) as error:
            path = os.environ[f"{name}_FILE"]
            expected = f"a file that can be read ({type(error).__name__})"
            problems.append(ConfigurationProblem(f"{name}_FILE", path, expected))
            return None

    for name, key in ENVIRONMENT.items():
        text = variable(name)
        if text:
            values[key] = text
    providers = values.setdefault("providers", {})
    if isinstance(providers, dict):
        for kind, name, key in (
            ("openai", "OPENAI_BASE_URL", "base_url"),
            ("local", "OLLAMA_HOST", "ollama_host"),
        ):
            section = providers.setdefault(kind, {"kind": kind})
            text = variable(name)
            if text and isinstance(section, dict):
                section[key] = text
    return problems


def _read_variable(name: str) -> str | None:
    """The variable, else what is in the file that NAME_FILE names. Raises OSError, UnicodeDecodeError."""
    text = os.environ.get(name)
    file = os.environ.get(f"{name}_FILE")
    if not text and file:
        text = Path(file).read_text(encoding="utf-8").strip()
    return text or None


def _variable(name: str) -> str | None:
    """The same for a secret that is read when it is needed: None where its file cannot be read."""
    with suppress(OSError, UnicodeDecodeError):
        return _read_variable(name)
    return None


def _location(parts: tuple[int | str, ...]) -> tuple[str, ...]:
    location = tuple(str(part) for part in parts if part != "[key]")
    # Pydantic puts the union's tag into the location: providers.openai.openai.base_url.
    if len(location) > 2 and location[0] == "providers" and location[2] in ("openai", "local"):
        location = (*location[:2], *location[3:])
    return location or ("configuration",)


def _problem(error: Any) -> ConfigurationProblem:
    location = _location(error["loc"])
    value = "(missing)" if error["type"] == "missing" else describe_value(location, error.get("input"))
    expected = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        expected = "no such setting; see config/ftworker.toml for those there are"
    return ConfigurationProblem(".".join(location), value, expected)


def masked_settings(settings: Settings) -> dict[str, Any]:
    """The whole configuration as plain values, secrets masked, for `ftworker config show` and logs."""
    masked: dict[str, Any] = mask_value("", settings.model_dump())
    return masked


def rag_database_url() -> str | None:
    """Where the RAG keeps its conversations, for `main.py`: `RAG_DATABASE_URL`, else the usual `DATABASE_URL`."""
    return os.environ.get("RAG_DATABASE_URL") or os.environ.get("DATABASE_URL") or None


def fingerprint(value: BaseModel | dict[str, Any] | str) -> str:
    """Sixteen hexadecimal digits that change when the settings change."""
    from ftworker.conversations import canonical_json

    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return hashlib.sha256(canonical_json(plain)).hexdigest()[:16]
