"""The double's inside: checks, faults, journal, and the operations by name. `http_front` is its HTTP.

One request passes: fault before the work? → key → description → the work in `account` → our own answer
against the description → fault after the work? → answer. Everything is written into the journal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self

from tests.doubles.openai_api.account import Account
from tests.doubles.openai_api.faults import Behaviour, Fault, FaultPlan
from tests.doubles.openai_api.http_front import Handler, Server
from tests.doubles.openai_api.messages import ROUTES, Incoming, Reply, envelope, json_reply
from tests.doubles.openai_api.spec import is_described, openapi, request_problem, response_problem
from tests.doubles.openai_api.storage import Refusal
from tests.doubles.openai_api.wire import Form

KEY = "sk-double-0123456789abcdef0123456789abcdef"
"""The one key that the double accepts."""


@dataclass(frozen=True)
class Call:
    """One line of the journal. `outcome` is what the caller saw; `done` whether the work was done."""

    method: str
    path: str
    operation: str
    outcome: str
    done: bool
    body: Any = None
    """The JSON body, or the form without its files' contents."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """In lower case, without the key."""


class OpenAIDouble:
    """The double, running. Use it as a context manager; `base_url` is what a client is given.

    Thread-safe. Tests call `fault`, `behave`, `advance`, `finish`, and read `journal`, `jobs_created`,
    `account`.
    """

    def __init__(self, port: int = 0, *, keys: tuple[str, ...] = (KEY,)) -> None:
        openapi()  # before the first request, which would wait for it beyond a short timeout
        self.keys = keys
        self.lock = threading.RLock()
        self.faults = FaultPlan()
        self.stopping = threading.Event()
        self._behaviour = Behaviour()
        self._clock_offset = 0.0
        self.journal: list[Call] = []
        self.violations: list[str] = []
        """Answers of the double that broke the description: a mistake in the double."""
        self.account = Account(lambda: self._behaviour, self.now)
        self._server = Server(("127.0.0.1", port), partial(Handler, self))
        self.port: int = self._server.server_address[1]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        self.azure_base_url = f"http://127.0.0.1:{self.port}/openai/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    def serve_forever(self) -> None:
        """For the subprocess: serve in the calling thread until the process ends."""
        self._server.serve_forever()

    def now(self) -> float:
        return time.time() + self._clock_offset

    def fault(self, name: str, *, on: str, times: int = 1, skip: int = 0, **changes: Any) -> None:
        """Spoil the next `times` calls of an operation; see `faults.CATALOGUE` and `ROUTES` for the names."""
        if on != "*" and on not in {operation for _, _, operation in ROUTES}:
            raise KeyError(on)
        self.faults.add(name, on=on, times=times, skip=skip, **changes)

    def behave(self, **changes: Any) -> None:
        """Change how the service is for everybody; see `faults.Behaviour`."""
        with self.lock:
            self._behaviour = replace(self._behaviour, **changes)

    def advance(self, seconds: float) -> None:
        """Move the double's clock, and the jobs that follow it."""
        with self.lock:
            self._clock_offset += seconds
            self.account.tick()

    def finish(self, job_id: str) -> None:
        """Run a job to its end at once."""
        with self.lock:
            self.account.finish(job_id)

    def add_model(self, model: str, shutdown_date: str | None = None) -> None:
        with self.lock:
            self.account.models[model] = shutdown_date

    @property
    def jobs_created(self) -> int:
        """How many jobs exist, whatever anybody was told. The number that must be one."""
        with self.lock:
            return len(self.account.jobs)

    def calls(self, operation: str) -> list[Call]:
        """The journal's calls of one operation."""
        with self.lock:
            return [call for call in self.journal if call.operation == operation]

    # One request

    def answer(self, incoming: Incoming) -> Reply:
        fault = self.faults.take(incoming.operation)
        if fault is not None and not fault.after_work:
            reply = self._spoil(fault, incoming)
            self._note(incoming, f"{fault.name} before the work", done=False)
            return reply
        reply = self._work(incoming)
        done = reply.status < 400
        if fault is None:
            self._note(incoming, str(reply.status), done=done)
            return reply
        self._note(incoming, f"{fault.name} after {reply.status}", done=done)
        if fault.kind == "slow":
            self.stopping.wait(fault.delay_seconds)
            return reply
        if fault.kind == "truncated":
            return replace(reply, truncate=True)
        return self._spoil(fault, incoming)

    def _note(self, incoming: Incoming, outcome: str, *, done: bool) -> None:
        call = Call(
            method=incoming.method,
            path=incoming.path,
            operation=incoming.operation,
            outcome=outcome,
            done=done,
            body=incoming.journal_body,
            query=incoming.query,
            headers=incoming.headers,
        )
        with self.lock:
            self.journal.append(call)

    def _spoil(self, fault: Fault, incoming: Incoming) -> Reply:
        match fault.kind:
            case "drop":
                return Reply(0, b"", drop=True)
            case "malformed":
                return Reply(200, fault.body.encode())
            case "bare":
                return Reply(fault.status, fault.body.encode(), "text/html")
            case "slow":
                self.stopping.wait(fault.delay_seconds)
                return self._work(incoming)
            case "truncated":
                return replace(self._work(incoming), truncate=True)
            case "error":
                key = incoming.exchange.authorization.removeprefix("Bearer ")
                shown = f"{key[:8]}{'*' * max(0, len(key) - 12)}{key[-4:]}"
                message = fault.message.replace("{key}", shown)
                reply = envelope(fault.status, message, fault.code, None, fault.type)
                if fault.retry_after_seconds is not None:
                    reply.headers["Retry-After"] = f"{fault.retry_after_seconds:g}"
                return reply

    def _work(self, incoming: Incoming) -> Reply:
        exchange = incoming.exchange
        if exchange.authorization.removeprefix("Bearer ") not in self.keys:
            return envelope(
                401, "Incorrect API key provided.", "invalid_api_key", None, "invalid_request_error"
            )
        described = is_described(exchange.path)
        problem = request_problem(exchange) if described else None
        if problem is not None:
            return envelope(400, problem, None, None, "invalid_request_error")
        try:
            with self.lock:
                reply = self._perform(incoming)
        except Refusal as refusal:
            return envelope(refusal.status, refusal.message, refusal.code, refusal.param, refusal.type)
        if described:
            problem = response_problem(exchange, reply.status, reply.content_type, reply.content)
            if problem is not None:
                self.violations.append(f"{incoming.operation}: {problem}")
        return reply

    def _perform(self, incoming: Incoming) -> Reply:
        account, storage, argument, query = (
            self.account,
            self.account.storage,
            incoming.argument,
            incoming.query,
        )
        if incoming.operation == "files.content":
            return Reply(200, storage.file(argument).content, "application/binary")
        if incoming.operation in {"files.create", "uploads.parts.create"} and incoming.form is None:
            raise Refusal(400, "A multipart/form-data body is needed.")
        form = incoming.form or Form({}, {})
        body = incoming.json or {}
        after = query.get("after")
        metadata = {key[9:-1]: value for key, value in query.items() if key.startswith("metadata[")}
        performers: Mapping[str, Callable[[], Any]] = {
            "files.create": lambda: storage.create_file(
                form.files["file"].filename,
                form.files["file"].content,
                form.fields["purpose"],
                form.expires_after,
            ),
            "files.list": lambda: storage.list_files(
                query.get("purpose"), after, int(query.get("limit", 10_000)), query.get("order", "desc")
            ),
            "files.retrieve": lambda: storage.retrieve_file(argument),
            "files.delete": lambda: storage.delete_file(argument),
            "uploads.create": lambda: storage.create_upload(
                body["filename"], body["bytes"], (body.get("expires_after") or {}).get("seconds")
            ),
            "uploads.parts.create": lambda: storage.add_part(argument, form.files["data"].content),
            "uploads.complete": lambda: storage.complete_upload(argument, body["part_ids"], body.get("md5")),
            "uploads.cancel": lambda: storage.cancel_upload(argument),
            "jobs.create": lambda: account.create_job(body),
            "jobs.list": lambda: account.list_jobs(after, int(query.get("limit", 20)), metadata),
            "jobs.retrieve": lambda: account.retrieve_job(argument),
            "jobs.events": lambda: account.list_events(argument, after, int(query.get("limit", 20))),
            "jobs.checkpoints": lambda: account.list_checkpoints(
                argument, after, int(query.get("limit", 10))
            ),
            "jobs.cancel": lambda: account.cancel_job(argument),
            "jobs.pause": lambda: account.pause_job(argument),
            "jobs.resume": lambda: account.resume_job(argument),
            "models.list": lambda: {
                "object": "list",
                "data": [account.model_json(model) for model in account.models],
            },
            "models.retrieve": lambda: account.model_json(argument),
            "models.delete": lambda: account.delete_model(argument),
            "chat.completions.create": lambda: self._chat(body),
        }
        return json_reply(200, performers[incoming.operation]())

    def _chat(self, body: Mapping[str, Any]) -> dict[str, Any]:
        messages = body.get("messages")
        if not isinstance(body.get("model"), str) or not isinstance(messages, list) or not messages:
            raise Refusal(400, "model and messages are needed.", None, "messages")
        text = self.account.chat(body["model"], messages)
        words = sum(len(str(message.get("content", "")).split()) for message in messages)
        return {
            "id": f"chatcmpl-{len(self.journal):06d}",
            "object": "chat.completion",
            "created": int(self.now()),
            "model": body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": "stop",
                    "logprobs": None,
                }
            ],
            "usage": {
                "prompt_tokens": words,
                "completion_tokens": len(text.split()),
                "total_tokens": words + len(text.split()),
            },
        }

    # Control over HTTP

    def control(self, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        """`/_double/`: what tests in another process use. Never part of the vendor's API."""
        match method, path:
            case "GET", "/_double/state":
                with self.lock:
                    state = {
                        "jobs_created": len(self.account.jobs),
                        "jobs": [job.as_json(self._behaviour) for job in self.account.jobs.values()],
                        "files": [stored.as_json() for stored in self.account.storage.files.values()],
                        "faults": self.faults.pending(),
                        "violations": list(self.violations),
                    }
                return json_reply(200, state)
            case "GET", "/_double/journal":
                with self.lock:
                    return json_reply(200, [vars(call) for call in self.journal])
            case "POST", "/_double/faults":
                self.fault(**body)
            case "POST", "/_double/behaviour":
                self.behave(**body)
            case "POST", "/_double/advance":
                self.advance(float(body["seconds"]))
            case "POST", "/_double/finish":
                self.finish(str(body["job_id"]))
            case "POST", "/_double/models":
                self.add_model(**body)
            case _:
                return json_reply(404, {"error": f"no such control: {method} {path}"})
        return json_reply(200, {"ok": True})
