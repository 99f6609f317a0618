"""A whole installation under test: its configuration file, its environment, its processes, its database.

Real processes against private servers; only the provider is a double. Used by the tests of this folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ftworker.runs.states import RunState
from ftworker.store import Store, inbox, runs
from ftworker.store.runs import RunRow
from tests.audited import audit_if_exported
from tests.servers import OwnProcess, wait_until

KEY = "sk-double-test-key"

CONFIGURATION = """
[worker]
sweep_interval_seconds = 0.5
revive_after_seconds = 2.0
step_lease_seconds = {lease}
retry_base_seconds = 0.3
retry_max_seconds = 2.0
reconcile_interval_seconds = 0.5
reconcile_grace_seconds = 60.0

[ingest]
linger_seconds = 0.05

[providers.openai]
kind = "openai"
poll_interval_seconds = 0.3
submit_timeout_seconds = {submit}

[providers.local]
kind = "local"
poll_interval_seconds = 0.3

[pipelines.tutor]
provider = "{provider}"
base_model = "{model}"
promote = "auto"
trigger = {{ min_examples = {threshold}, cooldown_seconds = 0 }}
"""


class StartProcess(Protocol):
    def __call__(
        self, arguments: Sequence[str], env: Mapping[str, str] | None = None, *, cwd: Path | None = None
    ) -> OwnProcess: ...


@dataclass
class Workbench:
    """One installation. `start` its processes, `record` conversations, wait for its runs."""

    folder: Path
    database_url: str
    broker_url: str
    start_process: StartProcess
    openai_base_url: str = "http://127.0.0.1:9/v1"
    ollama_host: str = "http://127.0.0.1:9"
    provider: str = "openai"
    base_model: str = "gpt-4.1-mini-2025-04-14"
    threshold: int = 20
    lease_seconds: float = 20.0
    submit_timeout_seconds: float = 5.0
    key: str = KEY
    processes: dict[str, OwnProcess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = self.folder / "ftworker.toml"
        self.config.write_text(
            CONFIGURATION.format(
                lease=self.lease_seconds,
                submit=self.submit_timeout_seconds,
                provider=self.provider,
                model=self.base_model,
                threshold=self.threshold,
            ),
            encoding="utf-8",
        )
        self.store = Store(self.database_url)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "FTWORKER_CONFIG": str(self.config),
            "FTWORKER_HOME": str(self.folder / "home"),
            "FTWORKER_DATABASE_URL": self.database_url,
            "FTWORKER_BROKER_URL": self.broker_url,
            "OPENAI_API_KEY": self.key,
            "OPENAI_BASE_URL": self.openai_base_url,
            "OLLAMA_HOST": self.ollama_host,
        }

    def start(self, *names: str) -> None:
        """Start processes by their Procfile names and wait until each says that it is ready."""
        celery = ["celery", "-A", "ftworker.celery:app"]
        quiet = ["--without-gossip", "--without-mingle", "-l", "INFO"]
        commands = {
            "ingest": (["ftworker", "ingest"], None),
            "worker": ([*celery, "worker", "-n", "worker@%h", "-Q", "ftworker", "-c", "2", *quiet], "ready."),
            "trainer": (
                [*celery, "worker", "-n", "trainer@%h", "-Q", "ftworker.training", "-c", "1", *quiet],
                "ready.",
            ),
            "beat": (
                [*celery, "beat", "-s", str(self.folder / "beat"), "--pidfile=", "-l", "INFO"],
                "beat: Starting",
            ),
        }
        for name in names:
            self.processes[name] = self.start_process(commands[name][0], self.environment)
        for name in names:
            ready = commands[name][1]
            if ready is not None:
                self.processes[name].wait_for_output(ready, 60)

    def command(self, *arguments: str) -> OwnProcess:
        """Run one command to its end."""
        process = self.start_process(list(arguments), self.environment)
        process.wait(60)
        return process

    def record(self, payloads: Iterable[Mapping[str, Any]]) -> None:
        """Put events straight into the inbox, as ingest does."""
        events = [
            inbox.NewEvent(
                str(p["source"]),
                str(p["id"]),
                p["data"].get("source_name", "default"),
                p["data"]["conversation_id"],
                json.dumps(p, ensure_ascii=False),
            )
            for p in payloads
        ]
        with self.store.transaction() as cursor:
            inbox.record_batch(cursor, events, [], "task")

    def ring(self) -> None:
        """Send `ftworker.accumulate`, as ingest does after a batch."""
        process = self.command("celery", "-A", "ftworker.celery:app", "call", "ftworker.accumulate")
        assert process.returncode == 0, process.output()

    def all_runs(self) -> list[RunRow]:
        with self.store.transaction() as cursor:
            return runs.list_runs(cursor)

    def wait_for_run(self, *states: RunState, timeout: float = 60.0) -> RunRow:
        """Wait until the only run is in one of the states."""

        def there() -> RunRow | None:
            found = self.all_runs()
            assert len(found) <= 1, f"{len(found)} runs"
            return found[0] if found and found[0].state in states else None

        def explain() -> str:
            found = self.all_runs()
            return f"runs: {[(r.id, r.state, r.error_code, r.error_message) for r in found]}"

        run = wait_until(there, timeout, message=explain)
        assert run is not None
        audit = audit_if_exported(self.store, run.dataset_id)
        assert audit is None or audit.clean, audit
        return run

    def journal(self, run_id: int) -> list[str]:
        with self.store.transaction() as cursor:
            return [entry.message for entry in runs.read_journal(cursor, run_id)]


def closed_events(count: int, *, users: int = 7, first: int = 0) -> list[dict[str, Any]]:
    """`count` conversations of one good turn each, as CloudEvents with inline messages."""
    return [
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "source": "/rag",
            "type": "org.ftworker.conversation.closed.v1",
            "data": {
                "conversation_id": f"conversation-{number}",
                "user_ref": f"user-{number % users}",
                "reason": "user_ended",
                "closed_at": "2026-11-20T10:00:00Z",
                "messages": [
                    {"role": "user", "content": f"¿Cuánto es {number} más {number + 1}?"},
                    {
                        "role": "assistant",
                        "content": f"La suma de {number} y {number + 1} es {2 * number + 1}, porque se añaden.",
                    },
                ],
            },
        }
        for number in range(first, first + count)
    ]
