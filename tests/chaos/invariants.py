"""What must hold when a plant rests, whatever was done to it before. Each rule looks at the evidence and says what is
wrong; `test_chaos_short` plants a violation of each by hand and sees it found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.evidence import Evidence, gather
from tests.chaos.idle_stores import QUIET, STILL
from tests.chaos.plan import STORE, SYLLABLES
from tests.chaos.plant import Plant
from tests.chaos.random_faults import UNKNOWN_STATUS

CANARY = re.compile(rf"(?:{'|'.join(SYLLABLES)}){{7}}", re.IGNORECASE)

RESTING = frozenset(
    {"promoted", "packaged", "failed", "cancelled", "rejected", "parked", "awaiting_approval"}
)
HAVE_A_JOB = frozenset({"submitted", "trained", "promoted"})
EXCUSED_ENDS = (
    *("Could not start worker processes", "in _track_child_process", "in get_process_queues"),
    "kombu/transport/redis.py",
)
"""Last words of a Celery worker that ended itself by a weakness of Celery 5.7 (docs/RELIABILITY.md): a child was
killed while its pool was starting, when its event loop began to listen to it, or just before the connection was lost;
or the Redis transport, told that its connection broke, asks that connection for its host. A supervisor starts it again,
as `ftworker up` and docker-compose.yml do."""
OURS = (f"ftworker/backfill/{STORE}", f"ftworker/sweep_idle/{QUIET}", f"ftworker/sweep_idle/{STILL}")
"""Sources of events that nobody published: a backfill made them, or the sweep over stores that tell nothing."""
CELERY_WORKERS = ("worker", "trainer")
DROPPED_FOR = {"thumbs_down": "thumbs_down", "too_short": "too_short"}


@dataclass(frozen=True)
class Violation:
    """A rule that does not hold, and where."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


