"""Inside a process of a plant: tells each point that it passes, and kills the process (SIGKILL) at one that is armed.

A point is a moment before or after something that lasts: a commit that wrote, an acknowledgement, a message or an event
published, a call of a provider, a file made durable, named or removed, a statement of a migration. Its name has the
process and the place in ftworker's own code, read from the stack, so no list of points is kept anywhere. Put in from
outside, by the `sitecustomize` that `crash_board` writes; the product knows nothing of it.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from functools import cache, wraps
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import islice, takewhile
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any, Final, Literal

PRODUCT: Final = str(Path(__file__).resolve().parents[2] / "ftworker") + os.sep
THROUGH: Final = (
    *("store.connection", "datasets.storage", "datasets.data_file"),
    *("providers.openai_client", "providers.ollama", "providers.run_folder"),
)
"""Modules that everybody goes through: who asked them is the place."""
FRAMES: Final = 2
"""How many functions of ftworker name a place: `_move` alone would say nothing of the step that it ends."""
COMMAND_LINE: Final = "ftworker.cli"
EMPTY_FILES: Final = ("lock", ".log")
"""Ends of the names of files that hold nothing anybody goes on from."""
SENDERS: Final = re.compile(r"events\.(amqp|stream)\.send:\d+$")
ARMS, SEEN, STRUCK, HITS, PLANT_BUGS = "arms.json", "seen", "struck", "hits-", "plant-bugs"

Moment = Literal["before", "after"]


def place_of(frame: FrameType | None) -> str:
    """The innermost functions of ftworker that run, the caller first; empty when none does."""
    found: list[str] = []
    while frame is not None and len(found) < FRAMES:
        code = frame.f_code
        if code.co_filename.startswith(PRODUCT) and not code.co_name.startswith("<"):
            module = code.co_filename[len(PRODUCT) : -len(".py")].replace(os.sep, ".")
            if module not in THROUGH:
                found.append(f"{module}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " > ".join(reversed(found))


def role_of(arguments: list[str], environment: Any = os.environ) -> str:
    """What this process is, by its command line."""
    words = set(arguments)
    for worker in ("worker", "trainer"):
        if f"{worker}@%h" in words:
            return worker
    if "ingest" in words:
        url = environment.get("FTWORKER_EVENTS_URL", "")
        return "ingest of a queue" if url.startswith("amqp") else "ingest of a stream"
    for word in arguments:
        if word.startswith("ftworker.training"):
            return word.rpartition(".")[2].replace("training_job", "training job")
    kept = next((word for word in ("beat", "web", "migrate") if word in words), None)
    if kept is None and COMMAND_LINE in words:
        told = takewhile(
            re.compile(r"[a-z]+(-[a-z]+)*").fullmatch, arguments[arguments.index(COMMAND_LINE) + 1 :]
        )
        return f"command {' '.join(islice(told, 2))}"
    return kept or "program"


class Recorder:
    """Tells and kills for one process and all that it forks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._role = role_of(sys.orig_argv)
        self._pid = os.getpid()
        self._inside = threading.local()
        self._read_at = 0
        self._arms: dict[str, tuple[re.Pattern[str], int]] = {}

    @property
    def role(self) -> str:
        """What this process is. A task's is one in worker and trainer: a crash decides where a step goes."""
        return self._role if os.getpid() == self._pid else "task"

    def pass_by(self, moment: Moment, what: str) -> None:
        """This process is at a point now. Does not return when the point is armed and this is its time."""
        if getattr(self._inside, "busy", False):
            return
        self._inside.busy = True
        try:
            name = f"{self.role}: {moment} {what}"
            _append(self._folder / SEEN, name + "\n")
            self._look_at_arms()
            for key, (pattern, time) in self._arms.items():
                if pattern.search(name) and _append(self._folder / f"{HITS}{key}", ".") == time:
                    _append(self._folder / STRUCK, json.dumps([key, self._pid == os.getpid(), name]) + "\n")
                    os.kill(os.getpid(), signal.SIGKILL)
        finally:
            self._inside.busy = False

    def around(self, what: Callable[..., str | None], work: Callable[..., Any]) -> Callable[..., Any]:
        """`work` with a point before and one after it. `what` names them from its arguments; None: it is no point."""

        @wraps(work)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            named = what(*args, **kwargs)
            if named is None:
                return work(*args, **kwargs)
            self.pass_by("before", named)
            try:
                result = work(*args, **kwargs)
            except Exception:
                # An answer that was lost, or said no, is an answer too: nothing of it is saved yet.
                self.pass_by("after", named)
                raise
            self.pass_by("after", named)
            return result

        return wrapped

    def _look_at_arms(self) -> None:
        file = self._folder / ARMS
        try:
            written = file.stat().st_mtime_ns
            if written == self._read_at:
                return
            arms = json.loads(file.read_bytes())
        except FileNotFoundError:
            return
        self._read_at = written
        self._arms = {key: (re.compile(pattern), time) for key, (pattern, time) in arms.items()}


