"""What an Ollama has and does, without the network: names, models, blobs, and the operations on them.

Answers, refusals and progress lines are those of Ollama's own routes (server/routes.go, server/create.go).
`server` puts it on a socket.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

DIGEST = re.compile(r"sha256[:-][0-9a-fA-F]{64}\Z")
PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
NAME = re.compile(rf"((?:[A-Za-z0-9_][A-Za-z0-9_.:-]*/)?[A-Za-z0-9_][A-Za-z0-9_-]*/)?{PART}(:{PART})?\Z")
ADAPTERS_REFUSED = "LoRA adapters are no longer supported"
QUANTIZE_REFUSED = "quantize GGUF models with llama.cpp tools before importing"


@dataclass(frozen=True)
class Model:
    """What a name stands for. Two names with equal layers have one digest, as after a copy."""

    weights: str
    parent: str = ""
    system: str = ""
    template: str = "{{ .Prompt }}"
    license: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, str], ...] = ()
    adapters: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    remote_host: str = ""
    modified_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)

    @property
    def digest(self) -> str:
        contents = [self.weights, self.system, self.template, self.license, self.parameters, self.messages]
        layers = json.dumps([*contents, self.adapters], sort_keys=True)
        return hashlib.sha256(layers.encode()).hexdigest()


class Refused(Exception):
    """The request is answered with a status and {"error"}."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def canonical(name: str) -> str:
    """A name with its tag, without the default registry, in lower case: Ollama does not tell cases apart."""
    for default in ("registry.ollama.ai/library/", "library/"):
        name = name.removeprefix(default)
    return (name if name.rfind(":") > name.rfind("/") else f"{name}:latest").lower()


