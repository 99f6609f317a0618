"""The supervisor of `ftworker up` with real child processes: their output, their crashes and their end."""

from __future__ import annotations

import os
import re
import signal
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from ftworker.embedded.supervisor import alone_in
from ftworker.errors import Refused
from tests.conftest import REPOSITORY, StartProcess
from tests.servers import OwnProcess, wait_until

# Runs the supervisor as `ftworker up` does, with commands given as NAME=PYTHON CODE.
PROGRAM = textwrap.dedent(
    """
    import os, sys
    from ftworker.embedded.supervisor import run_processes
    commands = {}
    for argument in sys.argv[2:]:
        name, _, code = argument.partition("=")
        commands[name] = [sys.executable, "-c", code]
    timeout = float(sys.argv[1])
    raise SystemExit(
        run_processes(commands, os.environ, stop_timeout_seconds=timeout, first_pause_seconds=0.1)
    )
    """
)

# Installs its handler before it says so, and ends well when asked to.
STEADY = "import signal, time; signal.signal(15, lambda *_: exit(0)); print('ready'); time.sleep(60)"
# Answers the first request and goes on all the same.
STUBBORN = (
    "import signal, time; signal.signal(15, lambda *_: print('heard')); print('ready')\n"
    "while True: time.sleep(1)"
)

Supervise = Callable[..., OwnProcess]


@pytest.fixture
def supervise(start_process: StartProcess) -> Supervise:
    def start(*commands: str, stop_timeout: float = 20) -> OwnProcess:
        return start_process(
            [sys.executable, "-c", PROGRAM, str(stop_timeout), *commands], {"PYTHONPATH": str(REPOSITORY)}
        )

    return start


