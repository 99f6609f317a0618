"""The catalogue of metrics: every name, its type, unit, meaning and labels. Metrics are defined nowhere else.

`metrics` fills it with numbers, docs/METRICS.md is written from it, and tests hold dashboard and alert rules
against it. Pure, but for the command that writes: `python -m ftworker.web.catalogue docs/METRICS.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PREFIX = "ftworker_"
BEGIN_MARK = (
    "<!-- Written from ftworker/web/catalogue.py: python -m ftworker.web.catalogue docs/METRICS.md -->"
)
END_MARK = "<!-- End of the written part. -->"

LABELS: dict[str, str] = {
    "kind": "The provider's own code of an error, or ours (`unavailable`, `rate_limited`...); a kind of personal data.",
    "le": "Upper bound of a histogram's bucket.",
    "name": "`ingest`, `worker`, `trainer`, `beat`, `web`.",
    "outcome": "The end of a run: `trained`, `promoted`, `packaged`, `rejected`, `failed`, `cancelled`.",
    "pipeline": "A name under `pipelines` in the configuration.",
    "provider": "A name under `providers` in the configuration.",
    "python": "Version of Python.",
    "reason": "A reason code: of a drop or of what a dataset leaves out (docs/DATASETS.md), or of a parked message.",
    "state": "A state of a run: ftworker/runs/states.py.",
    "step": "`export`, `upload`, `create_job`, `poll_status`, `promote`.",
    "transport": "`amqp`, `stream`, `task`; by ftworker itself `backfill`, `sweep_idle`, `replay`, `quarantine`.",
    "version": "Version of ftworker.",
}
"""Every label, and what bounds its values. Users, conversations and free text are never labels."""


@dataclass(frozen=True)
class Metric:
    """One metric. A counter's `name` ends in `_total`, as in Prometheus; a histogram's has no suffix."""

    name: str
    type: Literal["counter", "gauge", "histogram", "info"]
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def family(self) -> str:
        """The name of the family that `prometheus_client` puts the type's suffix after."""
        return self.name.removesuffix({"counter": "_total", "info": "_info"}.get(self.type, ""))

    @property
    def adds_up(self) -> bool:
        """Whether two values make sense as one sum; of times, ratios and yes-or-no the larger one does."""
        return not self.unit.startswith(("seconds", "nats")) and self.unit not in ("ratio", "0 or 1")

    @property
    def series(self) -> tuple[str, ...]:
        """The names that a query may use."""
        if self.type == "histogram":
            return (f"{self.name}_bucket", f"{self.name}_sum", f"{self.name}_count")
        return (self.name,)


@dataclass(frozen=True)
class Group:
    """Metrics that answer questions about one thing."""

    title: str
    metrics: tuple[Metric, ...]


