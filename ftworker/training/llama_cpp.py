"""A GGUF file as llama.cpp serves it: tokens, prompts, probabilities, answers. By the wheel `xllamacpp`.

The server inside the wheel listens on this machine alone, on a port that the system gives and with a key made for it,
for as long as the model is open. Ollama and llama-server run the same code. Never writes, never downloads.
"""

from __future__ import annotations

import http.client
import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy

from ftworker.errors import PermanentError
from ftworker.training.divergence import TopTokens

TOP_TOKENS: Final = 4_096
"""How many of the next token's probabilities are asked for. The rest, a few percent at most, is known as a sum."""
_TIMEOUT_SECONDS: Final = 600.0


class CannotServe(PermanentError):
    """llama.cpp does not take the file, or does not answer with it."""


@dataclass(frozen=True)
class Answer:
    """What a model said, greedily."""

    text: str
    seconds: float


def is_installed() -> bool:
    """Whether the wheel is here (`pip install "ftworker[train]"`)."""
    return find_spec("xllamacpp") is not None


class LlamaCpp:
    """One open GGUF file; a context manager, which frees the model's memory. Raises CannotServe."""

    def __init__(self, file: Path, *, context_tokens: int = 2_048, threads: int | None = None) -> None:
        self._file = file
        self._context_tokens = context_tokens
        self._threads = threads
        self._key = secrets.token_urlsafe(24)
        self._server: Any = None
        self._any_letter: int | None = None

    def __enter__(self) -> Self:
        import xllamacpp

        wanted = xllamacpp.CommonParams()
        wanted.model.path = str(self._file)
        wanted.n_ctx = self._context_tokens
        wanted.n_parallel = 1
        wanted.hostnames = ["127.0.0.1"]
        wanted.port = 0
        wanted.api_keys = [self._key]
        wanted.ui = False
        wanted.use_jinja = True
        wanted.warmup = False
        wanted.verbosity = -1
        if self._threads is not None:
            wanted.cpuparams.n_threads = wanted.cpuparams_batch.n_threads = self._threads
        try:
            self._server = xllamacpp.Server(wanted)
        except RuntimeError as error:
            raise CannotServe(f"llama.cpp cannot load {self._file.name} ({error})") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server = None  # its destructor ends the server and frees the model

    def tokens(self, text: str) -> list[int]:
        """The tokens of a prompt, with what the tokenizer puts in front by itself."""
        body = {"content": text, "add_special": True, "parse_special": True}
        return [int(number) for number in self._ask("/tokenize", body)["tokens"]]

    def prompt(self, messages: Sequence[tuple[str, str]]) -> str:
        """What llama-server makes of a conversation with the file's own chat template, up to where the model speaks."""
        return str(self._ask("/apply-template", {"messages": _chat(messages)})["prompt"])

    def next_tokens(self, ids: Sequence[int]) -> TopTokens:
        """The most probable tokens after these, before any sampling."""
        body = {
            "prompt": list(ids),
            "n_predict": 1,
            "n_probs": TOP_TOKENS,
            # Below zero: greedy, and the probabilities are those of the model alone, before the bias too.
            "temperature": -1,
            # After an end of text, or half a character, the server tells no probabilities: so a letter follows.
            "logit_bias": [[self._letter(), 1e6]],
            "cache_prompt": False,
        }
        found = self._ask("/completion", body)["completion_probabilities"][0]["top_logprobs"]
        return TopTokens(
            numpy.array([entry["id"] for entry in found], dtype=numpy.int64),
            # One that the model rounds to nothing has no logarithm, and JSON no word for that.
            numpy.array([_number(entry["logprob"]) for entry in found], dtype=numpy.float64),
        )

    def _letter(self) -> int:
        if self._any_letter is None:
            self._any_letter = int(self._ask("/tokenize", {"content": "Z"})["tokens"][-1])
        return self._any_letter

    def answer(self, messages: Sequence[tuple[str, str]], *, max_tokens: int = 64) -> Answer:
        """The most probable answer, as a chat client gets it."""
        body = {"messages": _chat(messages), "temperature": 0, "max_tokens": max_tokens}
        told = self._ask("/v1/chat/completions", body)
        milliseconds = told["timings"]["prompt_ms"] + told["timings"]["predicted_ms"]
        return Answer(str(told["choices"][0]["message"]["content"]).strip(), milliseconds / 1000)

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        address = str(self._server.listening_address).removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", path, json.dumps(body), headers)
            response = connection.getresponse()
            told = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise CannotServe(f"llama.cpp stopped answering with {self._file.name} open: {error}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            # Its message may quote the prompt, which is a person's where a person asks.
            raise CannotServe(
                f"llama.cpp answered {path} with status {response.status}, with {self._file.name} open"
            )
        return json.loads(told)


def _chat(messages: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"role": role, "content": content} for role, content in messages]


def _number(logarithm: float | None) -> float:
    return -math.inf if logarithm is None else logarithm
