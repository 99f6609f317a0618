"""`python -m tests.doubles.openai_api --port 0`: the double as a process.

Prints one JSON line when it listens.
"""

from __future__ import annotations

import argparse
import json

from tests.doubles.openai_api.server import KEY, OpenAIDouble


def main() -> None:
    parser = argparse.ArgumentParser(description="A double of OpenAI's fine-tuning API on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--seconds-per-stage", type=float, help="let time move jobs instead of polls")
    arguments = parser.parse_args()
    double = OpenAIDouble(arguments.port)
    double.behave(seconds_per_stage=arguments.seconds_per_stage)
    print(json.dumps({"base_url": double.base_url, "port": double.port, "api_key": KEY}), flush=True)
    double.serve_forever()


if __name__ == "__main__":
    main()
