"""A whole run, from the events to the promoted model, with words in every field that nobody may read anywhere else.

Searched: the output of every process, the tasks on their way, every table that is not for texts, the pages, what every
command prints, and what stands beside the data in a dataset's folder.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from ftworker.cli import main
from ftworker.runs.states import RunState
from ftworker.store import Store
from tests.doubles.openai_api import OpenAIDouble
from tests.integration.workbench import StartProcess, Workbench, closed_events
from tests.servers import wait_until

WORD = "zarzaparrilla"
"""In everything that somebody wrote or is called."""
SECRET = "geheim-4711"
"""In everything that opens something."""
CONFIGURATION = f"""
[web]
port = 0
[providers.openai.extra_headers]
x-gateway-key = "{SECRET}-header"
[sources.rag]
preset = "messages"
url_env = "RAG_DATABASE_URL"
"""
TEXTS = {"inbox", "examples", "conversations", "parked"}
"""Tables that hold texts or the RAG's ids; of `parked` the columns that do not are looked at."""
COMMANDS = (
    "status",
    "doctor",
    "triggers",
    "config show",
    "runs list",
    "runs show 1",
    "runs watch 1",
    "datasets list",
    "datasets show 1",
    "datasets audit 1",
    "datasets card 1",
    "datasets golden tutor",
    "parked list",
    "parked list --reason malformed_json",
    "parked show 1",
    "parked show 2",
    "quarantine list",
    "quarantine show 1",
    "sources list",
    "sources test rag",
)
WITHOUT_JSON = ("runs watch", "datasets card")


def spoken(number: int, **data: Any) -> dict[str, Any]:
    """A conversation in which everything is that word."""
    (event,) = closed_events(1, first=number)
    data = {
        **event["data"],
        "conversation_id": f"{WORD}-conversation-{number}",
        "user_ref": f"{WORD}-user-{number}",
        "tenant_id": f"{WORD}-tenant",
        "course_id": f"{WORD}-course",
        "system_prompt": f"Eres un tutor de {WORD}.",
        "model": f"{WORD}-model",
        "feedback": [{"message_id": "m1", "value": 1, "comment": f"qué {WORD}"}],
        "messages": [
            {
                "role": "user",
                "content": f"¿Qué es la {WORD} número {number}, la de mi pueblo?",
                "context": [{"text": f"La {WORD} es una planta.", "source": f"{WORD}.pdf"}],
            },
            {
                "role": "assistant",
                "id": "m1",
                "content": f"La {WORD} número {number} es una planta trepadora con espinas, y da una bebida.",
            },
        ],
        **data,
    }
    return {**event, "id": f"{WORD}-{number}", "source": f"/{WORD}", "data": data}


def awkward() -> list[bytes]:
    """What is parked, dropped, held back, postponed."""
    held = spoken(900)
    held["data"]["messages"][0]["content"] += " No quiero vivir más, quiero hacerme daño."
    broken = spoken(901, messages=[{"role": f"{WORD} loco", "content": WORD}])
    other = spoken(902, source_name="rag", messages=None)
    unknown = spoken(903, source_name="nobody", messages=None)
    odd = spoken(904, locale=[WORD], **{WORD: WORD})
    for event in (other, unknown):
        del event["data"]["messages"]
    return [
        *(json.dumps(event, ensure_ascii=False).encode() for event in (held, broken, other, unknown, odd)),
        f'{{"specversion": "1.0", "{WORD}": '.encode(),
        WORD.encode() + b"\xff",
    ]


@pytest.fixture
def bench(
    tmp_path: Path,
    database_url: str,
    valkey_url: str,
    start_process: StartProcess,
    openai_api: OpenAIDouble,
    monkeypatch: pytest.MonkeyPatch,
) -> Workbench:
    monkeypatch.setenv("RAG_DATABASE_URL", f"postgresql://reader:{SECRET}-rag@127.0.0.1:1/rag")
    bench = Workbench(
        tmp_path,
        database_url,
        valkey_url,
        start_process,
        openai_base_url=openai_api.base_url,
        key=openai_api.keys[0],
    )
    text = bench.config.read_text(encoding="utf-8")
    bench.config.write_text(text.replace("[providers.local]", CONFIGURATION + "[providers.local]"), "utf-8")
    return bench


Told = Callable[..., str]