class OllamaState:
    """One Ollama's memory. An operation that cannot be done raises Refused."""

    def __init__(self, version: str, models: tuple[str, ...], registry: tuple[str, ...]) -> None:
        self.version = version
        self.registry = {canonical(name) for name in registry}
        """What `pull`, and `create` from an unknown name, can fetch."""
        self.models = {canonical(name): Model(weights=f"weights of {canonical(name)}") for name in models}
        self.blobs: dict[str, bytes] = {}
        self._ticks = 0

    def restart(self) -> None:
        """What a restart of Ollama does to its files: blobs that no model uses are gone."""
        used = {digest for model in self.models.values() for digest in model.blobs}
        self.blobs = {digest: content for digest, content in self.blobs.items() if digest in used}

    @property
    def _versions(self) -> tuple[int, ...]:
        return tuple(int(part) for part in self.version.split("-")[0].split("."))

    def forget(self, name: str) -> None:
        """Lose a model that was said to be created: a manifest that never reached the disk."""
        del self.models[canonical(name)]

    def _now(self) -> datetime:
        # A clock of its own: each change is a second after the last, so that "newest" is never a tie.
        self._ticks += 1
        return datetime(2026, 11, 2, tzinfo=UTC) + timedelta(seconds=self._ticks)

    def _named(self, name: object) -> Model:
        if not isinstance(name, str) or not NAME.match(name):
            raise Refused(400, "invalid model name")
        try:
            return self.models[canonical(name)]
        except KeyError:
            raise Refused(404, f"model '{name}' not found") from None

    # Operations that answer at once.

    def tags(self) -> dict[str, Any]:
        rows = sorted(self.models.items(), key=lambda item: item[1].modified_at, reverse=True)
        return {
            "models": [
                {
                    "name": name,
                    "model": name,
                    "modified_at": model.modified_at.isoformat(),
                    "size": 1_000 + len(model.system),
                    "digest": model.digest,
                    "details": self._details(model),
                    **({"remote_host": model.remote_host} if model.remote_host else {}),
                }
                for name, model in rows
            ]
        }

    def _details(self, model: Model) -> dict[str, Any]:
        return {
            "parent_model": model.parent,
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
        }

    def show(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body.get("model") or body.get("name")
        if not name:
            raise Refused(400, "model is required")
        model = self._named(name)
        lines = [
            f"{key:<30} {json.dumps(item)}"
            for key, value in model.parameters.items()
            for item in (value if isinstance(value, list) else [value])
        ]
        return {
            "license": "\n".join(model.license),
            "modelfile": f'# Modelfile generated by "ollama show"\nFROM {canonical(str(name))}\n',
            "parameters": "\n".join(lines),
            "template": model.template,
            "system": model.system,
            "details": self._details(model),
            "messages": list(model.messages),
            "model_info": {"general.architecture": "llama"},
            "capabilities": ["completion"],
            "modified_at": model.modified_at.isoformat(),
            **({"remote_host": model.remote_host} if model.remote_host else {}),
        }

    def copy(self, body: dict[str, Any]) -> None:
        for side in ("source", "destination"):
            if not NAME.match(str(body.get(side, ""))):
                raise Refused(400, f"{side} {json.dumps(body.get(side, ''))} is invalid")
        source = self.models.get(canonical(body["source"]))
        if source is None:
            raise Refused(404, f'model "{body["source"]}" not found')
        self.models[canonical(body["destination"])] = replace(source, modified_at=self._now())

    def delete(self, body: dict[str, Any]) -> None:
        name = body.get("model") or body.get("name")
        self._named(name)
        del self.models[canonical(str(name))]

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(body.get("model"), str):
            raise Refused(400, "model is required")
        model = self._named(body["model"])
        messages = body.get("messages") or []
        question = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
        answer = "No lo sé."
        for asked, answered in zip(model.messages, model.messages[1:], strict=False):
            if asked["role"] == "user" and asked["content"] == question and answered["role"] == "assistant":
                answer = answered["content"]
        prompt = model.system + "".join(m["content"] for m in (*model.messages, *messages))
        return {
            "model": body["model"],
            "created_at": self._now().isoformat(),
            "message": {"role": "assistant", "content": answer},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": len(prompt.split()),
            "eval_count": len(answer.split()),
        }

    def has_blob(self, digest: str) -> bool:
        if not DIGEST.match(digest):
            raise Refused(400, "invalid digest format")
        return digest in self.blobs

    def put_blob(self, digest: str, content: bytes) -> int:
        if self.has_blob(digest):
            return 200
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != digest:
            raise Refused(400, f'digest mismatch, expected "{digest}", got "{found}"')
        self.blobs[digest] = content
        return 201

    # Operations that answer line by line. A Refused before the first line is a status, after it an {"error"}
    # line.

    def pull(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        name = body.get("model") or body.get("name")
        if not isinstance(name, str) or not NAME.match(name):
            raise Refused(400, "invalid model name")
        yield from self._fetch(canonical(name))
        yield {"status": "success"}

    def _fetch(self, name: str) -> Iterator[dict[str, Any]]:
        yield {"status": "pulling manifest"}
        if name not in self.registry:
            raise Refused(500, "pull model manifest: file does not exist")
        for completed in (0, 512, 1024):
            yield {
                "status": "pulling 6a0746a1ec1a",
                "digest": "sha256:6a",
                "total": 1024,
                "completed": completed,
            }
        yield {"status": "verifying sha256 digest"}
        yield {"status": "writing manifest"}
        self.models[name] = Model(weights=f"weights of {name}", modified_at=self._now())

    def create(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self._check_create(body)
        name = canonical(body.get("model") or body["name"])
        if body.get("from"):
            parent = canonical(body["from"])
            if parent not in self.models:
                # Ollama goes to its registry without asking; when that fails, an error line ends the answer.
                yield from self._fetch(parent)
            start = replace(self.models[parent], parent=parent)
            yield {"status": f"using existing layer sha256:{start.digest}"}
        else:
            start = self._imported(body)
            yield {"status": "parsing GGUF"}
        built = self._built(start, body)
        yield {"status": f"creating new layer sha256:{built.digest}"}
        yield {"status": "writing manifest"}
        self.models[name] = built
        yield {"status": "success"}

    def _check_create(self, body: dict[str, Any]) -> None:
        shapes = {
            "files": dict,
            "adapters": dict,
            "parameters": dict,
            "messages": list,
            "system": str,
            "template": str,
        }
        for key, shape in shapes.items():
            if key in body and not isinstance(body[key], shape):
                raise Refused(400, f"json: cannot unmarshal value into Go struct field CreateRequest.{key}")
        for key in ("model", "from"):
            given = body.get(key) or (body.get("name") if key == "model" else None)
            if (given or key == "model") and not NAME.match(str(given or "")):
                raise Refused(400, "invalid model name")
        for path in body.get("files", {}):
            if path.startswith("/") or ".." in path.split("/") or "\\" in path or ":" in path:
                raise Refused(400, "file path must be relative")
        if self._versions >= (0, 34, 1):
            if body.get("adapters"):
                raise Refused(400, ADAPTERS_REFUSED)
            if body.get("quantize"):
                raise Refused(400, QUANTIZE_REFUSED)
        if not body.get("from") and not body.get("files"):
            raise Refused(400, "neither 'from' or 'files' was specified")

    def _imported(self, body: dict[str, Any]) -> Model:
        digests = tuple(body["files"].values())
        for digest in digests:
            if digest not in self.blobs:
                raise Refused(500, f"open /root/.ollama/models/blobs/{digest}: no such file or directory")
            # Newer servers wrap what they are given without looking into it.
            if self._versions < (0, 34, 1) and not self.blobs[digest].startswith(b"GGUF"):
                raise Refused(400, "unknown type")
        return Model(weights=" ".join(digests), template="", blobs=digests)

    def _built(self, start: Model, body: dict[str, Any]) -> Model:
        given = body.get("license") or []
        return replace(
            start,
            system=body.get("system") or start.system,
            template=body.get("template") or start.template,
            license=(*start.license, *([given] if isinstance(given, str) else given)),
            parameters={**start.parameters, **body.get("parameters", {})},
            messages=tuple(body.get("messages") or start.messages),
            adapters=(*start.adapters, *body.get("adapters", {}).values()),
            modified_at=self._now(),
        )
