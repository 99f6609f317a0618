"""What a person does at a plant's terminal and what has to come of it: a deed for each command that changes something.
Here those about runs, and the table of all; `crash_data_deeds` has those about messages, conversations and datasets.

Each deed makes its situation with the product itself, says which command it is, and what is wrong until it is done.
`crash_commands` kills the command everywhere on its way, and gives it again.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ftworker.runs import control
from ftworker.runs.states import RunState
from ftworker.store.runs import RunRow
from tests.chaos import crash_data_deeds as data
from tests.chaos.crash_hand import LEAST, Deed, Hand, Scene


def start(
    hand: Hand, pipeline: str = "asked", *words: str, ends: RunState = RunState.AWAITING_APPROVAL
) -> Scene:
    hand.clear(pipeline)
    hand.make_wait(pipeline)
    before = {run.id for run in hand.runs(pipeline)}

    def wrong() -> str:
        new = [run for run in hand.runs(pipeline) if run.id not in before]
        return hand.is_not(new[0].id, ends) if len(new) == 1 else f"{len(new)} runs were begun"

    return Scene(("runs", "start", pipeline, *words), wrong)


def start_and_wait(hand: Hand) -> Scene:
    """Killed right before the paid call, it leaves a run of which nobody can say that it was not paid: a person looks,
    finds no job, and says so."""
    scene = start(hand, "tried", "--wait", ends=RunState.TRAINED)

    def wrong() -> str:
        for run in hand.runs("tried"):
            jobs = [
                job for job in hand.vendors.state()["jobs"] if job["training_file"] == run.training_file_id
            ]
            if run.state is RunState.PARKED and not jobs:
                hand.must("runs", "resolve", str(run.id), "--none")
        return scene.wrong()

    return Scene(scene.words, wrong)


def approve(hand: Hand) -> Scene:
    run_id = hand.until(hand.begin("asked"), RunState.AWAITING_APPROVAL)
    return Scene(
        ("runs", "approve", str(run_id)), lambda: hand.is_not(run_id, RunState.TRAINED, generation=1)
    )


def cancel_early(hand: Hand) -> Scene:
    run_id = hand.until(hand.begin("asked"), RunState.AWAITING_APPROVAL)
    return Scene(("runs", "cancel", str(run_id)), lambda: hand.is_not(run_id, RunState.CANCELLED))


def cancel_job(hand: Hand) -> Scene:
    hand.vendors.openai_behaves(polls_per_stage=0)
    run_id = hand.until(hand.begin("tried"), RunState.SUBMITTED)

    def wrong() -> str:
        statuses = [
            job["status"] for job in hand.vendors.state()["jobs"] if job["id"] == hand.run(run_id).job_id
        ]
        return hand.is_not(run_id, RunState.CANCELLED) or (
            "" if statuses == ["cancelled"] else f"jobs {statuses}"
        )

    return Scene(("runs", "cancel", str(run_id)), wrong)


def retry(hand: Hand) -> Scene:
    run_id = hand.until(hand.begin("asked"), RunState.AWAITING_APPROVAL)
    control.cancel_run(hand.store, run_id)
    return Scene(
        ("runs", "retry", str(run_id)), lambda: hand.is_not(run_id, RunState.AWAITING_APPROVAL, generation=2)
    )


def promote(hand: Hand, pipeline: str) -> Scene:
    """By turns one that never served and one that served before."""

    def promotable() -> list[RunRow]:
        states = (RunState.TRAINED, RunState.PROMOTED)
        return [run for run in hand.runs(pipeline) if run.state in states]

    def content(run: RunRow) -> Any:
        """Of two names for the same content an alias does not move from one to the other."""
        return hand.vendors.state()["ollama"].get(run.model, run.model)

    while len({content(run) for run in promotable()}) < 2:
        hand.publish(LEAST)
        hand.until(hand.begin(pipeline), RunState.TRAINED)

    def serving() -> Any:
        return hand.one(
            "SELECT run_id FROM ftworker.promotions WHERE pipeline = %(p)s AND demoted_at IS NULL", p=pipeline
        )

    if serving() is None:
        # So that there is one that another takes the place of.
        hand.must("runs", "promote", str(promotable()[0].id))
    present = [content(run) for run in promotable() if run.id == serving()]
    chosen = next(run for run in promotable() if content(run) not in present)

    def wrong() -> str:
        return hand.is_not(chosen.id, RunState.PROMOTED) or (
            "" if serving() == chosen.id else f"run {serving()} serves"
        )

    return Scene(("runs", "promote", str(chosen.id)), wrong)


def reject(hand: Hand) -> Scene:
    run_id = hand.until(hand.begin("tried"), RunState.TRAINED)
    return Scene(("runs", "reject", str(run_id)), lambda: hand.is_not(run_id, RunState.REJECTED))


def resolve(hand: Hand, *, paid: bool) -> Scene:
    """Nobody knows whether the job exists: the call's answer is lost, and no listing shows it."""
    hand.vendors.openai_behaves(listing_lag_calls=1_000)
    hand.vendors.openai_fault("reply_lost" if paid else "connection_closed", "jobs.create")
    run_id = hand.until(hand.begin("tried"), RunState.PARKED)
    hand.vendors.calm()
    jobs = [
        job["id"]
        for job in hand.vendors.state()["jobs"]
        if job["training_file"] == hand.run(run_id).training_file_id
    ]
    assert len(jobs) == paid, jobs
    said = ("--job", jobs[0]) if paid else ("--none",)
    return Scene(
        ("runs", "resolve", str(run_id), *said), lambda: hand.is_not(run_id, RunState.TRAINED, generation=1)
    )


