"""The crash points that matter most, a whole plant at rest after them; two bugs that only they find; and the parts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from ftworker import cli
from tests.chaos.crash_board import Arm, Board, Crashed, Struck
from tests.chaos.crash_commands import crash_at
from tests.chaos.crash_deeds import DEEDS, ELSEWHERE, READ
from tests.chaos.crash_hand import Hand
from tests.chaos.crash_hook import PRODUCT, place_of, role_of
from tests.chaos.crash_migrations import crash_migration, schema
from tests.chaos.crash_plant import CrashPlant, not_ours
from tests.chaos.crash_points import KINDS, LATEST, batches, kind_of, next_batch, time_of
from tests.chaos.crash_stages import crash_stages, named_too_early
from tests.chaos.processes import Ended
from tests.servers import OwnProcess, wait_until

DEAREST = {
    "paid, answer not saved": r"^task: after call of OpenAI in .*openai_jobs\.create",
    "recorded, not acknowledged": r"^ingest .*: after commit in .*_record:",
    "published, not recorded": r"^task: after rename in .*export_dataset",
    "between two data files": r"^task: after fsync in .*export\._write",
    "before the next link": r"^task: before publishing ftworker\.create_job by the chain",
    "before a task's acknowledgement": r"^worker: before ack of ftworker\.upload",
    "promoted at Ollama, not recorded": r"^task: after commit in .*local_registry\.promote",
    "found idle, position not moved": r"^task: before commit in .*idle\._move",
}
PAID_BY_A_COMMAND = Arm(r"^command runs start: after call of OpenAI in .*openai_jobs\.create")
IN_A_MIGRATION = Arm(r"^migrate: before statement in ", 6)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CrashPlant]:
    folder = tmp_path_factory.mktemp("crash")
    for parent in (folder, folder.parent):
        parent.chmod(0o755)  # PostgreSQL runs as another user where root tests
    with CrashPlant(
        folder / "plant", broker="valkey", events=("stream",), seed=23, trainings=False, idle=True
    ) as plant:
        yield plant


def test_a_migration_that_was_killed_in_the_middle_left_nothing_and_goes_through(plant: CrashPlant) -> None:
    assert crash_migration(plant, IN_A_MIGRATION, schema(plant)) == []


@pytest.mark.timeout(300)  # on a machine that does other things as well
def test_after_a_crash_at_each_of_the_dearest_points_every_promise_holds(plant: CrashPlant) -> None:
    plant.start()

    missed = plant.round({key: Arm(pattern) for key, pattern in DEAREST.items()})

    assert missed == set()
    evidence, violations = plant.judge()
    assert violations == []
    # Not for want of work: every pipeline has a model of what came in.
    assert {(row.pipeline, row.state) for row in evidence.runs} >= {
        ("tutor", "promoted"),
        ("guide", "promoted"),
        ("house", "promoted"),
    }


@pytest.mark.timeout(300)
def test_a_command_that_was_killed_after_the_paid_call_is_given_again_and_pays_nothing(
    plant: CrashPlant,
) -> None:
    deed = next(deed for deed in DEEDS if deed.name == "runs start (--wait)")
    done = Crashed()

    crash_at(Hand(plant), deed, "paid, answer not saved", PAID_BY_A_COMMAND, done)

    assert done == Crashed(crashed=["paid, answer not saved"])
    plant.unsettled = plant.settle()
    assert plant.judge()[1] == []


@pytest.mark.timeout(300)
def test_a_guard_at_the_wrong_place_is_found_by_a_crash(plant: CrashPlant) -> None:
    """The product's own order was judged well just now; these two go last, for what they spoil stays."""
    plant.board.plant_bugs()
    for name in ("worker", "ingest-stream"):
        plant.plant.processes.kill(name, whole_group=True)

    arms = {
        "acknowledged, not recorded": Arm(r"^ingest .*: before commit in .*_record:"),
        "paid, nothing saved": Arm(DEAREST["paid, answer not saved"]),
    }
    plant.begin(arms)
    wait_until(lambda: not plant.missed(arms), 60, message=lambda: str(plant.missed(arms)))

    def found() -> bool:
        # What the broker still holds may yet be recorded.
        if list(plant.plant.publisher.pending()) or plant.plant.publisher.left:
            return False
        _, violations = plant.judge()
        return {violation.rule for violation in violations} >= {
            "every_event_is_accounted_for_once",
            "one_job_for_each_run_and_generation",
        }

    wait_until(found, 60, interval=0.5)


