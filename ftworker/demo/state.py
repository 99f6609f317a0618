"""What the demonstration left in ftworker's tables: how far it has come, who else is at work, how to forget it.

The statements are in state.sql. Touches rows of the play's own source and pipeline alone.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from ftworker.demo.conversations import Play
from ftworker.store import Cursor, runs, totals, trainings
from ftworker.store.metrics import DEAD_AFTER_SECONDS
from ftworker.store.runs import RunRow
from ftworker.store.trainings import TrainingRow


@dataclass(frozen=True)
class Progress:
    """How far the demonstration has come. Two that are equal mean that nothing has moved in between."""

    published: int
    recorded: int
    """Events that `ingest` has written down."""
    accumulated: int
    """Events whose conversations have become examples, or were left out."""
    kept: int
    """Examples."""
    journal_entries: int
    """Lines that the steps of the run have written."""
    run: RunRow | None
    training: TrainingRow | None = None
    """The training of the run, where one was handed in."""

    def is_over(self, conversations: int) -> bool:
        """Whether every conversation was worked on and the run has come to where it ends, or waits for a person."""
        run = self.run
        if self.accumulated < conversations or run is None:
            return False
        return run.next_action_at is None and run.lease_token is None


def read_progress(cursor: Cursor, play: Play, published: int) -> Progress:
    """The present state; `published` is what the caller knows of its own publishing."""
    cursor.execute(_statements()["progress"], _names(play))
    row = cursor.fetchone()
    run = last_run(cursor, play)
    training = trainings.training_of_run(cursor, run.id) if run is not None else None
    return Progress(published, row.recorded, row.accumulated, row.kept, row.journal_entries, run, training)


def last_run(cursor: Cursor, play: Play) -> RunRow | None:
    """The newest run of the play's pipeline."""
    found = runs.list_runs(cursor, pipeline=play.pipeline, limit=1)
    return found[0] if found else None


def read_drops(cursor: Cursor, play: Play) -> list[tuple[str, int, str]]:
    """What was left out: the conversation, its turn (-1: as a whole), and the reason code."""
    cursor.execute(_statements()["drops"], _names(play))
    return [(row.conversation_id, row.turn, row.reason) for row in cursor.fetchall()]


def read_redactions(cursor: Cursor, play: Play) -> Mapping[str, int]:
    """How many finds of personal data became placeholders, by kind, the most frequent first."""
    found = {
        dict(part.split("=", 1) for part in labels.split(","))["kind"]: int(number)
        for (name, labels), number in totals.read(cursor).items()
        if name == "redactions" and f"pipeline={play.pipeline}" in labels.split(",")
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def others_at_work(cursor: Cursor, play: Play) -> str | None:
    """What is under way in this database besides the demonstration, in a person's words; None when nothing is."""
    clear_ended_processes(cursor)
    cursor.execute(_statements()["processes"], {"seconds": DEAD_AFTER_SECONDS})
    alive = [row.name for row in cursor.fetchall()]
    if alive:
        return f"ftworker's processes are running on this database ({', '.join(dict.fromkeys(alive))})"
    cursor.execute(_statements()["others"], _names(play))
    row = cursor.fetchone()
    if row.waiting:
        return f"{row.waiting} events of your own wait in this database"
    if row.runs:
        return f"{row.runs} runs of your own pipelines are under way in this database"
    return None


def is_ready(cursor: Cursor, name: str, pid: int) -> bool:
    """Whether the process of that name and number on this machine has said that it works."""
    cursor.execute(_statements()["ready"], {"name": name, "host": socket.gethostname(), "pid": pid})
    return bool(cursor.fetchone().ready)


def clear_ended_processes(cursor: Cursor) -> None:
    """Take away the rows of processes of this machine that have ended without saying so; `status` shows the others."""
    cursor.execute(_statements()["processes"], {"seconds": DEAD_AFTER_SECONDS})
    for row in cursor.fetchall():
        if _has_ended(row.host, row.pid):
            named = {"name": row.name, "host": row.host, "pid": row.pid}
            cursor.execute(_statements()["process_ended"], named)


def withdraw(cursor: Cursor, play: Play) -> None:
    """Take back the events that still wait. Publishing them again records them again."""
    cursor.execute(_statements()["withdraw"], _names(play))


def forget(cursor: Cursor, play: Play) -> None:
    """Remove every row of the play and its chat store. Files of datasets and runs stay."""
    statements = _statements()["forget"].replace("EXISTS rag_demo ", f"EXISTS {play.schema} ")
    cursor.execute(statements, _names(play))


def _names(play: Play) -> Mapping[str, str]:
    return {"source": play.source, "pipeline": play.pipeline}


def _has_ended(host: str, pid: int) -> bool:
    """Whether a process of this host is surely gone: one that was killed leaves its row for a minute."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@cache
def _statements() -> Mapping[str, str]:
    text = files("ftworker.demo").joinpath("state.sql").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("-- name: ")[1:])
    return {name.strip(): body.strip() for name, _, body in parts}
