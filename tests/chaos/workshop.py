"""A third pipeline for a plant: a program of one's own trains it, in a training job that outlives its worker.

What it makes is a model by form alone. No Ollama serves it, so its runs end `packaged`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

NAME = "workshop"
THRESHOLD = 70
TRAINS_SECONDS = 2.0

PROGRAM = """
import struct, sys, time
output, seconds = sys.argv[1:]
time.sleep(float(seconds))
def text(value): return struct.pack("<Q", len(value)) + value.encode()
def pair(key, value): return text(key) + struct.pack("<I", 8) + text(value)
pairs = [pair("general.architecture", "llama"), pair("tokenizer.chat_template", "{{ messages }}")]
head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs)) + b"".join(pairs)
open(output + "/tuned.gguf", "wb").write(head.ljust((len(head) + 31) // 32 * 32, b"\\0"))
"""


def configuration(folder: Path) -> str:
    """What stands in the configuration file for it; its program is written into the folder."""
    script = folder / "program.py"
    script.write_text(PROGRAM)
    program = [sys.executable, str(script), "{output}", str(TRAINS_SECONDS)]
    return f"""
[providers.own]
kind = "local"
trainer = "command"
ollama_host = "http://127.0.0.1:9"
poll_interval_seconds = 0.3
request_timeout_seconds = 1.5
command = {{ program = {json.dumps(program)} }}
gates = {{ template_parity = false, max_divergence = "off", validation_loss = false }}

[pipelines.{NAME}]
provider = "own"
base_model = "tiny"
strategy = "new"
trigger = {{ min_examples = {THRESHOLD}, cooldown_seconds = 0 }}
"""
