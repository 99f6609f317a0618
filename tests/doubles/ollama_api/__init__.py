"""A stand-in for Ollama's HTTP API on 127.0.0.1, with state, versions and faults. No model runs in it.

In a test: the fixture `ollama_api`, or `with OllamaDouble("0.33.0") as ollama`. From a shell:
`python -m tests.doubles.ollama_api --port 0`. What a model "knows" are its MESSAGE examples: asked one of
their questions it gives their answer, else "No lo sé.". `state` is what it has and does, `server` the HTTP
around it.
"""

from tests.doubles.ollama_api.server import Call, Fault, OllamaDouble
from tests.doubles.ollama_api.state import ADAPTERS_REFUSED, QUANTIZE_REFUSED, Model, canonical

__all__ = ["ADAPTERS_REFUSED", "QUANTIZE_REFUSED", "Call", "Fault", "Model", "OllamaDouble", "canonical"]