def test_a_conversion_that_was_killed_before_its_result_has_a_name_leaves_the_same_bytes(
    tmp_path: Path,
) -> None:
    done = crash_stages(tmp_path, r"^convert: before replace in .*leave_result", ("convert",))

    assert done.violations == []
    assert len(done.crashed) == 1


# -- the parts


def test_every_command_is_crashed_at_or_changes_nothing_or_is_looked_at_elsewhere() -> None:
    words = set()
    for name in cli.COMMANDS:
        command = cli.cli.get_command(click.Context(cli.cli), name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else {}
        words |= {f"{name} {each}" for each in inner} or {name}

    told = [*dict.fromkeys(deed.command for deed in DEEDS), *READ, *ELSEWHERE]
    assert sorted(told) == sorted(words)


def test_a_file_that_is_named_before_its_content_is_on_the_disk_is_found() -> None:
    new, sync, name = (f"train: before {what} in training.a" for what in ("a new file", "fsync", "rename"))

    assert named_too_early([new, sync, name, name]) == []
    assert named_too_early([new, name]) == ["training.a: named before its content is on the disk"]
    assert len(named_too_early([new, sync, name, new, name])) == 1


def test_a_process_tells_what_it_passes_and_kills_itself_at_an_armed_point_alone(tmp_path: Path) -> None:
    board = Board(tmp_path / "crash")
    board.arm({"first": Arm("^program: before rename in clock", 2), "never": Arm("after rename", 2)})
    (tmp_path / "one").touch()
    # A function of the product's own by its file name; it names a file three times.
    code = f"""
import os
exec(compile('''
def go():
    for a, b in (("one", "two"), ("two", "three"), ("three", "four")):
        os.rename(a, b)
''', {PRODUCT + "clock.py"!r}, "exec"))
go()
"""
    environment = {**os.environ, **board.environment}
    process = OwnProcess([sys.executable, "-c", code], environment, tmp_path / "log", tmp_path)

    assert process.wait() == -9, process.output()
    process.close()
    point = "rename in clock.go:4"
    assert board.passed() == {f"program: before {point}": 2, f"program: after {point}": 1}
    assert board.passed() == {}
    assert [(one.key, one.is_kept) for one in board.struck()] == [("first", True)]
    assert (tmp_path / "two").exists()  # before the second time, not after it


def product_function(module: str, name: str) -> Callable[..., Any]:
    """A function that a stack shows as one of the product; it calls what it is given."""
    file = PRODUCT + module.replace(".", "/") + ".py"
    made: dict[str, Any] = {}
    exec(compile(f"def {name}(then):\n    return then()", file, "exec"), made)
    function: Callable[..., Any] = made[name]
    return function


def test_a_place_is_the_two_innermost_functions_of_the_product_that_say_something() -> None:
    perform = product_function("runs.steps", "perform")
    create = product_function("runs.steps", "_create_job")
    move = product_function("runs.endings", "move")
    commit = product_function("store.connection", "transaction")

    def here() -> str:
        return place_of(sys._getframe())

    whole = perform(lambda: create(lambda: move(lambda: commit(here))))

    assert whole == "runs.steps._create_job:2 > runs.endings.move:2"
    assert here() == ""


@pytest.mark.parametrize(
    "command, role",
    [
        ("python -m tests.chaos.with_clock celery -A x worker -n worker@%h -Q ftworker", "worker"),
        ("python -m tests.chaos.with_clock celery -A x worker -n trainer@%h", "trainer"),
        ("python -m tests.chaos.with_clock celery -A x beat", "beat"),
        ("python -m tests.chaos.with_clock ftworker ingest", "ingest of a stream"),
        ("python -m ftworker.training_job ft-1", "training job"),
        ("python -m ftworker.training.check /work", "check"),
        ("python -m ftworker.cli runs start tutor --wait", "command runs start"),
        ("python -m ftworker.cli publish /tmp/file", "command publish"),
        ("python -m ftworker.cli migrate", "migrate"),
        ("python program.py", "program"),
    ],
)
def test_a_process_is_known_by_its_command_line(command: str, role: str) -> None:
    assert role_of(command.split(), {"FTWORKER_EVENTS_URL": "redis://here"}) == role


def test_rounds_hold_every_point_once_and_neighbours_apart() -> None:
    names = [
        f"worker: {moment} commit in step:{number}" for moment in ("before", "after") for number in range(50)
    ]

    dealt = batches(names, 20)

    assert sorted(name for batch in dealt for name in batch) == sorted(names)
    assert max(map(len, dealt)) <= 20
    for batch in dealt:
        places = [name.rpartition(" ")[2] for name in batch]
        assert len(set(places)) == len(places)


def test_points_that_were_missed_come_last_and_with_fewer_others() -> None:
    names = [f"worker: before commit in step:{number}" for number in range(100)]
    missed = dict.fromkeys(names[:30], 1)

    assert not missed.keys() & set(next_batch(names, missed, 40))
    assert len(next_batch(names, missed, 40)) <= 40
    assert set(next_batch(names[:30], missed, 40)) <= missed.keys()
    assert len(next_batch(names[:30], missed, 40)) <= 10
    assert len(next_batch(names[:30], dict.fromkeys(names, 2), 40)) <= 4
    assert next_batch(names[:1], {}, 1) == names[:1]


def test_a_point_is_crashed_at_while_work_is_on_its_way() -> None:
    for count in range(1, 60):
        times = {time_of(f"point {number}", count) for number in range(200)}
        assert min(times) == 1
        assert max(times) <= min(LATEST, max(1, count // 2))


@pytest.mark.parametrize(
    "name, kind",
    [
        ("task: before commit in runs.steps._export:149 > runs.endings.move:51", "commit"),
        ("command runs start: after commit in cli.runs.start:94", "command of a person"),
        ("ingest of a stream: after XACK in events.ingest._settle:279", "acknowledgement"),
        ("worker: before ack of ftworker.sweep", "acknowledgement"),
        ("beat: before publishing ftworker.sweep in ticks.tick:34", "message published"),
        ("task: after call of OpenAI in providers.openai_jobs.create:89", "call of OpenAI"),
        (
            "task: after call of Ollama (show) in providers.local_few_shot._keeps:239",
            "call of Ollama",
        ),
        ("migrate: before statement in store.migrate.migrate:41", "statement of a migration"),
        ("task: after fsync in datasets.export._write:300", "file of a dataset"),
        ("program: after rename in training.checkpoints.save:104", "training checkpoint"),
        ("training job: after rename in training.files._publish:96", "file of a model or its training"),
    ],
)
def test_each_point_is_of_a_kind(name: str, kind: str) -> None:
    assert kind_of(name) == kind
    assert kind in KINDS


def test_only_as_many_deaths_are_excused_as_processes_killed_themselves() -> None:
    struck = [
        Struck("1", True, "worker: before ack of ftworker.upload"),
        Struck("2", False, "task: after commit in runs"),
        Struck("3", True, "training job: before rename in training.files"),
    ]
    killed = Ended("worker", -9, by_us=False)
    ended = [Ended("ingest-stream", -9, by_us=False), killed, killed, Ended("worker", 1, by_us=False)]

    assert not_ours(ended, struck) == [ended[0], killed, ended[3]]


def test_what_the_board_arms_is_read_as_it_was_written(tmp_path: Path) -> None:
    board = Board(tmp_path / "crash")
    board.arm({"one": Arm("x", 3)})

    assert json.loads((board.folder / "arms.json").read_text()) == {"one": ["x", 3]}