Rule = Callable[[Evidence], Iterator[str]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    RULES[function.__name__] = function
    return function


def check(plant: Plant, unsettled: list[str] | None = None) -> list[Violation]:
    """Look at everything that a resting plant holds. `unsettled` is what `Plant.settle` answered."""
    return judge(gather(plant, unsettled or []))


def judge(evidence: Evidence) -> list[Violation]:
    """What the rules say of the evidence."""
    return [Violation(name, what) for name, holds in RULES.items() for what in holds(evidence)]


@rule
def every_event_is_accounted_for_once(evidence: Evidence) -> Iterator[str]:
    """Recorded once, and ended with an outcome; what is no event is parked once; nothing else is there.

    Only a closing by the task that its broker forgot may be missing; its turns must be there all the same.
    """
    published = {message.key for message in evidence.messages if message.key}
    # What a stream had lost was published again and is promised since.
    excused = {one.raw_sha256 for one in evidence.messages if one.via == "task"} & evidence.not_promised
    may_lack = {one.key for one in evidence.messages if one.raw_sha256 in excused}
    recorded = Counter((row.event_source, row.event_id) for row in evidence.inbox)
    for key in sorted(published - recorded.keys() - may_lack):
        yield f"event {key} was confirmed and is not recorded"
    for key, times in recorded.items():
        if key not in published and not key[0].startswith(OURS):
            yield f"event {key} is recorded and nobody published it"
        if times > 1:
            yield f"event {key} is recorded {times} times"
    for row in evidence.inbox:
        if row.outcome is None or row.outcome in ("parked", "unmatched"):
            yield f"event {row.event_id} ended as {row.outcome}"
    no_events = {message.raw_sha256 for message in evidence.messages if message.key is None}
    parked = Counter(bytes(row.raw_sha256) for row in evidence.parked)
    for digest in no_events - parked.keys() - excused:
        yield f"bytes {digest.hex()[:12]} were no event and are not parked"
    for digest in parked.keys() - no_events:
        yield f"bytes {digest.hex()[:12]} are parked and were a good event, or nobody's"


@rule
def every_turn_became_what_it_had_to(evidence: Evidence) -> Iterator[str]:
    """Of the last version of each conversation every good turn is one example a pipeline, every other one a drop."""
    examples: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for row in evidence.examples:
        examples[row.pipeline, row.conversation_id][row.turn] += 1
    drops: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for row in evidence.drops:
        drops[row.pipeline, row.conversation_id][row.turn] = row.reason
    for conversation in evidence.expected:
        if conversation.deleted:
            continue
        good = Counter(turn for turn, kind in enumerate(conversation.turns) if kind == "good")
        bad = {turn: DROPPED_FOR[kind] for turn, kind in enumerate(conversation.turns) if kind != "good"}
        for pipeline in evidence.pipelines:
            key = (pipeline, conversation.conversation_id)
            if examples[key] != good:
                yield f"{key}: examples {dict(examples[key])}, expected {dict(good)}"
            if drops[key] != bad:
                yield f"{key}: drops {drops[key]}, expected {bad}"


@rule
def nothing_of_a_deleted_conversation_is_left(evidence: Evidence) -> Iterator[str]:
    """A tombstone, rows without text, and the places of examples that datasets hold."""
    deleted = {
        expected.conversation_id: expected.canary for expected in evidence.expected if expected.deleted
    }
    for row in evidence.conversations:
        if (row.conversation_id in deleted) != (row.deleted_at is not None):
            yield f"{row.conversation_id}: deleted_at is {row.deleted_at}"
    for row in evidence.examples:
        if row.conversation_id in deleted and (row.dataset_id is None or row.erased_at is None):
            yield f"{row.conversation_id}: example {row.id} is still there"
    for row in evidence.inbox:
        if row.conversation_id in deleted and not row.erased:
            yield f"{row.conversation_id}: event {row.event_id} still holds its text"
    words = set(deleted.values())
    for name, text in evidence.stored_texts.items():
        for word in words & set(CANARY.findall(text)):
            yield f"table {name} still holds the word {word} of a deleted conversation"


@rule
def each_example_is_in_at_most_one_cut(evidence: Evidence) -> Iterator[str]:
    """A dataset counts what it was the first to hold; cuts of a pipeline are numbered without a gap; one run each."""
    held = Counter(row.dataset_id for row in evidence.examples)
    sequences: dict[str, list[int]] = defaultdict(list)
    runs = Counter(row.dataset_id for row in evidence.runs)
    for row in evidence.datasets:
        sequences[row.pipeline].append(row.sequence)
        if held[row.id] != row.new_examples:
            yield f"dataset {row.id} was cut with {row.new_examples} examples and holds {held[row.id]}"
        if runs[row.id] != 1:
            yield f"dataset {row.id} has {runs[row.id]} runs"
    for pipeline, numbers in sequences.items():
        if sorted(numbers) != list(range(1, len(numbers) + 1)):
            yield f"pipeline {pipeline}: its cuts are numbered {sorted(numbers)}"
    pipelines = {row.id: row.pipeline for row in evidence.datasets}
    for row in evidence.examples:
        if row.dataset_id is not None and pipelines.get(row.dataset_id) != row.pipeline:
            yield f"example {row.id} of {row.pipeline} is in dataset {row.dataset_id}, which is another's"


@rule
def datasets_are_what_their_manifests_say(evidence: Evidence) -> Iterator[str]:
    """Every file has its hash, and an audit finds every row among the examples and none where it must not be."""
    for dataset_id, findings in evidence.audits.items():
        if findings:
            yield f"dataset {dataset_id}: {findings}"
    for row in evidence.runs:
        if row.run_key is not None and row.dataset_id not in evidence.audits:
            yield f"run {row.id} has a key and its dataset {row.dataset_id} is not exported"


@rule
def one_job_for_each_run_and_generation(evidence: Evidence) -> Iterator[str]:
    """Jobs are known by their training file, and files by their name, which is the run's key in that generation."""
    keys = {file["id"]: file["filename"] for file in evidence.vendors["files"]}
    jobs: dict[str, list[str]] = defaultdict(list)
    for job in evidence.vendors["jobs"]:
        jobs[keys[job["training_file"]]].append(job["id"])
    for name, ids in jobs.items():
        if len(ids) > 1:
            yield f"{len(ids)} jobs were paid for {name}: {', '.join(ids)}"
    by_file = {job["training_file"]: job for job in evidence.vendors["jobs"]}
    known = {job["id"] for job in evidence.vendors["jobs"]}
    claimed = Counter(row.job_id for row in evidence.runs if row.provider == "openai" and row.job_id)
    for job_id, times in claimed.items():
        if times > 1 or job_id not in known:
            yield f"job {job_id} belongs to {times} runs, and OpenAI {'has' if job_id in known else 'lacks'} it"
    for row in evidence.runs:
        if row.provider != "openai":
            continue
        job = by_file.get(row.training_file_id)
        if row.state in HAVE_A_JOB and (job is None or job["id"] != row.job_id):
            yield f"run {row.id} is {row.state} with job {row.job_id}; OpenAI has {job and job['id']}"
        # A job that nobody knows of would train, cost, and be lost.
        if (
            row.job_id is None
            and job is not None
            and row.state in ("failed", "cancelled", "uploaded", "exported")
        ):
            yield f"run {row.id} is {row.state} without a job, and OpenAI trains {job['id']} for it"


@rule
def every_run_is_over_or_waits_for_a_person(evidence: Evidence) -> Iterator[str]:
    """After a rest no run is on its way; one that waits for a person says why."""
    for row in evidence.runs:
        if row.state == "trained" and row.id in evidence.kept_back:
            continue
        if row.state not in RESTING:
            yield f"run {row.id} is {row.state}, next action {row.next_action_at}"
        elif row.state in ("failed", "parked") and not (row.error_code and row.error_message):
            yield f"run {row.id} is {row.state} and does not say why"


@rule
def no_lease_outlives_its_holder(evidence: Evidence) -> Iterator[str]:
    """At rest nobody works, so nobody holds a run."""
    for row in evidence.runs:
        if row.lease_token is not None:
            yield f"run {row.id} ({row.state}) is leased until {row.lease_expires_at}"
    yield from evidence.jobs


@rule
def nothing_waits_that_nobody_wakes(evidence: Evidence) -> Iterator[str]:
    """What was still due when the time to settle was over."""
    yield from evidence.unsettled


@rule
def queues_are_empty(evidence: Evidence) -> Iterator[str]:
    """No event is left in a broker, none was given up, and no task stays in a queue."""
    for name, depth in evidence.queues.items():
        if depth:
            yield f"{name}: {depth}"


@rule
def no_conversation_shows(evidence: Evidence) -> Iterator[str]:
    """No word of a conversation in any log, page, metric, task message, or table beside those that hold the data."""
    for name, text in evidence.texts.items():
        found = set(CANARY.findall(text))
        if found:
            yield f"{name} holds {', '.join(sorted(found)[:3])}"


@rule
def one_model_serves_each_pipeline(evidence: Evidence) -> Iterator[str]:
    """A promoted run was promoted, at most one is present, none twice in a row, and the vendor has its model."""
    present = Counter(row.pipeline for row in evidence.promotions if row.demoted_at is None)
    for pipeline, count in present.items():
        if count > 1:
            yield f"{count} models serve {pipeline}"
    of_pipeline: dict[str, list[int]] = defaultdict(list)
    for row in evidence.promotions:
        of_pipeline[row.pipeline].append(row.run_id)
    for pipeline, run_ids in of_pipeline.items():
        # One that served before is promoted again by hand, but only after another.
        for before, after in pairwise(run_ids):
            if before == after:
                yield f"run {after} was promoted twice for {pipeline}"
    promoted = {row.run_id for row in evidence.promotions}
    models = {job["id"]: job["fine_tuned_model"] for job in evidence.vendors["jobs"]}
    for row in evidence.runs:
        if row.state == "promoted" and row.id not in promoted:
            yield f"run {row.id} is promoted and never served"
        if row.state == "promoted" and row.provider == "openai" and models.get(row.job_id) != row.model:
            yield f"run {row.id} serves {row.model}, its job made {models.get(row.job_id)}"
    local = {row.id for row in evidence.runs if row.provider == "local"}
    for row in evidence.promotions:
        if row.demoted_at is None and row.run_id in local:
            served = row.model.rpartition(":")[0] + ":latest"
            for name in (row.model, served):
                if name not in evidence.vendors["ollama"]:
                    yield f"Ollama lacks {name}, which serves {row.pipeline}"
            digests = {evidence.vendors["ollama"].get(name) for name in (row.model, served)}
            if len(digests) > 1:
                yield f"at Ollama {served} is another model than {row.model}"


@rule
def no_process_ends_by_itself(evidence: Evidence) -> Iterator[str]:
    """Outages are waited out; only a kill ends a process."""
    for ended in evidence.ended:
        excused = ended.name in CELERY_WORKERS and any(words in ended.last_words for words in EXCUSED_ENDS)
        if not ended.by_us and not excused:
            yield f"{ended.name} ended with {ended.status}: {ended.last_words[-1500:]}"


@rule
def the_vendors_kept_to_their_description(evidence: Evidence) -> Iterator[str]:
    """The judges themselves: a double that answers against OpenAI's description proves nothing."""
    # A status that the description lacks is one of the faults.
    yield from (said for said in evidence.vendors["violations"] if UNKNOWN_STATUS not in said)