def child_pid(supervisor: OwnProcess, name: str) -> int:
    """The number of the process that was started last under that name."""
    return int(re.findall(rf"started {name} \(process (\d+)\)", supervisor.output())[-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_signal_ends_all_children_cleanly(supervise: Supervise, number: signal.Signals) -> None:
    supervisor = supervise(f"one={STEADY}", f"two={STEADY}")
    supervisor.wait_for_output("one | ready")
    supervisor.wait_for_output("two | ready")
    children = [psutil.Process(child_pid(supervisor, name)) for name in ("one", "two")]
    supervisor.send_signal(number)
    assert supervisor.wait() == 0
    assert not any(child.is_running() for child in children)
    assert "one has stopped" in supervisor.output()


def test_every_line_carries_the_name_of_its_process(supervise: Supervise) -> None:
    supervisor = supervise(
        "short=import time; print('first'); print('second', end=''); time.sleep(60)",
        "longer_name=import time, sys; sys.stderr.write('on stderr\\n'); time.sleep(60)",
    )
    supervisor.wait_for_output("longer_name | on stderr")
    supervisor.wait_for_output("short       | first")
    supervisor.terminate()
    assert "short       | second" in supervisor.output()
    assert "\x1b[" not in supervisor.output(), "colours belong on a terminal alone"


def test_a_flood_without_a_line_end_is_passed_on(supervise: Supervise) -> None:
    supervisor = supervise("flood=import time; print('x' * 300_000, flush=True); time.sleep(60)")
    wait_until(lambda: supervisor.output().count("x") >= 300_000)
    supervisor.terminate()


def test_a_crashed_child_is_started_again_after_growing_pauses(supervise: Supervise) -> None:
    supervisor = supervise("crasher=raise SystemExit(3)", f"other={STEADY}")
    supervisor.wait_for_output("in 0.4 s")
    output = supervisor.output()
    assert [float(pause) for pause in re.findall(r"starting it in ([\d.]+) s", output)][:3] == [0.1, 0.2, 0.4]
    assert "crasher ended with status 3" in output
    assert output.count("started other") == 1
    assert supervisor.terminate() == 0


def test_a_killed_child_is_named_by_its_signal_and_started_again(supervise: Supervise) -> None:
    supervisor = supervise(f"victim={STEADY}")
    supervisor.wait_for_output("ready")
    first = child_pid(supervisor, "victim")
    os.kill(first, signal.SIGKILL)
    supervisor.wait_for_output("victim ended with signal SIGKILL")
    wait_until(lambda: child_pid(supervisor, "victim") != first)
    assert supervisor.terminate() == 0


def test_what_a_killed_child_leaves_is_ended_before_its_successor_starts(supervise: Supervise) -> None:
    supervisor = supervise(
        "parent=import subprocess, sys, time; "
        "print('grandchild', subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid); "
        "time.sleep(60)"
    )
    supervisor.wait_for_output("grandchild ")
    found = re.search(r"grandchild (\d+)", supervisor.output())
    assert found is not None
    grandchild = psutil.Process(int(found[1]))
    os.kill(child_pid(supervisor, "parent"), signal.SIGKILL)
    wait_until(lambda: supervisor.output().count("started parent") == 2)
    gone = [psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD]
    wait_until(lambda: not grandchild.is_running() or grandchild.status() in gone)
    assert supervisor.terminate() == 0


def test_a_wrong_configuration_stops_everything_with_status_2(supervise: Supervise) -> None:
    supervisor = supervise("wrong=import time; time.sleep(0.5); raise SystemExit(2)", f"well={STEADY}")
    assert supervisor.wait() == 2
    assert "wrong says that its configuration is wrong" in supervisor.output()
    assert "well has stopped" in supervisor.output()


def test_a_child_that_does_not_end_in_time_is_ended_by_force(supervise: Supervise) -> None:
    supervisor = supervise(f"stubborn={STUBBORN}", stop_timeout=0.5)
    supervisor.wait_for_output("ready")
    pid = child_pid(supervisor, "stubborn")
    assert supervisor.terminate() == 1
    assert "ending stubborn by force" in supervisor.output()
    assert not psutil.pid_exists(pid)


def test_a_second_signal_ends_the_children_at_once(supervise: Supervise) -> None:
    supervisor = supervise(f"stubborn={STUBBORN}", stop_timeout=60)
    supervisor.wait_for_output("ready")
    supervisor.send_signal(signal.SIGINT)
    supervisor.wait_for_output("heard")
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(10) == 1


def test_the_children_of_a_killed_supervisor_end_too_where_the_kernel_can(supervise: Supervise) -> None:
    supervisor = supervise(f"one={STEADY}")
    supervisor.wait_for_output("one | ready")
    child = psutil.Process(child_pid(supervisor, "one"))
    os.kill(supervisor.pid, signal.SIGKILL)
    if sys.platform == "linux":
        child.wait(10)
    else:
        assert child.is_running()
        child.kill()


def test_a_program_that_is_not_there_stops_everything(start_process: StartProcess) -> None:
    program = (
        "import os; from ftworker.embedded.supervisor import run_processes\n"
        "raise SystemExit(run_processes({'a': ['no-such-program']}, os.environ))"
    )
    supervisor = start_process([sys.executable, "-c", program], {"PYTHONPATH": str(REPOSITORY)})
    assert supervisor.wait() == 2
    assert "a cannot be started: No such file or directory: no-such-program" in supervisor.output()


def test_a_closed_terminal_stops_the_children(start_process: StartProcess) -> None:
    shell = f'"{sys.executable}" -c "$PROGRAM" 20 "one=$STEADY" "talker=$TALKER" | head -n 4; echo over'
    talker = "import time\nwhile True: print('talk'); time.sleep(0.05)"
    pipeline = start_process(
        ["bash", "-c", shell],
        {"PROGRAM": PROGRAM, "STEADY": STEADY, "TALKER": talker, "PYTHONPATH": str(REPOSITORY)},
    )
    assert pipeline.wait() == 0
    assert pipeline.output().endswith("over\n")


def test_a_home_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with (
        alone_in(home),
        pytest.raises(Refused, match=rf"runs already over {home} \(process {os.getpid()}\)"),
        alone_in(home),
    ):
        raise AssertionError("two hold it")
    with alone_in(home):
        assert (home / "up.lock").read_text() == str(os.getpid())


def test_the_idle_supervisor_uses_no_processor_time(supervise: Supervise) -> None:
    supervisor = supervise(f"one={STEADY}")
    supervisor.wait_for_output("one | ready")
    process = psutil.Process(supervisor.pid)
    before = process.cpu_times()
    voluntary = process.num_ctx_switches().voluntary
    with pytest.raises(AssertionError):
        wait_until(lambda: False, 1.0)
    after = process.cpu_times()
    assert after.user + after.system - before.user - before.system < 0.05
    assert process.num_ctx_switches().voluntary - voluntary < 5
    assert supervisor.terminate() == 0
