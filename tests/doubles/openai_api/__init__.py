"""A double of OpenAI's fine-tuning API: Files, Uploads, fine_tuning.jobs, Models, and a plain chat.

It is a real HTTP server on 127.0.0.1 that the official client talks to. It keeps state, validates every
request and every answer of its own against OpenAI's API description, and fails on demand
(`faults.CATALOGUE`). It never contacts anything. Run it beside something with `python -m
tests.doubles.openai_api --port 8093`; in a test use the fixture `openai_api`. Begin reading at
`server.OpenAIDouble`.
"""

from tests.doubles.openai_api.faults import CATALOGUE, Behaviour, Fault
from tests.doubles.openai_api.server import KEY, Call, OpenAIDouble

__all__ = ["CATALOGUE", "KEY", "Behaviour", "Call", "Fault", "OpenAIDouble"]