BUILD = Metric("ftworker_build_info", "info", "", "Which ftworker answers; always 1.", ("version", "python"))
SCRAPE_SUCCESS = Metric(
    "ftworker_scrape_success",
    "gauge",
    "0 or 1",
    "Whether the database could be read for this answer; 0: only this group is there.",
)
SCRAPE_DURATION = Metric(
    "ftworker_scrape_duration_seconds", "gauge", "seconds", "How long reading the database took."
)
INBOX_WAITING = Metric(
    "ftworker_inbox_waiting_events", "gauge", "events", "Events recorded and not yet accumulated."
)
INBOX_POSTPONED = Metric(
    "ftworker_inbox_postponed_events",
    "gauge",
    "events",
    "Of those, the ones left alone for a while after a passing failure (a source that did not answer).",
)
INBOX_OLDEST = Metric(
    "ftworker_inbox_oldest_age_seconds",
    "gauge",
    "seconds",
    "How long the oldest conversation has waited to be accumulated; 0 when none waits.",
)
INBOX_LAST_RECEIVED = Metric(
    "ftworker_inbox_last_received_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    "When the newest event was recorded; absent until one was.",
)
INGEST_EVENTS = Metric(
    "ftworker_ingest_events_total", "counter", "events", "Events recorded for the first time.", ("transport",)
)
INGEST_DUPLICATES = Metric(
    "ftworker_ingest_duplicates_total",
    "counter",
    "events",
    "Events that came again and changed nothing.",
    ("transport",),
)
INGEST_PARKED = Metric(
    "ftworker_ingest_parked_total",
    "counter",
    "messages",
    "Messages that were no usable event, repeats included.",
    ("reason", "transport"),
)
INGEST_BATCHES = Metric(
    "ftworker_ingest_batches_total",
    "counter",
    "transactions",
    "Batches written, each one INSERT and one COMMIT.",
    ("transport",),
)
INGEST_BATCH_SIZE = Metric(
    "ftworker_ingest_batch_size",
    "histogram",
    "messages",
    "Messages in a batch: small batches mean that little arrives, not that ingest is slow.",
    ("transport",),
)
EXAMPLES_WAITING = Metric(
    "ftworker_examples_waiting",
    "gauge",
    "examples",
    "Usable examples that wait for the next dataset.",
    ("pipeline",),
)
EXAMPLES_WAITING_TOKENS = Metric(
    "ftworker_examples_waiting_tokens", "gauge", "tokens", "Tokens in those examples.", ("pipeline",)
)
EXAMPLES_OLDEST = Metric(
    "ftworker_examples_oldest_age_seconds",
    "gauge",
    "seconds",
    "How long the oldest of them has waited; 0 when none waits.",
    ("pipeline",),
)
EXAMPLES_KEPT = Metric(
    "ftworker_examples_kept_total", "counter", "examples", "Turns that became examples.", ("pipeline",)
)
EXAMPLES_DROPPED = Metric(
    "ftworker_examples_dropped_total",
    "counter",
    "turns",
    "Turns, or whole conversations, that did not become examples, by reason.",
    ("pipeline", "reason"),
)
EXAMPLES_LEFT_OUT = Metric(
    "ftworker_examples_left_out_total",
    "counter",
    "examples",
    "Examples that exported datasets hold and leave out of their files, by reason; counted in each such dataset.",
    ("pipeline", "reason"),
)
REDACTIONS = Metric(
    "ftworker_redactions_total",
    "counter",
    "finds",
    "Personal data replaced by placeholders while conversations were accumulated; a newer version counts again.",
    ("kind", "pipeline"),
)
TRIGGER_MIN_EXAMPLES = Metric(
    "ftworker_trigger_min_examples",
    "gauge",
    "examples",
    "Threshold `trigger.min_examples`; absent when not set.",
    ("pipeline",),
)
TRIGGER_MIN_TOKENS = Metric(
    "ftworker_trigger_min_tokens",
    "gauge",
    "tokens",
    "Threshold `trigger.min_tokens`; absent when not set.",
    ("pipeline",),
)
TRIGGER_MAX_WAIT = Metric(
    "ftworker_trigger_max_wait_seconds",
    "gauge",
    "seconds",
    "`trigger.max_wait_seconds`; absent when not set.",
    ("pipeline",),
)
TRIGGER_EXAMPLES_RATIO = Metric(
    "ftworker_trigger_examples_ratio",
    "gauge",
    "ratio",
    "Waiting examples over the threshold: 1 and more means reached; absent without a threshold.",
    ("pipeline",),
)
TRIGGER_TOKENS_RATIO = Metric(
    "ftworker_trigger_tokens_ratio",
    "gauge",
    "ratio",
    "Waiting tokens over the threshold: 1 and more means reached; absent without a threshold.",
    ("pipeline",),
)
DATASETS = Metric("ftworker_datasets_total", "counter", "datasets", "Datasets cut.", ("pipeline",))
LAST_DATASET_EXAMPLES = Metric(
    "ftworker_last_dataset_examples",
    "gauge",
    "examples",
    "Examples that the newest dataset was the first to hold; absent before the first cut.",
    ("pipeline",),
)
LAST_DATASET_OWN_MODEL = Metric(
    "ftworker_last_dataset_own_model_ratio",
    "gauge",
    "ratio",
    "Share of the newest dataset's answers that models tuned here wrote; absent until it is exported.",
    ("pipeline",),
)
LAST_DATASET_TIMESTAMP = Metric(
    "ftworker_last_dataset_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    "When the newest dataset was cut; absent before the first cut.",
    ("pipeline",),
)
RUNS = Metric(
    "ftworker_runs", "gauge", "runs", "Runs by their present state.", ("pipeline", "provider", "state")
)
RUN_STATE = Metric(
    "ftworker_run_state_seconds",
    "gauge",
    "seconds",
    "How long the run in flight has been in its present state; absent when none is.",
    ("pipeline", "provider", "state"),
)
RUN_OVERDUE = Metric(
    "ftworker_run_overdue_seconds",
    "gauge",
    "seconds",
    "How long the next step of the run in flight has been due with nobody at work on it.",
    ("pipeline", "provider", "state"),
)
RUN_STALLED = Metric(
    "ftworker_run_stalled",
    "gauge",
    "0 or 1",
    "Whether the provider has reported no change of the job for `worker.stalled_after_seconds`.",
    ("pipeline", "provider", "state"),
)
RUNS_FINISHED = Metric(
    "ftworker_runs_finished_total",
    "counter",
    "runs",
    "Arrivals at an end. A run that is promoted after it was trained, or retried, arrives more than once.",
    ("outcome", "pipeline", "provider"),
)
TRAINED_TOKENS = Metric(
    "ftworker_trained_tokens_total",
    "counter",
    "tokens",
    "Tokens that providers say they trained.",
    ("pipeline", "provider"),
)
ESTIMATED_COST = Metric(
    "ftworker_estimated_cost_dollars",
    "gauge",
    "US dollars",
    "Estimated cost of runs whose job was asked for: tokens, epochs and price, not a bill.",
    ("pipeline", "provider"),
)
PROVIDER_ERRORS = Metric(
    "ftworker_provider_errors_total",
    "counter",
    "errors",
    "Answers of providers that kept a step from ending well.",
    ("kind", "provider", "step"),
)
PROMOTION_TIMESTAMP = Metric(
    "ftworker_promotion_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    "When the model that the pipeline serves was promoted; absent before the first promotion.",
    ("pipeline",),
)
TRAININGS_WAITING = Metric(
    "ftworker_trainings_waiting",
    "gauge",
    "trainings",
    "Trainings on machines of yours that nobody works on: before a place is free, or in a pause after a crash.",
    ("pipeline", "provider"),
)
TRAININGS_RUNNING = Metric(
    "ftworker_trainings_running",
    "gauge",
    "trainings",
    "Trainings on machines of yours that a process works on.",
    ("pipeline", "provider"),
)
TRAINING_PROGRESS = Metric(
    "ftworker_training_progress_ratio",
    "gauge",
    "ratio",
    "How much of its present stage (train, convert, check) a training has done; absent while none runs.",
    ("pipeline", "provider"),
)
TRAINING_LOSS = Metric(
    "ftworker_training_loss",
    "gauge",
    "nats a token",
    "Training loss of its last step; absent while none trains.",
    ("pipeline", "provider"),
)
TRAINING_SPEED = Metric(
    "ftworker_training_tokens_per_second",
    "gauge",
    "tokens a second",
    "How fast it trains; absent while none trains.",
    ("pipeline", "provider"),
)
TRAINING_MEMORY = Metric(
    "ftworker_training_memory_bytes",
    "gauge",
    "bytes",
    "Peak memory of the device, or of the process where it trains on the CPU; absent while none trains.",
    ("pipeline", "provider"),
)
TRAINING_CRASHES = Metric(
    "ftworker_training_crashes_total",
    "counter",
    "crashes",
    "Stages of trainings, or their jobs, that ended without a word, as they do when memory runs out.",
    ("pipeline", "provider"),
)
PARKED = Metric(
    "ftworker_parked_messages",
    "gauge",
    "messages",
    "Different messages that wait for a person: `ftworker parked list`.",
    ("reason",),
)
PARKED_OLDEST = Metric(
    "ftworker_parked_oldest_age_seconds",
    "gauge",
    "seconds",
    "How long the oldest of them has waited.",
    ("reason",),
)
QUARANTINED = Metric(
    "ftworker_quarantined_conversations",
    "gauge",
    "conversations",
    "Conversations that wait for a person's decision: `ftworker quarantine list`.",
    ("pipeline",),
)
QUARANTINED_OLDEST = Metric(
    "ftworker_quarantined_oldest_age_seconds",
    "gauge",
    "seconds",
    "How long the oldest of them has waited; 0 when none waits.",
    ("pipeline",),
)
PROCESSES = Metric(
    "ftworker_processes",
    "gauge",
    "processes",
    "Processes that renewed their row within the last minute; of `beat`, whether its ticks arrive.",
    ("name",),
)
SWEEP_TIMESTAMP = Metric(
    "ftworker_sweep_timestamp_seconds",
    "gauge",
    "seconds since 1970",
    "When beat's sweep last ran to its end; absent until it did.",
)

