"""What is known of a plant after a time of faults: its rows, files, logs, pages, queues, and the vendors' memory.

Gathered once, looked at by every rule of `invariants`. Reads only.
"""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ftworker.datasets.audit import Leak
from ftworker.errors import FtworkerError
from tests.audited import audit_if_exported
from tests.chaos.plan import Expected, Published
from tests.chaos.plant import Plant
from tests.chaos.processes import Ended

TABLES_WITH_TEXT = frozenset({"inbox", "examples", "parked"})
"""Where words of conversations may stand: as they came, as what is trained on, and as what nobody understood."""


@dataclass
class Evidence:
    """See the module. Rows are named tuples of the columns that the queries below name."""

    messages: list[Published]
    expected: list[Expected]
    inbox: list[Any]
    parked: list[Any]
    examples: list[Any]
    drops: list[Any]
    conversations: list[Any]
    datasets: list[Any]
    runs: list[Any]
    promotions: list[Any]
    kept_back: set[int]
    """Runs whose trained model need not serve: a person promotes it, or the journal says why nobody did."""
    vendors: dict[str, Any]
    audits: dict[int, str]
    """What the audit of each exported dataset found wrong; an empty text for one that is clean."""
    texts: dict[str, str]
    """Everything that was written for people or machines beside the data: logs, pages, tasks, other tables."""
    stored_texts: dict[str, str]
    """The tables that may hold words of conversations, as text."""
    unsettled: list[str]
    ended: list[Ended]
    pipelines: list[str] = field(default_factory=list)
    jobs: list[str] = field(default_factory=list)
    """Training jobs that still run."""
    not_promised: set[bytes] = field(default_factory=set)
    """Hashes of messages that a broker was allowed to forget; their conversations come back by a backfill."""
    queues: dict[str, int] = field(default_factory=dict)
    """What stands in each queue that must be empty."""

    @property
    def facts(self) -> int:
        """How many things there were to look at."""
        lists: Iterable[Any] = (
            *(self.messages, self.inbox, self.parked, self.examples, self.drops, self.conversations),
            *(self.datasets, self.runs, self.promotions, self.texts, self.stored_texts, self.ended),
        )
        return sum(map(len, lists))


QUERIES = {
    "inbox": "SELECT event_source, event_id, conversation_id, outcome, processed_at, payload IS NULL AS erased "
    "FROM ftworker.inbox",
    "parked": "SELECT raw_sha256, raw, reason, times, inbox_id FROM ftworker.parked",
    "examples": "SELECT e.id, e.pipeline, c.conversation_id, e.turn, e.dataset_id, e.erased_at, e.content "
    "FROM ftworker.examples AS e JOIN ftworker.conversations AS c ON c.id = e.conversation_id",
    "drops": "SELECT d.pipeline, c.conversation_id, d.turn, d.reason "
    "FROM ftworker.drops AS d JOIN ftworker.conversations AS c ON c.id = d.conversation_id",
    "conversations": "SELECT conversation_id, deleted_at FROM ftworker.conversations",
    "datasets": "SELECT id, pipeline, sequence, new_examples, sha256, url, manifest FROM ftworker.datasets",
    "runs": "SELECT id, pipeline, provider, dataset_id, state, generation, run_key, training_file_id, job_id, model, "
    "lease_token, lease_expires_at, next_action_at, error_code, error_message FROM ftworker.runs",
    "promotions": "SELECT pipeline, run_id, model, demoted_at FROM ftworker.promotions ORDER BY id",
}


def gather(plant: Plant, unsettled: list[str]) -> Evidence:
    """Everything that is known of a plant that rests. `unsettled` is what `Plant.settle` said."""
    rows: dict[str, list[Any]] = {}
    with plant.store.transaction() as cursor:
        for name, query in QUERIES.items():
            cursor.execute(query)
            rows[name] = cursor.fetchall()
        cursor.execute(
            "SELECT DISTINCT run_id FROM ftworker.run_journal "
            "WHERE message LIKE 'not promoted: %' OR message LIKE 'promotion failed%'"
        )
        kept_back = {row.run_id for row in cursor.fetchall()}
        cursor.execute("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'ftworker'")
        tables = {}
        for table in [row.name for row in cursor.fetchall()]:
            cursor.execute(f"SELECT string_agg(t::text, E'\\n') AS content FROM ftworker.{table} AS t")
            tables[table] = cursor.fetchone().content or ""
    texts = {f"table {name}": text for name, text in tables.items() if name not in TABLES_WITH_TEXT}
    logs = [*plant.logs.iterdir(), *(plant.folder / "home").rglob("*.log")]
    texts |= {f"log {path.name}": path.read_text(errors="replace") for path in logs}
    texts |= {f"page {path}": page(plant, path) for path in ("/", "/metrics", "/healthz")}
    texts["task messages"] = plant.tasks.seen()
    return Evidence(
        **rows,
        messages=[message for plan in plant.plans for message in plan.messages],
        expected=[conversation for plan in plant.plans for conversation in plan.conversations],
        kept_back=kept_back
        | {row.id for row in rows["runs"] if plant.settings.pipelines[row.pipeline].promote == "manual"},
        vendors=plant.vendors.state(),
        audits={row.id: audit_findings(plant, row.id) for row in rows["datasets"] if row.sha256},
        texts=texts,
        stored_texts={name: tables[name] for name in TABLES_WITH_TEXT},
        unsettled=unsettled,
        ended=list(plant.processes.ended),
        pipelines=list(plant.pipelines),
        jobs=[" ".join(job.cmdline()[1:]) for job in plant.processes.jobs()],
        not_promised=plant.not_promised(),
        queues=plant.queue_depths(),
    )


def audit_findings(plant: Plant, dataset_id: int) -> str:
    """What is wrong with a dataset's files, in words. That a conversation was erased since is nobody's mistake."""
    try:
        audit = audit_if_exported(plant.store, dataset_id)
    except FtworkerError as error:
        return str(error)
    assert audit is not None
    return "; ".join(
        f"{found.leak.value} {found.count} {found.detail} examples {found.example_ids}".strip()
        for found in audit.found
        if found.leak is not Leak.ERASED_INSIDE
    )


def page(plant: Plant, path: str) -> str:
    """A page of `ftworker web` as it is served now."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{plant.web_port}{path}", timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        with contextlib.closing(error):
            return error.read().decode()
    except OSError as error:
        return f"no answer: {type(error).__name__}"