@pytest.fixture
def told(bench: Workbench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """What a command prints, in this process: forty of them would take half a minute to start."""
    for name, value in bench.environment.items():
        monkeypatch.setenv(name, value)

    def tell(*arguments: str) -> str:
        if arguments[0] == "doctor":
            # Its connections to the provider end with its process.
            return bench.command("ftworker", *arguments).output()
        monkeypatch.setattr("sys.argv", ["ftworker", *arguments])
        with suppress(SystemExit):
            main()
        said = capsys.readouterr()
        return said.out + said.err

    return tell


@contextmanager
def tasks_seen(url: str) -> Iterator[list[str]]:
    """What the processes send each other over the broker; the stream of events is left out, for it holds them."""
    seen: list[str] = []
    with redis.Redis.from_url(url) as client, client.monitor() as monitor:

        def listen() -> None:
            with suppress(redis.RedisError, ValueError, OSError):
                for command in monitor.listen():
                    line = str(command["command"])
                    if not line.startswith("XADD"):
                        bodies = re.findall(r'body\\*": *\\*"([A-Za-z0-9+/=]+)', line)
                        seen.extend([line, *(base64.b64decode(body).decode() for body in bodies)])

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield seen
        monitor.connection.disconnect()
    thread.join(10)


def test_no_word_and_no_secret_is_anywhere_but_where_it_belongs(
    bench: Workbench, openai_api: OpenAIDouble, told: Told
) -> None:
    words = f"'Invalid row: me gusta la {WORD} de mi pueblo, que da una bebida muy buena'"
    openai_api.fault("server_error", on="files.create", message=f"{words} with {openai_api.keys[0]}")
    openai_api.fault("reply_lost", on="jobs.create")
    found: dict[str, str] = {}
    with tasks_seen(bench.broker_url) as tasks:
        bench.start("ingest", "worker", "trainer", "beat")
        web = bench.start_process(["ftworker", "web"], bench.environment)
        web.wait_for_output("(/metrics", 30)
        publish(bench.broker_url, [json.dumps(spoken(number)).encode() for number in range(25)] + awkward())
        bench.wait_for_run(RunState.PROMOTED)
        wait_until(lambda: settled(bench.store), 30)
        address = re.findall(r"http://[0-9.:]+", web.output())[0]
        for path in ("/", "/metrics", "/healthz", f"/{WORD}?{WORD}"):
            with suppress(urllib.error.HTTPError):
                found[path] = urllib.request.urlopen(address + path, timeout=10).read().decode()
        for command in COMMANDS:
            found[command] = told(*command.split())
            if not command.startswith(WITHOUT_JSON):
                found[f"{command} --json"] = told(*command.split(), "--json")
    found |= {f"output of {name}": process.output() for name, process in bench.processes.items()}
    found["output of web"] = web.output()
    found["tasks"] = "\n".join(tasks)
    found |= tables(bench.store)
    found |= files(bench.folder / "home" / "storage")
    assert "ftworker.poll_status" in found["tasks"]
    assert "[1]" in found["tasks"].replace(" ", "")

    leaks = [place for place, text in found.items() if WORD in text]
    # Names of courses and models are what these two are for.
    assert set(leaks) <= {"README.md", "manifest.json", "report.html", "datasets card 1", *MODELS}
    for place in ("README.md", "manifest.json", "report.html", "datasets card 1"):
        left = re.sub(rf"{WORD}-(course|model)", "", found[place])
        assert WORD not in left, place
    assert [place for place, text in found.items() if SECRET in text or openai_api.keys[0] in text] == []


MODELS = ("datasets show 1 --json", "table datasets")
"""Where the manifest shows, which counts examples by the model that answered."""


def publish(url: str, raws: list[bytes]) -> None:
    with redis.Redis.from_url(url) as client:
        for raw in raws:
            client.xadd("ftworker:events", {"event": raw})


def settled(store: Store) -> bool:
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT count(*)::int AS n FROM ftworker.inbox WHERE processed_at IS NULL AND attempts = 0"
        )
        waiting = int(cursor.fetchone().n)
        cursor.execute("SELECT count(DISTINCT reason)::int AS n FROM ftworker.parked")
        return waiting == 0 and int(cursor.fetchone().n) >= 4


def tables(store: Store) -> dict[str, str]:
    """Every table as text."""
    found = {}
    with store.transaction() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'ftworker'")
        names = [row.tablename for row in cursor.fetchall()]
        for name in names:
            columns = "reason, detail, origin" if name == "parked" else "*"
            if name == "parked" or name not in TEXTS:
                cursor.execute(
                    f"SELECT ({columns.replace('*', 'whole')})::text AS line FROM ftworker.{name} AS whole"
                )
                found[f"table {name}"] = "\n".join(row.line for row in cursor.fetchall())
    return found


def files(storage: Path) -> dict[str, str]:
    """What stands beside the rows of a dataset."""
    (folder,) = (storage / "datasets" / "tutor").iterdir()
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.suffix not in {".json", ".jsonl"} or path.name == "manifest.json"
    }