def _append(file: Path, text: str) -> int:
    """Add to a file that many processes write; returns its size after that, which no other process gets."""
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, text.encode())
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    finally:
        os.close(descriptor)


# -- what is a point


def _asked_from() -> str:
    return place_of(sys._getframe(2))


def _in_product(what: str) -> Callable[..., str | None]:
    """A name for whatever ftworker does; None where others do the same."""

    def name(*_: Any, **__: Any) -> str | None:
        place = _asked_from()
        return f"{what} in {place}" if place else None

    return name


def _an_event(*_: Any, **__: Any) -> str | None:
    """A name for the sending of an event, not of a task."""
    place = _asked_from()
    return f"sending events in {place}" if SENDERS.search(place) else None


def _watch_files(recorder: Recorder) -> None:
    for module, names in (
        (os, ("fsync", "sync", "rename", "replace", "link", "unlink", "remove")),
        (shutil, ("rmtree",)),
    ):
        for name in names:
            setattr(module, name, recorder.around(_in_product(name), getattr(module, name)))

    def opened(event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[2], int) or not arguments[2] & os.O_CREAT:
            return
        if not str(arguments[0]).endswith(EMPTY_FILES):
            place = place_of(sys._getframe(1))
            if place:
                recorder.pass_by("before", f"a new file in {place}")

    sys.addaudithook(opened)


def _watch_postgres(psycopg2: ModuleType, recorder: Recorder) -> None:
    connect = psycopg2.connect
    extensions = sys.modules["psycopg2.extensions"]

    @cache
    def watched(factory: Any) -> Any:
        """The same kind of connection; its commits are points where they wrote something."""

        class Connection(factory):
            def commit(self) -> None:
                place = _asked_from()
                wrote = bool(place) and self._wrote()
                if wrote:
                    recorder.pass_by("before", f"commit in {place}")
                super().commit()
                if wrote:
                    recorder.pass_by("after", f"commit in {place}")

            def cursor(self, *args: Any, **kwargs: Any) -> Any:
                cursor = super().cursor(*args, **kwargs)
                if recorder.role == "migrate":
                    cursor.execute = recorder.around(_in_product("statement"), cursor.execute)
                return cursor

            def _wrote(self) -> bool:
                if self.info.transaction_status != extensions.TRANSACTION_STATUS_INTRANS:
                    return False
                with super().cursor() as cursor:
                    cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
                    return bool(cursor.fetchone()[0])

        return Connection

    def connected(*args: Any, connection_factory: Any = None, **kwargs: Any) -> Any:
        factory = watched(connection_factory or extensions.connection)
        return connect(*args, connection_factory=factory, **kwargs)

    psycopg2.connect = connected  # type: ignore[attr-defined]


def _task_of(headers: Any) -> str | None:
    return headers.get("task") if isinstance(headers, dict) else None


