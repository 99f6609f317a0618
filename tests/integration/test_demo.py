"""`ftworker demo` as a newcomer runs it: the real command, real servers, real processes, in a directory of its own."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ftworker.demo.conversations import packaged_conversations, turns_in
from ftworker.runs.states import RunState
from ftworker.store import Store, inbox, runs
from tests.doubles.ollama_api import OllamaDouble
from tests.integration.readme_transcripts import (
    CONTROL,
    DEMO,
    EXPLAIN,
    REDACT,
    REDACTED_LINE,
    shortened,
    transcript,
)
from tests.integration.workbench import StartProcess
from tests.servers import RabbitmqServer, wait_until

WIDTH = 80
HOME = "home-of-the-demo"
"""Not the one that every test has in its environment, by which a helper of the tests would look like a process left."""
NOBODY_LISTENS = "http://127.0.0.1:9"
FTWORKER = Path(sys.executable).parent / "ftworker"


# `ftworker curate ID --json` for every conversation, in one process: one each would take a minute.
FOLLOW_ALL = """
import json
from click.testing import CliRunner
from ftworker.cli import cli
from ftworker.demo.conversations import packaged_conversations
names = [c["conversation_id"] for c in packaged_conversations()]
told = {name: CliRunner().invoke(cli, ["curate", name, "--json"]).output for name in names}
print(json.dumps({name: json.loads(answer) for name, answer in told.items()}))
"""


@dataclass
class Newcomer:
    """A person in a fresh directory, whose terminal knows nothing of ftworker but where its home is."""

    directory: Path
    ollama_host: str = NOBODY_LISTENS

    @property
    def home(self) -> Path:
        return self.directory / ".ftworker"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "FTWORKER_HOME": ".ftworker", "OLLAMA_HOST": self.ollama_host, "TERM": "xterm"}

    def types(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, without a terminal."""
        return subprocess.run(
            [FTWORKER, *arguments],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    def says(self, command: str) -> str:
        """What a line typed in the terminal prints; it must end well."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def status(self) -> dict[str, object]:
        answer = self.types("status", "--json")
        assert answer.returncode == 0, answer.stderr
        facts: dict[str, object] = json.loads(answer.stdout)
        return facts

    def processes(self) -> list[psutil.Process]:
        """Every living process that works in or for this directory."""
        return processes_of(self.home)


def processes_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            named = process.environ().get("FTWORKER_HOME", "")
            if str(home) in " ".join([named, *process.cmdline()]) and process.pid != os.getpid():
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Newcomer, str]]:
    """A newcomer whose first demo has ended well, and what it printed. No Ollama answers."""
    newcomer = Newcomer(tmp_path_factory.mktemp("newcomer"))
    answer = newcomer.types("demo")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stderr == ""
    yield newcomer, answer.stdout
    for process in newcomer.processes():
        process.kill()


def test_a_first_demo_goes_from_conversations_to_a_packaged_model(first: tuple[Newcomer, str]) -> None:
    newcomer, output = first
    assert f"{len(packaged_conversations())} conversations came in" in output
    assert "run 1: packaged" in output
    folders = re.findall(r"\.ftworker/storage/\S+/$", output, re.MULTILINE)
    assert len(folders) == 2
    dataset, model = (newcomer.directory / folder for folder in folders)
    manifest = json.loads((dataset / "manifest.json").read_text(encoding="utf-8"))
    train = json.loads((dataset / "train.json").read_text(encoding="utf-8"))
    assert len(train) == manifest["content"]["train"]["rows"] > 80
    assert manifest["provenance"]["selection"]["corrected"] == 1, "read from the chat store's column"
    assert "FROM llama3.2:3b" in (model / "Modelfile").read_text(encoding="utf-8")
    assert "ollama create" in (model / "INSTRUCCIONES.md").read_text(encoding="utf-8")
    assert f"cd {folders[1].rstrip('/')}\n" in output
    assert re.search(
        r"^ +ollama create demo-tutor:ft-demo-tutor-[0-9a-f]{12} -f Modelfile$", output, re.MULTILINE
    )


def test_every_plain_line_fits_into_80_columns(first: tuple[Newcomer, str]) -> None:
    _, output = first
    assert [line for line in lines_of(output) if len(line) > WIDTH] == []


def lines_of(output: str) -> list[str]:
    """Its lines. Where the program lies may be long, and what is to be typed must not be broken, so it is shortened."""
    return (
        CONTROL.sub("", output).replace(str(FTWORKER), ".venv/bin/ftworker").replace("\r", "\n").splitlines()
    )


def test_the_line_shown_stands_in_the_training_file(first: tuple[Newcomer, str]) -> None:
    newcomer, output = first
    shown = output.partition("One example of the training file\n")[2].partition("\n\nWhat to do next")[0]
    row = json.loads(" ".join(shown.split()))
    (train,) = newcomer.home.glob("storage/datasets/*/*/train.json")
    rows = json.loads(train.read_text(encoding="utf-8"))
    assert row in [{key: " ".join(re.split(" +", value)) for key, value in each.items()} for each in rows]


def test_status_answers_afterwards_with_the_run_and_its_pipeline(first: tuple[Newcomer, str]) -> None:
    newcomer, _ = first
    facts = newcomer.status()
    assert isinstance(facts["runs"], list)
    assert isinstance(facts["pipelines"], list)
    assert [(run["pipeline"], run["state"]) for run in facts["runs"]] == [("demo-tutor", "packaged")]
    known = {pipeline["pipeline"]: pipeline for pipeline in facts["pipelines"]}
    assert known["demo-tutor"]["configured"] is False
    assert known["default"]["waiting_examples"] == 0, "invented conversations in a real pipeline"
    assert facts["processes"] == {}


def test_the_commands_it_names_work(first: tuple[Newcomer, str]) -> None:
    newcomer, output = first
    commands = [line.strip() for line in output.splitlines() if f"{FTWORKER} " in line]
    shown = {
        "status": "demo-tutor",
        "runs show 1": "demo-tutor",
        "triggers": "demo-tutor",
        "curate --explain tutor-0007": "dataset 1, train.json:",
        "quarantine list": "quarantined_wellbeing",
        "datasets audit 1": "Dataset 1: clean",
        "datasets report 1": "/report.html",
    }
    (settings,) = re.findall(r"export FTWORKER_CONFIG=\S+", output)
    named = {command.rpartition(f"{FTWORKER} ")[2]: command for command in commands}
    assert set(named) == {*shown, "up", "demo --again"}
    for name, part in shown.items():
        done = newcomer.says(f"{settings}; {named[name]}")
        assert part in done, done


def test_each_conversation_is_followed_by_its_id_to_lines_of_the_dataset_or_to_reasons(
    first: tuple[Newcomer, str],
) -> None:
    newcomer, output = first
    (folder,) = (newcomer.directory / found for found in re.findall(r"dataset +(\S+)/\n", output))
    follow_all = shlex.join([sys.executable, "-c", FOLLOW_ALL])
    told = json.loads(newcomer.says(f"FTWORKER_CONFIG=.ftworker/demo.toml {follow_all}"))
    assert set(told) == {c["conversation_id"] for c in packaged_conversations()}
    lines: set[str] = set()
    reasons: Counter[str] = Counter()
    for conversation in packaged_conversations():
        (story,) = told[conversation["conversation_id"]]["pipelines"]
        turns = 0
        for example in story["stored_examples"]:
            turns += 1
            (belonging,) = example["datasets"]
            if belonging["left_out"]:
                reasons[belonging["left_out"]] += 1
            else:
                (line,) = belonging["lines"]
                lines.add(line)
        for drop in story["stored_drops"]:
            turns += turns_in(conversation) if drop["turn"] < 0 else 1
            reasons[drop["reason"]] += 1
        assert turns == turns_in(conversation), conversation["conversation_id"]
    rows = {
        name: json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("train.json", "validation.json")
    }
    assert len(lines) == sum(map(len, rows.values()))
    assert {"golden", "near_duplicate", "refusal_share", "duplicate", "quarantined_wellbeing"} <= set(reasons)
    assert "[NOMBRE_1]" in json.dumps(rows, ensure_ascii=False)


def test_the_demo_says_how_many_were_left_out_and_replaced(first: tuple[Newcomer, str]) -> None:
    _, output = first
    told = " ".join(output.partition("\nWhat happened\n")[2].partition("\n\n")[0].split())
    for said in (
        "138 turns became examples", "dni 2", "iban 1", "The other 13 turns became none",
        "2 somebody seems to be in distress or danger: a person must look",
        "1 the pipeline keeps an example with the same words already",
        "1 nearly the same as an example that came first", "1 it refuses, and refusals would be above",
        "5 it is in the golden set",
    ):  # fmt: skip
        assert said in told


def test_the_readme_shows_what_the_demo_prints(first: tuple[Newcomer, str]) -> None:
    _, output = first
    # Where it should: python -m tests.integration.readme_transcripts
    for part in ("What happened", "Where it lies", "One example of the training file", "What to do next"):
        assert unchanging(transcript(DEMO), part) == unchanging(output, part)


def test_the_readme_shows_the_story_of_a_conversation_and_what_redact_prints(
    first: tuple[Newcomer, str],
) -> None:
    newcomer, _ = first
    explained = newcomer.says(f"FTWORKER_CONFIG=.ftworker/demo.toml {FTWORKER} curate --explain tutor-0062")
    assert told_in(shortened(explained)) == told_in(transcript(EXPLAIN))
    (newcomer.directory / "text.jsonl").write_text(REDACTED_LINE, encoding="utf-8")
    assert newcomer.says(f"{FTWORKER} redact < text.jsonl").rstrip("\n") == transcript(REDACT)


def told_in(story: str) -> str:
    # Ids are given as conversations come, and the widths of columns go by them.
    return " ".join(re.sub(r"example \d+|─+", "-", story).split())


def unchanging(output: str, part: str) -> str:
    words = (
        output.partition(f"\n{part}\n")[2].partition("\n\n")[0].replace(str(FTWORKER), ".venv/bin/ftworker")
    )
    # The name of a run is drawn by lot, and the hash of a dataset holds the release that made it.
    return re.sub(r"[0-9a-f]{12}", "HASH", words).rstrip("\n")


def test_no_word_of_a_conversation_is_in_a_log(first: tuple[Newcomer, str]) -> None:
    newcomer, _ = first
    logs = [*newcomer.home.glob("demo/logs/*.log"), *newcomer.home.glob("*/server.log")]
    assert {log.stem for log in logs} == {"ingest", "worker", "trainer", "beat", "web", "server"}
    text = "\n".join(log.read_text(encoding="utf-8", errors="replace") for log in logs)
    assert "run 1: cut -> exported" in text
    for conversation in packaged_conversations():
        assert conversation["user_ref"] not in text
        assert conversation["conversation_id"] not in text
        for message in conversation["messages"]:
            for words in re.split(r"[.?!\n]", message["content"]):
                assert len(words) < 12 or words.strip() not in text
    for invented in ("12345678Z", "11111111A", "example.org", "2100 0418", "Valcárcel", "Benavent"):
        assert invented not in text


def test_no_process_is_left(first: tuple[Newcomer, str]) -> None:
    newcomer, _ = first
    assert [process.cmdline() for process in newcomer.processes()] == []


def test_a_second_demo_says_that_all_is_done_and_shows_the_same_result(first: tuple[Newcomer, str]) -> None:
    newcomer, output = first
    again = newcomer.types("demo")
    assert again.returncode == 0, again.stderr
    assert [line for line in lines_of(again.stdout) if len(line) > WIDTH] == []
    assert "an earlier demo has done all of this" in again.stdout
    result = "\nWhat happened\n"
    assert again.stdout.partition(result)[2] == output.partition(result)[2]


def test_at_a_terminal_of_80_columns_every_line_fits_and_ollama_gets_the_model(
    first: tuple[Newcomer, str], ollama_api: OllamaDouble
) -> None:
    newcomer = Newcomer(first[0].directory, ollama_api.url)

    status, output = at_a_terminal(newcomer, "demo")

    assert status == 0, output
    lines = lines_of(output)
    assert [line for line in lines if len(line) > WIDTH] == []
    assert any(re.fullmatch(r" +the run +━+ promoted *", line) for line in lines), output
    assert "ollama run demo-tutor:latest" in output
    assert "demo-tutor:latest" in ollama_api.models
    assert [process.cmdline() for process in newcomer.processes()] == []


@pytest.fixture
def on_valkey(tmp_path: Path, database_url: str, valkey_url: str) -> dict[str, str]:
    return {
        "FTWORKER_HOME": str(tmp_path / HOME),
        "FTWORKER_DATABASE_URL": database_url,
        "FTWORKER_BROKER_URL": valkey_url,
        "OLLAMA_HOST": NOBODY_LISTENS,
    }


def test_ctrl_c_stops_everything_and_another_demo_goes_on(
    tmp_path: Path, database_url: str, on_valkey: dict[str, str], start_process: StartProcess
) -> None:
    demo = start_process(["ftworker", "demo"], on_valkey)
    demo.wait_for_output("recorded", 60)
    demo.send_signal(signal.SIGINT)
    assert demo.wait(30) == 1
    assert "Another `ftworker demo` goes on from here" in demo.output()
    assert processes_of(tmp_path / HOME) == []
    store = Store(database_url)
    with store.transaction() as cursor:
        assert not inbox.has_waiting(cursor), "a worker with another configuration would take these"

    assert start_process(["ftworker", "demo"], on_valkey).wait(90) == 0

    with store.transaction() as cursor:
        (run,) = runs.list_runs(cursor)
        cursor.execute("SELECT count(*) AS recorded FROM ftworker.inbox")
        assert cursor.fetchone().recorded == len(packaged_conversations())
    store.close()
    assert run.state is RunState.PACKAGED


def test_a_process_that_dies_fails_the_demo_with_the_name_of_its_log(
    tmp_path: Path, on_valkey: dict[str, str], start_process: StartProcess
) -> None:
    demo = start_process(["ftworker", "demo"], on_valkey)
    demo.wait_for_output("starting ingest", 60)
    ingest = wait_until(
        lambda: next((child for child in demo.children() if child.cmdline()[-1] == "ingest"), None), 30
    )
    assert ingest is not None
    ingest.kill()
    assert demo.wait(60) == 1
    log = tmp_path / HOME / "demo" / "logs" / "ingest.log"
    assert f"Error: the process ingest ended with signal SIGKILL; read {log}" in demo.output()
    assert log.exists()
    assert processes_of(tmp_path / HOME) == []


def test_a_killed_demo_leaves_no_process_of_ftworker(
    tmp_path: Path, on_valkey: dict[str, str], start_process: StartProcess
) -> None:
    demo = start_process(["ftworker", "demo"], on_valkey)
    demo.wait_for_output("the status page", 60)
    os.kill(demo.pid, signal.SIGKILL)
    wait_until(lambda: not processes_of(tmp_path / HOME), 30)


def test_the_demo_keeps_out_of_a_database_where_other_work_waits(
    tmp_path: Path, database_url: str, on_valkey: dict[str, str], start_process: StartProcess
) -> None:
    store = Store(database_url)
    with store.transaction() as cursor:
        event = inbox.NewEvent("/rag", "event-1", "school", "conversation-1", "{}")
        inbox.record_batch(cursor, [event], [], "task")
    store.close()
    demo = start_process(["ftworker", "demo"], on_valkey)
    assert demo.wait(30) == 1
    assert "1 events of your own wait in this database" in demo.output()
    assert not (tmp_path / HOME / "demo" / "logs").exists()


def test_the_demo_runs_on_the_servers_that_the_environment_names(
    tmp_path: Path,
    database_url: str,
    rabbitmq_url: str,
    rabbitmq_server: RabbitmqServer,
    on_valkey: dict[str, str],
    start_process: StartProcess,
) -> None:
    demo = start_process(["ftworker", "demo"], {**on_valkey, "FTWORKER_BROKER_URL": rabbitmq_url})
    assert demo.wait(100) == 0
    assert "starting PostgreSQL" not in demo.output()
    assert "run 1: packaged" in demo.output()
    assert not (tmp_path / HOME / "valkey").exists()
    assert not (tmp_path / HOME / "postgresql").exists()


def at_a_terminal(newcomer: Newcomer, *arguments: str, timeout: float = 110.0) -> tuple[int, str]:
    """Run a command in a pseudo-terminal of 80 columns; returns its exit status and all that it wrote."""
    ours, theirs = pty.openpty()
    environment = {**newcomer.environment, "COLUMNS": str(WIDTH), "LINES": "40"}
    process = subprocess.Popen(
        [FTWORKER, *arguments],
        cwd=newcomer.directory,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    deadline = time.monotonic() + timeout
    try:
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 1.0)[0]:
                continue
            try:
                received = os.read(ours, 65_536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if not received:
                break
            written += received
        return process.wait(max(1.0, deadline - time.monotonic())), written.decode(errors="replace")
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()
