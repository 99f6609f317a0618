"""What every stage does around its work: one program, one folder, events on standard output, an exit status."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ftworker.training.events import DONE, FAILED, INTERRUPTED, Failed, Noted, decode_event
from ftworker.training.stage import StageFailed, named_failure
from tests.conftest import REPOSITORY

PROGRAM = """
import sys, time
from ftworker.training.stage import Interrupted, StageFailed, run_stage

def work(folder, events, stop):
    print("a library that prints")
    {body}

sys.exit(run_stage(work, sys.argv[1:]))
"""
WAIT = "events.note('ready'); time.sleep(60)"


@contextmanager
def stage(body: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.replace("{body}", body), *(arguments or ["folder"])],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()


def told(body: str, *arguments: str) -> tuple[int, list[object], bytes]:
    with stage(body, *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines, errors = process.stdout.read().splitlines(), process.stderr.read()
        return process.wait(), [decode_event(line) for line in lines], errors


def test_a_stage_that_does_its_work_ends_with_0_and_tells_only_events() -> None:
    status, events, errors = told("events.note(folder.name)")
    assert (status, events) == (DONE, [Noted("folder")])
    assert b"a library that prints" in errors


def test_a_failure_with_a_name_is_the_last_event() -> None:
    status, events, _ = told("raise StageFailed('base_missing', 'put it there', transient=True)")
    assert (status, events) == (FAILED, [Failed("base_missing", "put it there", transient=True)])


def test_what_nobody_foresaw_is_a_crash_without_an_event() -> None:
    status, events, errors = told("raise ValueError('secreto')")
    assert (status, events) == (FAILED, [])
    assert b"secreto" in errors  # the file of standard error is the machine owner's own


def test_the_folder_is_asked_for() -> None:
    status, events, errors = told("pass", "one", "two")
    assert (status, events) == (FAILED, [])
    assert b"expected one argument" in errors


def test_sigterm_ends_a_stage_at_once_where_nothing_is_lost() -> None:
    with stage(WAIT) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == INTERRUPTED


def test_sigterm_only_asks_a_stage_that_saves_first() -> None:
    body = "stop.defer(); events.note('ready')\n    while not stop.requested: time.sleep(0.01)\n    raise Interrupted"
    with stage(body) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == INTERRUPTED


def test_a_stage_ends_when_the_job_that_started_it_is_gone() -> None:
    with stage(WAIT) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdout.readline()
        process.stdin.close()
        assert process.wait(10) == INTERRUPTED


def test_a_stage_without_a_job_runs_on() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("{body}", "time.sleep(0.2); events.note('on')"), "folder"],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, decode_event(done.stdout)) == (DONE, Noted("on"))


@pytest.mark.parametrize(
    "error, code",
    [
        (MemoryError(), "out_of_memory"),
        (RuntimeError("CUDA out of memory"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
        (OSError(28, "No space left on device"), "disk_full"),
        (
            RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
            "disk_full",
        ),
        (StageFailed("no_rows", "none"), "no_rows"),
        (ValueError("anything else"), None),
        (OSError(13, "Permission denied"), None),
    ],
)
def test_failures_have_names(error: Exception, code: str | None) -> None:
    failure = named_failure(error)
    assert (failure.code if failure else None) == code
