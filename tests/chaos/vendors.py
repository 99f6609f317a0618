"""Both vendors as one process of their own: the doubles of OpenAI and Ollama, told what to do, journals on disk.

`Vendors` starts and commands it: one JSON line in, one JSON line out. The doubles outlive every fault of ours: what
they were asked, and what they hold, is the judge of whether anything was paid twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, SupportsIndex

from tests.conftest import REPOSITORY
from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.openai_api import KEY, OpenAIDouble

BASE_MODEL = "gpt-4.1-mini-2025-04-14"
OLLAMA_MODEL = "llama3.2:3b"


class Vendors:
    """The vendors' process. `openai_url` and `ollama_url` lead to it directly, without any proxy."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = KEY
        self._turn = Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.vendors", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        )
        ports = self._read()
        self.openai_port: int = ports["openai"]
        self.ollama_port: int = ports["ollama"]

    def openai_fault(self, name: str, on: str, **more: Any) -> None:
        """Spoil coming calls of one operation; see tests.doubles.openai_api.faults.CATALOGUE."""
        self._ask("openai_fault", {"name": name, "on": on, **more})

    def openai_behaves(self, **changes: Any) -> dict[str, Any]:
        """Change how OpenAI is for everybody; see tests.doubles.openai_api.faults.Behaviour. Returns what was so
        by default, to be set again.
        """
        return self._ask("openai_behaves", changes)

    def ollama_fault(self, kind: str, operation: str | None, **more: Any) -> None:
        """Spoil coming calls of Ollama; see tests.doubles.ollama_api.server.Fault."""
        self._ask("ollama_fault", {"kind": kind, "operation": operation, **more})

    def calm(self) -> None:
        """No fault is left; both behave as by default."""
        self._ask("calm", {})

    def state(self) -> dict[str, Any]:
        """`jobs`, `files` and `violations` of OpenAI, and `ollama`'s models with their digests."""
        return self._ask("state", {})

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()

    def _ask(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        with self._turn:
            self._process.stdin.write(json.dumps([command, arguments]) + "\n")
            self._process.stdin.flush()
            return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the vendors' process ended with {self._process.wait(10)}")
        answer: dict[str, Any] = json.loads(line)
        return answer


class DiskJournal(list[Any]):
    """A list that writes each item to a file as it is appended, so that it outlives its process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def append(self, item: Any, /) -> None:
        super().append(item)
        print(json.dumps(vars(item), default=str, ensure_ascii=False), file=self._file)

    def __setitem__(self, place: SupportsIndex | slice, item: Any, /) -> None:
        raise TypeError("a journal is only appended to")


def serve(folder: Path) -> None:
    """Run both doubles until standard input ends."""
    with OpenAIDouble() as openai, OllamaDouble(models=(OLLAMA_MODEL,)) as ollama:
        openai.journal = DiskJournal(folder / "openai.jsonl")
        ollama.journal = DiskJournal(folder / "ollama.jsonl")
        usual = vars(openai._behaviour).copy()

        def state() -> dict[str, Any]:
            with openai.lock:
                return {
                    "jobs": [job.as_json(openai._behaviour) for job in openai.account.jobs.values()],
                    "files": [stored.as_json() for stored in openai.account.storage.files.values()],
                    "violations": list(openai.violations),
                    "ollama": {model["name"]: model["digest"] for model in ollama.tags()["models"]},
                }

        def calm() -> None:
            openai.faults.clear()
            openai.behave(**usual)
            for stored in openai.account.storage.files.values():
                stored.hidden_listings = stored.unprocessed_polls = 0
            for job in openai.account.jobs.values():
                job.hidden_listings = 0
            ollama.faults.clear()

        def openai_behaves(**changes: Any) -> dict[str, Any]:
            openai.behave(**changes)
            return {name: usual[name] for name in changes}

        commands: dict[str, Callable[..., Any]] = {
            "openai_fault": openai.fault,
            "openai_behaves": openai_behaves,
            "ollama_fault": ollama.inject,
            "calm": calm,
            "state": state,
        }
        print(json.dumps({"openai": openai.port, "ollama": ollama._server.server_port}), flush=True)
        for line in sys.stdin:
            command, arguments = json.loads(line)
            print(json.dumps(commands[command](**arguments) or {}), flush=True)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
