"""Turns a reading of the database into Prometheus series: a custom collector, run at scrape time.

Label values come from the database, so each is held against the shape of a code, and their number against a
limit: whatever stands there, no person's text becomes a label, and no label grows without end. Never reads
the database itself: that is `reader`. Names and meanings: `catalogue`.
"""

from __future__ import annotations

import platform
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from ftworker import __version__
from ftworker.runs.states import IN_FLIGHT, RunState
from ftworker.settings import LocalSettings, Settings
from ftworker.store.metrics import SWEEP_TOTAL, ProcessGroup, Snapshot
from ftworker.store.totals import BATCH_SIZE_BOUNDS
from ftworker.web import catalogue
from ftworker.web.catalogue import Metric
from ftworker.web.reader import Reader, Reading

MAX_LABEL_VALUES = 100
"""Different values of one label in one answer; those beyond become `other`."""
OTHER = "other"
EXPECTED_PROCESSES = ("ingest", "worker", "beat", "web")
"""Every installation runs these, so a missing one shows as 0. A `trainer` shows once there was one."""

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CONFIGURED = ("pipeline", "provider")
"""Labels that the operator's own configuration bounds: however many pipelines there are, each is shown."""

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """One line of an answer: `suffix` stands after the metric's name (histograms)."""

    labels: Labels
    value: float
    suffix: str = ""


class WorkerCollector(Collector):
    """What `prometheus_client` asks at each scrape."""

    def __init__(self, settings: Settings, reader: Reader) -> None:
        self._settings = settings
        self._reader = reader

    def collect(self) -> Iterator[Family]:
        """The series of the newest reading; without a database, those of the scrape alone. Never raises."""
        return families(self._settings, self._reader.latest())


def families(settings: Settings, reading: Reading) -> Iterator[Family]:
    """All series of one reading, in the order of the catalogue. A metric without a value is left out."""
    collected = _Samples()
    collected.add(catalogue.BUILD, 1, version=__version__, python=platform.python_version())
    collected.add(catalogue.SCRAPE_SUCCESS, reading.snapshot is not None)
    collected.add(catalogue.SCRAPE_DURATION, reading.duration_seconds)
    if reading.snapshot is not None:
        _zeros(settings, collected)
        _events(reading.snapshot, collected)
        _examples(settings, reading.snapshot, collected)
        _runs(settings, reading.snapshot, collected)
        _trainings(reading.snapshot, collected)
        _totals(reading.snapshot, collected)
        _batch_sizes(reading.snapshot.totals, collected)
    for metric in catalogue.all_metrics():
        samples = collected.of(metric)
        if samples:
            yield _family(metric, samples)


class _Samples:
    """Samples by metric, label values as codes. Where two fall together they add up, or the larger stands."""

    def __init__(self) -> None:
        self._values: dict[Metric, dict[tuple[str, ...], float]] = defaultdict(dict)
        self._histograms: dict[Metric, list[Sample]] = defaultdict(list)
        self._seen: dict[tuple[Metric, str], set[str]] = defaultdict(set)

    def add(self, metric: Metric, value: float | None, **labels: str) -> None:
        """Add a sample; nothing for None."""
        if value is None:
            return
        key = tuple(self._bounded(metric, label, labels.get(label, "")) for label in metric.labels)
        values = self._values[metric]
        if metric.adds_up:
            values[key] = values.get(key, 0.0) + float(value)
        else:
            values[key] = max(values.get(key, 0.0), float(value))

    def add_histogram(self, metric: Metric, samples: Iterable[Sample]) -> None:
        self._histograms[metric].extend(samples)

    def of(self, metric: Metric) -> list[Sample]:
        plain = [
            Sample(dict(zip(metric.labels, key, strict=True)), value)
            for key, value in self._values.get(metric, {}).items()
        ]
        return plain + self._histograms.get(metric, [])

    def _bounded(self, metric: Metric, label: str, value: str) -> str:
        if metric is catalogue.BUILD:
            return value
        code = code_of(value)
        seen = self._seen[metric, label]
        if code not in seen and len(seen) >= MAX_LABEL_VALUES and label not in _CONFIGURED:
            return OTHER
        seen.add(code)
        return code


def code_of(value: str) -> str:
    """The value when it has the shape of a code, else `other`."""
    return value if _CODE.fullmatch(value) else OTHER


def stored_labels(text: str) -> dict[str, str]:
    """The labels of a total: `key=value,key=value`."""
    return {key: value for key, _, value in (part.partition("=") for part in text.split(",")) if key}


def transport_of(events_url: str | None) -> str | None:
    """The transport by which events come in from this URL; None when nothing is configured."""
    if events_url is None:
        return None
    return "amqp" if events_url.startswith("amqp") else "stream"