def calm(hand: Hand) -> None:
    hand.vendors.calm()


DEEDS = (
    Deed("runs start", start),
    Deed("runs start (--wait)", start_and_wait, only=" (commit|call of OpenAI) in ", times=1, is_alone=True),
    Deed("runs approve", approve),
    Deed("runs cancel (waits)", cancel_early),
    Deed("runs cancel (trains)", cancel_job, after=calm),
    Deed("runs retry", retry),
    Deed("runs promote (at OpenAI)", partial(promote, pipeline="tried")),
    Deed("runs promote (at Ollama)", partial(promote, pipeline="shelf")),
    Deed("runs reject", reject),
    Deed("runs resolve (--job)", partial(resolve, paid=True)),
    Deed("runs resolve (--none)", partial(resolve, paid=False)),
    Deed("parked collect", data.collect, needs_rabbitmq=True, after=data.replay_all),
    Deed("parked replay", data.replay, needs_rabbitmq=True),
    Deed("parked drop", data.drop, needs_rabbitmq=True),
    Deed("quarantine release", data.release),
    Deed("quarantine reject (waits)", data.reject_waiting),
    Deed("quarantine reject (was released)", data.reject_released),
    Deed("backfill", data.backfill),
    Deed("publish", data.publish),
    Deed("datasets export", partial(data.export, overwrite=False)),
    Deed("datasets export (--overwrite)", partial(data.export, overwrite=True)),
)
READ = (
    *(
        "status",
        "doctor",
        "triggers",
        "runs list",
        "runs show",
        "runs watch",
        "datasets list",
        "datasets show",
    ),
    *(
        "datasets diff",
        "datasets card",
        "datasets report",
        "datasets audit",
        "datasets golden",
        "datasets validate",
    ),
    *(
        "sources list",
        "sources test",
        "parked list",
        "parked show",
        "quarantine list",
        "quarantine show",
        "redact",
    ),
    *("curate", "health", "config check", "config show"),
)
"""Commands that change nothing."""
ELSEWHERE = {
    "migrate": "crash_migrations",
    "ingest": "crash_points, as a process",
    "web": "crash_points, as a process",
    "up": "a supervisor: starts the processes of crash_points",
    "demo": "an installation of its own, made anew each time",
}
