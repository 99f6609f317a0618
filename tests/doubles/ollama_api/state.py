"""What an Ollama has and does, without the network: names, models, blobs, and the operations on them.

Answers, refusals and progress lines are those of Ollama's own routes (server/routes.go, server/create.go). A model that
was made of a GGUF answers through llama.cpp, rendered as Ollama renders; any other one knows its examples alone.
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

from tests.doubles.ollama_api.go_template import render as render_go
from tests.doubles.ollama_api.llama_cpp import NotLoaded, Opened

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
    parser: str = ""
    license: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    messages: tuple[dict[str, str], ...] = ()
    adapters: tuple[str, ...] = ()
    blobs: tuple[str, ...] = ()
    remote_host: str = ""
    modified_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)

    @property
    def digest(self) -> str:
        contents = [
            self.weights,
            self.system,
            self.template,
            self.parser,
            self.license,
            self.parameters,
            self.messages,
        ]
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
        self.known_templates: dict[str, str] = {}
        """Jinja to Go: what `create` recognises in a GGUF by its text (template/index.json) and puts in its place."""
        self.says: str | None = None
        """What every model answers, when set."""
        self._opened: dict[tuple[str, ...], Opened] = {}
        self._ticks = 0

    def close(self) -> None:
        """Free the models that are open."""
        for opened in self._opened.values():
            opened.close()
        self._opened.clear()

    def restart(self) -> None:
        """What a restart of Ollama does to its files: blobs that no model uses are gone."""
        used = {digest for model in self.models.values() for digest in (*model.blobs, *model.adapters)}
        self.blobs = {digest: content for digest, content in self.blobs.items() if digest in used}

    @property
    def _versions(self) -> tuple[int, ...]:
        numbers = tuple(int(part) for part in self.version.split("-")[0].split("."))
        return numbers if any(numbers) else (99,)  # a development build calls itself 0.0.0

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
        messages = [*model.messages, *(body.get("messages") or [])]
        if body.get("messages") and body["messages"][0]["role"] != "system" and model.system:
            messages.insert(0, {"role": "system", "content": model.system})
        options = {**model.parameters, **(body.get("options") or {})}
        head = {"model": body["model"], "created_at": self._now().isoformat()}
        if not model.blobs:
            answer = _answer_by_example(model, body.get("messages") or [])
            counts = len("".join(m["content"] for m in messages).split()), len(answer.split())
            return self._answered(head, answer, *counts)
        prompt = self._prompt(model, messages)
        if body.get("_debug_render_only") and self._versions >= (0, 11):
            return {
                **head,
                "message": {"role": "", "content": ""},
                "done": False,
                "_debug_info": {"rendered_template": prompt},
            }
        return self._answered(head, *self._open(model).complete(prompt, options))

    def generate(self, body: dict[str, Any]) -> dict[str, Any]:
        """Only a text as it stands: `raw`."""
        if not body.get("raw"):
            raise Refused(400, "the double answers raw prompts alone")
        model = self._named(body.get("model"))
        answer, read, written = self._open(model).complete(
            body["prompt"], {**model.parameters, **(body.get("options") or {})}
        )
        return {
            "model": body["model"],
            "response": answer,
            "done": True,
            "prompt_eval_count": read,
            "eval_count": written,
        }

    def _answered(self, head: dict[str, Any], answer: str, read: int, written: int) -> dict[str, Any]:
        return {
            **head,
            "message": {"role": "assistant", "content": answer if self.says is None else self.says},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": read,
            "eval_count": written,
        }

    def _prompt(self, model: Model, messages: list[dict[str, str]]) -> str:
        """As server/routes.go chooses: the TEMPLATE, unless the file's own Jinja can do more and no PARSER stands."""
        jinja = _chat_template(self.blobs[model.blobs[0]])
        go_can = {word for word in ("Tools", "Thinking") if f".{word}" in model.template}
        jinja_can = {word for word, sign in (("Tools", "tools"), ("Thinking", "</think>")) if sign in jinja}
        natively = self._versions >= (0, 30) and (
            not model.template or (jinja_can > go_can and not model.parser)
        )
        if natively:
            return self._open(model).render(messages)
        return render_go(model.template or "{{ .Prompt }}", messages)

    def _open(self, model: Model) -> Opened:
        key = (*model.blobs, *model.adapters)
        if key not in self._opened:
            try:
                self._opened[key] = Opened(
                    self.blobs[model.blobs[0]], tuple(self.blobs[digest] for digest in model.adapters)
                )
            except NotLoaded as error:
                raise Refused(500, f"unable to load model: {model.blobs[0]}") from error
        return self._opened[key]

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
            yield {"status": "parsing GGUF"}
            start = self._imported(body)
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
        if body.get("files") and not any(name.endswith(".gguf") for name in body["files"]):
            raise Refused(400, "unknown type")

    def _imported(self, body: dict[str, Any]) -> Model:
        digests = tuple(body["files"].values())
        for digest in digests:
            self._check_blob(digest)
            # Newer servers wrap what they are given without looking into it.
            if self._versions < (0, 34, 1) and not self.blobs[digest].startswith(b"GGUF"):
                raise Refused(400, "supplied file was not in GGUF format")
        template = self.known_templates.get(_chat_template(self.blobs[digests[0]]), "")
        return Model(weights=" ".join(digests), template=template, blobs=digests)

    def _check_blob(self, digest: str) -> None:
        if digest not in self.blobs:
            raise Refused(500, f"open /root/.ollama/models/blobs/{digest}: no such file or directory")

    def _built(self, start: Model, body: dict[str, Any]) -> Model:
        given = body.get("license") or []
        for digest in body.get("adapters", {}).values():
            self._check_blob(digest)
        return replace(
            start,
            system=body.get("system") or start.system,
            template=body.get("template") or start.template,
            parser=body.get("parser") or start.parser,
            license=(*start.license, *([given] if isinstance(given, str) else given)),
            parameters={**start.parameters, **body.get("parameters", {})},
            messages=tuple(body.get("messages") or start.messages),
            adapters=(*start.adapters, *body.get("adapters", {}).values()),
            modified_at=self._now(),
        )


def _answer_by_example(model: Model, messages: list[dict[str, str]]) -> str:
    question = next((m["content"] for m in reversed(messages) if m["role"] == "user"), "")
    for asked, answered in zip(model.messages, model.messages[1:], strict=False):
        if asked["role"] == "user" and asked["content"] == question and answered["role"] == "assistant":
            return answered["content"]
    return "No lo sé."


def _chat_template(content: bytes) -> str:
    """The Jinja text in a GGUF, found by its key: length and type stand before it, then the text and its length."""
    key = b"tokenizer.chat_template"
    at = content.find(key)
    if at < 0:
        return ""
    at += len(key) + 4
    length = int.from_bytes(content[at : at + 8], "little")
    return content[at + 8 : at + 8 + length].decode()