CATALOGUE: tuple[Group, ...] = (
    Group("The scrape itself", (BUILD, SCRAPE_SUCCESS, SCRAPE_DURATION)),
    Group(
        "Events coming in",
        (
            INBOX_WAITING,
            INBOX_POSTPONED,
            INBOX_OLDEST,
            INBOX_LAST_RECEIVED,
            INGEST_EVENTS,
            INGEST_DUPLICATES,
            INGEST_PARKED,
            INGEST_BATCHES,
            INGEST_BATCH_SIZE,
        ),
    ),
    Group(
        "Examples gathering",
        (
            EXAMPLES_WAITING,
            EXAMPLES_WAITING_TOKENS,
            EXAMPLES_OLDEST,
            EXAMPLES_KEPT,
            EXAMPLES_DROPPED,
            REDACTIONS,
        ),
    ),
    Group(
        "Distance to the next run",
        (
            TRIGGER_MIN_EXAMPLES,
            TRIGGER_MIN_TOKENS,
            TRIGGER_MAX_WAIT,
            TRIGGER_EXAMPLES_RATIO,
            TRIGGER_TOKENS_RATIO,
        ),
    ),
    Group(
        "Datasets",
        (DATASETS, LAST_DATASET_EXAMPLES, LAST_DATASET_OWN_MODEL, LAST_DATASET_TIMESTAMP, EXAMPLES_LEFT_OUT),
    ),
    Group(
        "Runs and providers",
        (
            RUNS,
            RUN_STATE,
            RUN_OVERDUE,
            RUN_STALLED,
            RUNS_FINISHED,
            TRAINED_TOKENS,
            ESTIMATED_COST,
            PROVIDER_ERRORS,
            PROMOTION_TIMESTAMP,
        ),
    ),
    Group(
        "Trainings on machines of yours",
        (
            TRAININGS_WAITING,
            TRAININGS_RUNNING,
            TRAINING_PROGRESS,
            TRAINING_LOSS,
            TRAINING_SPEED,
            TRAINING_MEMORY,
            TRAINING_CRASHES,
        ),
    ),
    Group("What waits for a person", (PARKED, PARKED_OLDEST, QUARANTINED, QUARANTINED_OLDEST)),
    Group("Processes", (PROCESSES, SWEEP_TIMESTAMP)),
)


