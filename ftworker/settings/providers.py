"""Settings of those who train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, SecretStr

from ftworker.settings.environment import variable
from ftworker.settings.fields import PositiveSeconds, Seconds, Section
from ftworker.settings.local import LocalSettings


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
        return variable(self.api_key_env)

    def with_api_key(self, key: str) -> OpenAISettings:
        """The same service with a key that a program was given."""
        given = self.model_copy()
        given._given_key = SecretStr(key)  # noqa: SLF001 - our own copy
        return given


LEAST_EXAMPLES = {"openai": 10, "local": 1}
"""Least examples of a dataset, by kind of provider. OpenAI refuses fewer than 10 (fine-tuning guide)."""

ProviderSettings = Annotated[OpenAISettings | LocalSettings, Field(discriminator="kind")]
