"""llama.cpp behind the double, as it stands behind Ollama: a GGUF opened by llama-server's own code, from a wheel."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import requests


class NotLoaded(Exception):
    """llama.cpp does not take the file."""


class Opened:
    """One open model, with the adapters that are applied to it."""

    def __init__(self, model: bytes, adapters: tuple[bytes, ...] = ()) -> None:
        # 60 MB that only tests with a real file pay for.
        import xllamacpp

        self._folder = tempfile.TemporaryDirectory(prefix="ollama-double-")
        parameters = xllamacpp.CommonParams()
        parameters.model.path = self._file("model.gguf", model)
        parameters.lora_adapters = [
            xllamacpp.CommonAdapterLoraInfo(self._file(f"{number}.gguf", adapter), 1.0)
            for number, adapter in enumerate(adapters)
        ]
        parameters.n_ctx = 512
        parameters.n_parallel = 1
        parameters.n_gpu_layers = 0
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
        parameters.hostnames = ["127.0.0.1"]
        parameters.port = 0
        parameters.use_jinja = True
        parameters.warmup = False
        parameters.verbosity = -1
        try:
            self._server = xllamacpp.Server(parameters)
        except RuntimeError as error:
            self._folder.cleanup()
            raise NotLoaded(str(error)) from error

    def _file(self, name: str, content: bytes) -> str:
        path = Path(self._folder.name) / name
        path.write_bytes(content)
        return str(path)

    def close(self) -> None:
        self._server = None
        self._folder.cleanup()

    @property
    def address(self) -> str:
        """Where llama-server answers: `http://127.0.0.1:PORT`."""
        return str(self._server.listening_address)

    def render(self, messages: list[dict[str, str]]) -> str:
        """By the file's own Jinja template, without what the tokenizer puts in front."""
        return str(self._ask("/apply-template", {"messages": messages})["prompt"])

    def complete(self, prompt: str, options: dict[str, Any]) -> tuple[str, int, int]:
        """The text that follows, and how many tokens were read and written."""
        body = {
            "prompt": prompt,
            "n_predict": options.get("num_predict", 16),
            "temperature": options.get("temperature", 0.8),
            "seed": options.get("seed", 1),
            "stop": options.get("stop", []),
            "cache_prompt": False,
        }
        told = self._ask("/completion", body)
        return str(told["content"]), int(told["tokens_evaluated"]), int(told["tokens_predicted"])

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(
                f"{self.address}{path}",
                data=json.dumps(body),
                headers={"Content-Type": "application/json"},
                timeout=60,
            )
            answer.raise_for_status()
            return answer.json()