def all_metrics() -> Iterator[Metric]:
    """Every metric, in the order of the documentation."""
    for group in CATALOGUE:
        yield from group.metrics


def markdown() -> str:
    """The written part of docs/METRICS.md: a table a group, then the labels."""
    lines = [BEGIN_MARK]
    for group in CATALOGUE:
        lines += ["", f"### {group.title}", ""]
        lines += ["| metric | type | unit | labels | meaning |", "|---|---|---|---|---|"]
        for metric in group.metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            lines.append(f"| `{metric.name}` | {metric.type} | {metric.unit} | {labels} | {metric.meaning} |")
    lines += ["", "### Labels", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {values} |" for label, values in sorted(LABELS.items())]
    return "\n".join([*lines, "", END_MARK])


def with_written_part(text: str) -> str:
    """`text` with what stands between the marks written anew. Raises ValueError when a mark is missing."""
    before, found, rest = text.partition(BEGIN_MARK)
    _, found_end, after = rest.partition(END_MARK)
    if not found or not found_end:
        raise ValueError(f"no marks: put {BEGIN_MARK!r} and {END_MARK!r} where the tables belong")
    return before + markdown() + after


if __name__ == "__main__":
    document = Path(sys.argv[1])
    document.write_text(with_written_part(document.read_text(encoding="utf-8")), encoding="utf-8")
