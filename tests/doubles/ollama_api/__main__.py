"""`python -m tests.doubles.ollama_api`: the double as a program, for people and for tests of processes."""

from __future__ import annotations

import argparse
import signal
import threading

from tests.doubles.ollama_api import OllamaDouble


def main() -> None:
    """Serve until interrupted; print the address first."""
    parser = argparse.ArgumentParser(description="A stand-in for Ollama's HTTP API.")
    parser.add_argument("--port", type=int, default=11434, help="0 takes a free one")
    parser.add_argument("--version", default="0.34.1", help="what /api/version says, and what is refused")
    parser.add_argument("--model", action="append", default=[], help="a model that is there; may be repeated")
    parser.add_argument("--registry", action="append", default=[], help="a model that can be pulled")
    given = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    models = tuple(given.model) or ("llama3.2:3b",)
    with OllamaDouble(
        given.version, models=models, registry=tuple(given.registry), port=given.port
    ) as double:
        print(f"ollama double {given.version} answers at {double.url} with {', '.join(models)}", flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