def _zeros(settings: Settings, collected: _Samples) -> None:
    """What the configuration says will come: a counter that begins at 0 lets rate() see the first event."""
    transport = transport_of(settings.events())
    if transport:
        for metric in (catalogue.INGEST_EVENTS, catalogue.INGEST_DUPLICATES, catalogue.INGEST_BATCHES):
            collected.add(metric, 0, transport=transport)
    for name, pipeline in settings.pipelines.items():
        both = {"pipeline": name, "provider": pipeline.provider}
        for metric in (
            catalogue.EXAMPLES_KEPT,
            catalogue.EXAMPLES_WAITING,
            catalogue.EXAMPLES_WAITING_TOKENS,
            catalogue.EXAMPLES_OLDEST,
            catalogue.DATASETS,
            catalogue.QUARANTINED,
            catalogue.QUARANTINED_OLDEST,
        ):
            collected.add(metric, 0, pipeline=name)
        collected.add(catalogue.TRAINED_TOKENS, 0, **both)
        collected.add(catalogue.ESTIMATED_COST, 0, **both)
        if isinstance(settings.providers.get(pipeline.provider), LocalSettings):
            for metric in (
                catalogue.TRAININGS_WAITING,
                catalogue.TRAININGS_RUNNING,
                catalogue.TRAINING_CRASHES,
            ):
                collected.add(metric, 0, **both)
        for state in RunState:
            collected.add(catalogue.RUNS, 0, **both, state=state.value)
            if state not in IN_FLIGHT:
                collected.add(catalogue.RUNS_FINISHED, 0, **both, outcome=state.value)


def _events(snapshot: Snapshot, collected: _Samples) -> None:
    collected.add(catalogue.INBOX_WAITING, snapshot.inbox.waiting)
    collected.add(catalogue.INBOX_POSTPONED, snapshot.inbox.postponed)
    collected.add(catalogue.INBOX_OLDEST, snapshot.inbox.oldest_age_seconds)
    collected.add(catalogue.INBOX_LAST_RECEIVED, snapshot.inbox.last_received_timestamp)
    for reason, parked in snapshot.parked.items():
        collected.add(catalogue.PARKED, parked.messages, reason=reason)
        collected.add(catalogue.PARKED_OLDEST, parked.oldest_age_seconds, reason=reason)
    for pipeline, quarantined in snapshot.quarantined.items():
        collected.add(catalogue.QUARANTINED, quarantined.conversations, pipeline=pipeline)
        collected.add(catalogue.QUARANTINED_OLDEST, quarantined.oldest_age_seconds, pipeline=pipeline)
    for name, group in expected_processes(snapshot).items():
        collected.add(catalogue.PROCESSES, group.alive, name=name)
    collected.add(catalogue.SWEEP_TIMESTAMP, snapshot.totals.get((SWEEP_TOTAL, "")))


def _examples(settings: Settings, snapshot: Snapshot, collected: _Samples) -> None:
    for name, waiting in snapshot.waiting.items():
        collected.add(catalogue.EXAMPLES_WAITING, waiting.examples, pipeline=name)
        collected.add(catalogue.EXAMPLES_WAITING_TOKENS, waiting.tokens, pipeline=name)
        collected.add(catalogue.EXAMPLES_OLDEST, waiting.oldest_age_seconds, pipeline=name)
    for name, dataset in snapshot.datasets.items():
        collected.add(catalogue.DATASETS, dataset.sequence, pipeline=name)
        collected.add(catalogue.LAST_DATASET_EXAMPLES, dataset.new_examples, pipeline=name)
        collected.add(catalogue.LAST_DATASET_OWN_MODEL, dataset.own_model_share, pipeline=name)
        collected.add(catalogue.LAST_DATASET_TIMESTAMP, dataset.cut_timestamp, pipeline=name)
    for name, pipeline in settings.pipelines.items():
        trigger = pipeline.trigger
        examples, tokens = waiting_of(snapshot, name)
        collected.add(catalogue.TRIGGER_MIN_EXAMPLES, trigger.min_examples, pipeline=name)
        collected.add(catalogue.TRIGGER_MIN_TOKENS, trigger.min_tokens, pipeline=name)
        collected.add(catalogue.TRIGGER_MAX_WAIT, trigger.max_wait_seconds, pipeline=name)
        if trigger.min_examples:
            collected.add(catalogue.TRIGGER_EXAMPLES_RATIO, examples / trigger.min_examples, pipeline=name)
        if trigger.min_tokens:
            collected.add(catalogue.TRIGGER_TOKENS_RATIO, tokens / trigger.min_tokens, pipeline=name)


def expected_processes(snapshot: Snapshot) -> dict[str, ProcessGroup]:
    """Processes by name: those that every installation runs, alive or not, and others that were seen."""
    missing = {name: ProcessGroup(0, None) for name in EXPECTED_PROCESSES}
    return missing | {code_of(name): group for name, group in snapshot.processes.items()}


