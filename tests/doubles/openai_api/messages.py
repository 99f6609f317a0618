"""What passes between the double's HTTP front and its inside: one request, one answer, and the table of
operations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.doubles.openai_api.spec import Exchange
from tests.doubles.openai_api.wire import Form

PREFIXES = ("/openai/v1/", "/v1/")

ROUTES: tuple[tuple[str, str, str], ...] = (
    ("POST", r"/files", "files.create"),
    ("GET", r"/files", "files.list"),
    ("GET", r"/files/([^/]+)", "files.retrieve"),
    ("DELETE", r"/files/([^/]+)", "files.delete"),
    ("GET", r"/files/([^/]+)/content", "files.content"),
    ("POST", r"/uploads", "uploads.create"),
    ("POST", r"/uploads/([^/]+)/parts", "uploads.parts.create"),
    ("POST", r"/uploads/([^/]+)/complete", "uploads.complete"),
    ("POST", r"/uploads/([^/]+)/cancel", "uploads.cancel"),
    ("POST", r"/fine_tuning/jobs", "jobs.create"),
    ("GET", r"/fine_tuning/jobs", "jobs.list"),
    ("GET", r"/fine_tuning/jobs/([^/]+)", "jobs.retrieve"),
    ("GET", r"/fine_tuning/jobs/([^/]+)/events", "jobs.events"),
    ("GET", r"/fine_tuning/jobs/([^/]+)/checkpoints", "jobs.checkpoints"),
    ("POST", r"/fine_tuning/jobs/([^/]+)/cancel", "jobs.cancel"),
    ("POST", r"/fine_tuning/jobs/([^/]+)/pause", "jobs.pause"),
    ("POST", r"/fine_tuning/jobs/([^/]+)/resume", "jobs.resume"),
    ("GET", r"/models", "models.list"),
    ("GET", r"/models/([^/]+)", "models.retrieve"),
    ("DELETE", r"/models/([^/]+)", "models.delete"),
    ("POST", r"/chat/completions", "chat.completions.create"),
)


@dataclass
class Incoming:
    """A request, routed. `argument` is the id in its path; `exchange` is its form for the description."""

    method: str
    path: str
    operation: str
    argument: str
    query: dict[str, str]
    exchange: Exchange
    json: Any
    form: Form | None
    headers: dict[str, str]

    @property
    def journal_body(self) -> Any:
        if self.form is None:
            return self.json
        sizes = {name: len(part.content) for name, part in self.form.files.items()}
        return {**self.form.fields, **sizes}


@dataclass
class Reply:
    """An answer. `drop` closes the connection instead, `truncate` after half of the answer."""

    status: int
    content: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    truncate: bool = False


def json_reply(status: int, value: Any, **headers: str) -> Reply:
    """An answer in JSON."""
    return Reply(status, json.dumps(value).encode(), headers=headers)


def envelope(status: int, message: str, code: str | None, param: str | None, type_: str | None) -> Reply:
    """OpenAI's error envelope."""
    return json_reply(status, {"error": {"message": message, "type": type_, "param": param, "code": code}})