def _watch_messages(kombu: ModuleType, recorder: Recorder) -> None:
    def named(word: str) -> Callable[..., str | None]:
        def name(message: Any, *_: Any, **__: Any) -> str | None:
            task = _task_of(message.headers)
            return f"{word} of {task}" if task else None

        return name

    for word in ("ack", "reject", "requeue"):
        setattr(kombu.Message, word, recorder.around(named(word), getattr(kombu.Message, word)))


def _watch_publishing(kombu: ModuleType, recorder: Recorder) -> None:
    def name(*args: Any, **kwargs: Any) -> str | None:
        task = _task_of(kwargs.get("headers"))
        if task is None:
            return None
        place = _asked_from()
        if place:
            return f"publishing {task} in {place}"
        from celery import _state

        present = _state.get_current_task()
        return f"publishing {task} by the chain after {present.name if present else '?'}"

    kombu.Producer.publish = recorder.around(name, kombu.Producer.publish)


def _watch_amqp(amqp: ModuleType, recorder: Recorder) -> None:
    amqp.Channel.basic_ack = recorder.around(_in_product("ack"), amqp.Channel.basic_ack)
    amqp.Channel.basic_publish = recorder.around(_an_event, amqp.Channel.basic_publish)


def _watch_redis(redis: ModuleType, recorder: Recorder) -> None:
    def name(_client: Any, command: Any, *_: Any, **__: Any) -> str | None:
        place = _asked_from() if command in ("XACK", "XTRIM") else ""
        return f"{command} in {place}" if place else None

    redis.Redis.execute_command = recorder.around(name, redis.Redis.execute_command)
    redis.Pipeline.execute = recorder.around(_an_event, redis.Pipeline.execute)


def _watch_openai(client: ModuleType, recorder: Recorder) -> None:
    api = client.SyncAPIClient
    api.request = recorder.around(_in_product("call of OpenAI"), api.request)


def _watch_ollama(client: ModuleType, recorder: Recorder) -> None:
    """At the client's methods, for their answers go on after the first line."""
    for name, method in vars(client.OllamaClient).items():
        if callable(method) and not name.startswith("_"):
            what = _in_product(f"call of Ollama ({name})")
            setattr(client.OllamaClient, name, recorder.around(what, method))


WATCHED: Final[dict[str, Callable[[ModuleType, Recorder], None]]] = {
    "psycopg2": _watch_postgres,
    "kombu.message": _watch_messages,
    "kombu.messaging": _watch_publishing,
    "amqp.channel": _watch_amqp,
    "redis.client": _watch_redis,
    "openai._base_client": _watch_openai,
    "ftworker.providers.ollama": _watch_ollama,
}
"""What is done to a module as soon as a process imports it."""


class AfterImport(MetaPathFinder):
    """Does something to modules right after they were imported, and imports none by itself."""

    def __init__(self, watched: dict[str, Callable[[ModuleType], None]]) -> None:
        self._watched = watched

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        then = self._watched.pop(fullname, None)
        if then is None:
            return None
        spec = importlib.util.find_spec(fullname)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def run_and_watch(module: ModuleType) -> None:
            run(module)
            then(module)

        spec.loader.exec_module = run_and_watch  # type: ignore[method-assign]
        return spec


def install(folder: Path) -> None:
    """Begin to tell and to kill in this process. `folder` is where `crash_board.Board` writes and reads."""
    recorder = Recorder(folder)
    _watch_files(recorder)

    def watch(then: Callable[[ModuleType, Recorder], None]) -> Callable[[ModuleType], None]:
        return lambda module: then(module, recorder)

    watched = {name: watch(then) for name, then in WATCHED.items()}
    if (folder / PLANT_BUGS).exists():
        from tests.chaos.crash_planted import PLANTED

        watched |= PLANTED
    sys.meta_path.insert(0, AfterImport(watched))
    if recorder.role == "worker":
        # Before the fork, so that a child that takes the place of a killed one need not import for a second and a half.
        import openai  # noqa: F401
