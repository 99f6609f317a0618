"""Our client of Ollama's HTTP API: what ftworker needs of it, with typed errors. Logs nothing.

Every call stands alone (no connection is kept), so a client is safe to use after a fork and from threads. It
never repeats a call by itself: all of them may be repeated, and the run's pipeline does so. `local` decides
what to ask, `ollama_wire` has the requests and answers, `ollama_names` judges names and addresses.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO, Final
from urllib.parse import quote

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError, ReadTimeoutError

from ftworker.errors import PermanentError
from ftworker.providers.contract import ProviderRejected, ProviderUnavailable
from ftworker.providers.ollama_names import parse_host
from ftworker.providers.ollama_wire import (
    ChatAnswer,
    CreateRequest,
    InstalledModel,
    ModelNotFound,
    OllamaUnreachable,
    OnProgress,
    Progress,
    RenderedPrompt,
    ShownModel,
    failed_late,
    ignore_progress,
    read_line,
    shortened,
)

_BLOCK_BYTES: Final = 1 << 20


class OllamaClient:
    """Ollama at one address.

    Every method raises OllamaUnreachable when nobody is there, ProviderUnavailable when the call failed and
    may be repeated, ProviderRejected when Ollama refuses it.
    """

    def __init__(
        self,
        host: str,
        *,
        request_timeout_seconds: float,
        create_timeout_seconds: float,
        connect_timeout_seconds: float = 5.0,
    ) -> None:
        self.base_url = parse_host(host)
        self.shown_url = re.sub(r"//[^@/]*@", "//", self.base_url)
        """The address for people: without a login."""
        self._connect_seconds = connect_timeout_seconds
        self._request_seconds = request_timeout_seconds
        self._create_seconds = create_timeout_seconds

    def version(self) -> str:
        """For example `0.34.1`. A development build says `0.0.0`."""
        version = self._json("GET", "/api/version").get("version")
        if not isinstance(version, str):
            raise OllamaUnreachable(f"{self.shown_url} answers, but not as Ollama does; look at OLLAMA_HOST")
        return version

    def installed(self) -> tuple[InstalledModel, ...]:
        """All models that are there, newest first, as Ollama lists them."""
        rows = self._json("GET", "/api/tags").get("models") or ()
        return tuple(
            InstalledModel(
                name=str(row.get("name") or row.get("model")),
                digest=str(row.get("digest", "")),
                size_bytes=int(row.get("size") or 0),
                modified_at=_time(row.get("modified_at")),
                is_remote=bool(row.get("remote_host")),
            )
            for row in rows
        )

    def show(self, model: str) -> ShownModel:
        """What a model is made of. Raises ModelNotFound."""
        return ShownModel.of_answer(self._json("POST", "/api/show", body={"model": model}))

    def has_blob(self, digest: str) -> bool:
        """Whether the content is there already. `digest`: `sha256:` and 64 hexadecimal digits."""
        try:
            with self._answer("HEAD", f"/api/blobs/{quote(digest, safe=':')}"):
                return True
        except ModelNotFound:
            return False

    def push_blob(
        self, content: BinaryIO, *, digest: str, size_bytes: int, on_progress: OnProgress = ignore_progress
    ) -> bool:
        """Send a file's content, unless it is there; say whether it was sent. Memory stays flat.

        Ollama forgets blobs that no model uses when it restarts: push just before `create`.
        """
        # The official client always sends; a merged model of some gigabytes is worth one HEAD.
        if self.has_blob(digest):
            return False
        with self._answer(
            "POST", f"/api/blobs/{quote(digest, safe=':')}", data=_Blocks(content, size_bytes, on_progress)
        ):
            return True

    def create(self, request: CreateRequest, *, on_progress: OnProgress = ignore_progress) -> None:
        """Build a model, replacing one of that name. Ends well only when Ollama says `success`.

        `from_` must be installed: Ollama would fetch an unknown one from its registry without asking.
        """
        self._follow("/api/create", request.body(), f"create {request.model}", on_progress)

    def pull(self, model: str, *, on_progress: OnProgress = ignore_progress) -> None:
        """Let Ollama fetch a model from its registry. A repeated call goes on where the last one stopped."""
        self._follow("/api/pull", {"model": model, "stream": True}, f"pull {model}", on_progress)

    def copy(self, source: str, destination: str) -> None:
        """Give a model another name, taking the name from whichever model has it. Raises ModelNotFound."""
        with self._answer("POST", "/api/copy", body={"source": source, "destination": destination}):
            pass

    def delete(self, model: str) -> None:
        """Remove a name. Raises ModelNotFound."""
        with self._answer("DELETE", "/api/delete", body={"model": model}):
            pass

    def chat(
        self, model: str, messages: Sequence[tuple[str, str]], *, options: Mapping[str, Any] | None = None
    ) -> ChatAnswer:
        """One answer, whole. Loads the model first when it must, which may take minutes for a large one."""
        body = {
            "model": model,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "stream": False,
            "options": dict(options or {}),
        }
        answer = self._json("POST", "/api/chat", body=body, read_seconds=self._create_seconds)
        message = answer.get("message")
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise ProviderUnavailable(f"Ollama's answer of {model} has no message", code="malformed_answer")
        return ChatAnswer(message["content"], answer.get("prompt_eval_count"), answer.get("eval_count"))

    def rendered(self, model: str, messages: Sequence[tuple[str, str]]) -> RenderedPrompt:
        """What the model is given for a conversation, by Ollama's undocumented `_debug_render_only`.

        An Ollama that does not know the field (before 0.11) answers the conversation with one token instead.
        """
        body = {
            "model": model,
            "messages": [{"role": role, "content": content} for role, content in messages],
            "stream": False,
            "_debug_render_only": True,
            "options": {"num_predict": 1},
        }
        answer = self._json("POST", "/api/chat", body=body, read_seconds=self._create_seconds)
        shown = answer.get("_debug_info")
        text = shown.get("rendered_template") if isinstance(shown, dict) else None
        return RenderedPrompt(text if isinstance(text, str) else None, answer.get("prompt_eval_count"))

    def count_tokens(self, model: str, prompt: str) -> int | None:
        """How many tokens the model sees in a text that is given to it as it stands; None: Ollama does not say."""
        body = {"model": model, "prompt": prompt, "raw": True, "stream": False, "options": {"num_predict": 1}}
        answer = self._json("POST", "/api/generate", body=body, read_seconds=self._create_seconds)
        count = answer.get("prompt_eval_count")
        return count if isinstance(count, int) else None

    def _json(
        self, method: str, path: str, *, body: dict[str, Any] | None = None, read_seconds: float | None = None
    ) -> dict[str, Any]:
        with self._answer(method, path, body=body, read_seconds=read_seconds) as response:
            try:
                answer = response.json()
            except requests.exceptions.JSONDecodeError as error:
                raise OllamaUnreachable(
                    f"{self.shown_url}{path} answers without JSON, so it is not Ollama; look at OLLAMA_HOST"
                ) from error
        if not isinstance(answer, dict):
            raise OllamaUnreachable(
                f"{self.shown_url}{path} answers, but not as Ollama does; look at OLLAMA_HOST"
            )
        return answer

    def _follow(self, path: str, body: dict[str, Any], what: str, on_progress: OnProgress) -> None:
        deadline = time.monotonic() + self._create_seconds
        with self._answer("POST", path, body=body, read_seconds=self._create_seconds) as response:
            for line in response.iter_lines():
                if not line:
                    continue
                said = read_line(line, what)
                # An error after the first line comes inside a 200.
                if said.get("error"):
                    raise failed_late(what, str(said["error"]))
                status = str(said.get("status", ""))
                on_progress(Progress(status, said.get("completed"), said.get("total")))
                if status == "success":
                    return
                if time.monotonic() > deadline:
                    raise ProviderUnavailable(
                        f"{what}: not done after {self._create_seconds:g} s; raise create_timeout_seconds",
                        code="timeout",
                    )
        raise ProviderUnavailable(f"{what}: Ollama's answer ended without `success`", code="no_success")

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, Any] | None = None,
        data: _Blocks | None = None,
        read_seconds: float | None = None,
    ) -> Iterator[requests.Response]:
        timeout = (self._connect_seconds, read_seconds or self._request_seconds)
        with requests.Session() as session:
            # A proxy from the environment would read the conversations on their way to the next room.
            session.trust_env = False
            try:
                response = session.request(
                    method,
                    self.base_url + path,
                    json=body,
                    data=data,
                    stream=True,
                    timeout=timeout,
                    allow_redirects=False,  # requests would turn a redirected POST into a GET
                )
                with response:
                    if response.status_code >= 300:
                        raise self._refusal(response, path)
                    yield response
            except (requests.exceptions.ConnectionError, requests.exceptions.Timeout) as error:
                raise self._broken(error, path) from error
            except (
                requests.exceptions.ChunkedEncodingError,
                requests.exceptions.ContentDecodingError,
            ) as error:
                raise self._broken(error, path) from error

    def _broken(self, error: Exception, path: str) -> ProviderUnavailable:
        cause = error.args[0] if error.args else None
        never_connected = isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
        if never_connected or isinstance(error, requests.exceptions.ConnectTimeout):
            return OllamaUnreachable(
                f"nobody answers at {self.shown_url}; start Ollama (`ollama serve`) or set OLLAMA_HOST"
            )
        # While an answer streams, requests wraps a silence into its ConnectionError.
        if isinstance(error, requests.exceptions.Timeout) or isinstance(cause, ReadTimeoutError):
            return ProviderUnavailable(f"Ollama was silent for too long at {path}", code="timeout")
        return ProviderUnavailable(f"the connection to Ollama broke off at {path}", code="connection_lost")

    def _refusal(self, response: requests.Response, path: str) -> ProviderRejected | ProviderUnavailable:
        try:
            answer = response.json()
            said = str(answer["error"])
        except (requests.exceptions.RequestException, KeyError, TypeError):
            said = "no reason given"
        message = f"Ollama answers {path} with {response.status_code}: {shortened(said)}"
        match response.status_code:
            case 404:
                return ModelNotFound(message)
            case 408 | 429:
                return ProviderUnavailable(message, code=f"http_{response.status_code}")
            case status if status >= 500:
                return ProviderUnavailable(message, code=f"http_{status}")
            case status:
                return ProviderRejected(message, code=f"http_{status}")


class _Blocks:
    """A body of known length that is read in blocks while it is sent."""

    def __init__(self, content: BinaryIO, size_bytes: int, on_progress: OnProgress) -> None:
        self._content = content
        self._size_bytes = size_bytes
        self._on_progress = on_progress

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        while block := self._content.read(_BLOCK_BYTES):
            yield block
            sent += len(block)
            self._on_progress(Progress("uploading", sent, self._size_bytes))
        if sent != self._size_bytes:
            # Ollama would wait for the rest until its own timeout.
            raise PermanentError(
                f"the file to upload has {sent} bytes instead of {self._size_bytes}; build it again"
            )


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
