"""Every setting: its key, unit, default and reason. Read from `config/ftworker.toml` and the environment.

Declared in one module an area (`data` decides what the training data are), put together in `whole`, read by `loading`.
Secrets come from the environment or from a file that the environment or the configuration names, never from the
configuration itself. Never opens a connection.
"""

from ftworker.settings.data import (
    CurationSettings,
    PrivacySettings,
    RosterSettings,
    SelectionSettings,
    SplitSettings,
)
from ftworker.settings.environment import config_path, rag_database_url
from ftworker.settings.fields import Section
from ftworker.settings.loading import ENVIRONMENT, fingerprint, load_settings, masked_settings, settings_from
from ftworker.settings.local import CommandSettings, GateSettings, LocalSettings, TrainerSettings
from ftworker.settings.pipelines import (
    DEFAULT_SYSTEM_PROMPT,
    BudgetSettings,
    PipelineSettings,
    TrainingSettings,
    TriggerSettings,
)
from ftworker.settings.providers import LEAST_EXAMPLES, OpenAISettings, ProviderSettings
from ftworker.settings.sources import ColumnsLog, ColumnsMessages, SourceSettings
from ftworker.settings.whole import IngestSettings, NetworkSettings, Settings, WebSettings, WorkerSettings

__all__ = [
    "DEFAULT_SYSTEM_PROMPT",
    "ENVIRONMENT",
    "LEAST_EXAMPLES",
    "BudgetSettings",
    "ColumnsLog",
    "ColumnsMessages",
    "CommandSettings",
    "CurationSettings",
    "GateSettings",
    "IngestSettings",
    "LocalSettings",
    "NetworkSettings",
    "OpenAISettings",
    "PipelineSettings",
    "PrivacySettings",
    "ProviderSettings",
    "RosterSettings",
    "Section",
    "SelectionSettings",
    "Settings",
    "SourceSettings",
    "SplitSettings",
    "TrainerSettings",
    "TrainingSettings",
    "TriggerSettings",
    "WebSettings",
    "WorkerSettings",
    "config_path",
    "fingerprint",
    "load_settings",
    "masked_settings",
    "rag_database_url",
    "settings_from",
]