def waiting_of(snapshot: Snapshot, pipeline: str) -> tuple[int, int]:
    """Waiting examples and tokens of a pipeline."""
    waiting = snapshot.waiting.get(pipeline)
    return (waiting.examples, waiting.tokens) if waiting else (0, 0)


def _runs(settings: Settings, snapshot: Snapshot, collected: _Samples) -> None:
    for group in snapshot.runs:
        both = {"pipeline": group.pipeline, "provider": group.provider}
        collected.add(catalogue.RUNS, group.runs, **both, state=group.state)
        collected.add(catalogue.ESTIMATED_COST, group.estimated_usd, **both)
    for run in snapshot.in_flight:
        labels = {"pipeline": run.pipeline, "provider": run.provider, "state": run.state}
        stalled = run.silent_seconds > settings.worker.stalled_after_seconds
        collected.add(catalogue.RUN_STATE, run.state_seconds, **labels)
        collected.add(catalogue.RUN_OVERDUE, run.overdue_seconds, **labels)
        collected.add(catalogue.RUN_STALLED, stalled, **labels)
    for name, promoted_timestamp in snapshot.promotions.items():
        collected.add(catalogue.PROMOTION_TIMESTAMP, promoted_timestamp, pipeline=name)


def _trainings(snapshot: Snapshot, collected: _Samples) -> None:
    for group in snapshot.trainings:
        both = {"pipeline": group.pipeline, "provider": group.provider}
        collected.add(catalogue.TRAININGS_WAITING, group.waiting, **both)
        collected.add(catalogue.TRAININGS_RUNNING, group.running, **both)
        collected.add(catalogue.TRAINING_PROGRESS, group.progress_ratio, **both)
        collected.add(catalogue.TRAINING_LOSS, group.loss, **both)
        collected.add(catalogue.TRAINING_SPEED, group.tokens_per_second, **both)
        collected.add(catalogue.TRAINING_MEMORY, group.memory_bytes, **both)


TOTALS: Mapping[str, Metric] = {
    "examples_dropped": catalogue.EXAMPLES_DROPPED,
    "examples_kept": catalogue.EXAMPLES_KEPT,
    "examples_left_out": catalogue.EXAMPLES_LEFT_OUT,
    "ingest_batches": catalogue.INGEST_BATCHES,
    "ingest_duplicates": catalogue.INGEST_DUPLICATES,
    "ingest_events": catalogue.INGEST_EVENTS,
    "ingest_parked": catalogue.INGEST_PARKED,
    "provider_errors": catalogue.PROVIDER_ERRORS,
    "redactions": catalogue.REDACTIONS,
    "runs_finished": catalogue.RUNS_FINISHED,
    "tokens_trained": catalogue.TRAINED_TOKENS,
    "training_crashes": catalogue.TRAINING_CRASHES,
}
"""The totals of the database that are counters as they are. The labels' keys are the metric's labels."""


def _totals(snapshot: Snapshot, collected: _Samples) -> None:
    for (name, text), value in snapshot.totals.items():
        metric = TOTALS.get(name)
        if metric is not None:
            collected.add(metric, value, **stored_labels(text))


def _batch_sizes(totals: Mapping[tuple[str, str], float], collected: _Samples) -> None:
    batches: dict[str, Counter[str]] = defaultdict(Counter)
    messages: Counter[str] = Counter()
    for (name, text), value in totals.items():
        labels = stored_labels(text)
        transport = code_of(labels.get("transport", ""))
        if name == "ingest_batch_size":
            batches[transport][labels.get("le", "+Inf")] += round(value)
        elif name in ("ingest_events", "ingest_duplicates", "ingest_parked"):
            messages[transport] += round(value)
    for transport, by_bound in sorted(batches.items()):
        plain = {"transport": transport}
        reached = 0
        samples = []
        # A batch is stored once, in its smallest bucket; Prometheus wants it in every larger one, too.
        for bound in BATCH_SIZE_BOUNDS:
            reached += by_bound[str(bound)]
            samples.append(Sample({**plain, "le": f"{bound:.1f}"}, reached, "_bucket"))
        samples.append(Sample({**plain, "le": "+Inf"}, by_bound.total(), "_bucket"))
        samples.append(Sample(plain, by_bound.total(), "_count"))
        samples.append(Sample(plain, messages[transport], "_sum"))
        collected.add_histogram(catalogue.INGEST_BATCH_SIZE, samples)


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    # OpenMetrics knows a unit only as the last word of the name.
    unit = next((unit for unit in ("seconds", "ratio") if metric.family.endswith(f"_{unit}")), "")
    family = Family(metric.family, metric.meaning, metric.type, unit)
    for sample in samples:
        family.add_sample(metric.name + sample.suffix, dict(sample.labels), sample.value)
    return family
