"""README.md of a dataset: a Hugging Face dataset card, made from the manifest alone. Pure."""

from __future__ import annotations

import json
from typing import Any

from ftworker.datasets.manifest import Manifest

# The size classes of the Hugging Face hub.
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

_ROWS = {
    "openai-chat": '`{"messages": [{"role", "content", "weight"?}]}`, one a line; weight 0 is history',
    "openai-preference": '`{"input": {"messages"}, "preferred_output", "non_preferred_output"}`, one a line',
    "prompt-completion": '`{"prompt": [{"role", "content"}], "completion": [{"role", "content"}]}`, one a line',
    "preference": '`{"prompt", "chosen", "rejected"}`, each a list of `{"role", "content"}`, one a line',
    "instruction-json": '`[{"instruction", "response"}]`, one JSON array',
    "instruction-jsonl": '`{"instruction", "response"}`, one a line',
}

_TEXT = {"dtype": "string"}
_SPOKEN = [{"name": "role", **_TEXT}, {"name": "content", **_TEXT}]
_INSTRUCTION = [{"name": "instruction", **_TEXT}, {"name": "response", **_TEXT}]

# Each row's columns, in the words of the card's `dataset_info`. `weight` stands on some messages alone: without its
# column here, `datasets` learns the columns from the first rows that it reads and fails at the first other one.
_FEATURES: dict[str, list[dict[str, Any]]] = {
    "openai-chat": [{"name": "messages", "list": [*_SPOKEN, {"name": "weight", "dtype": "int64"}]}],
    "openai-preference": [
        {"name": "input", "struct": [{"name": "messages", "list": _SPOKEN}]},
        {"name": "preferred_output", "list": _SPOKEN},
        {"name": "non_preferred_output", "list": _SPOKEN},
    ],
    "prompt-completion": [{"name": name, "list": _SPOKEN} for name in ("prompt", "completion")],
    "preference": [{"name": name, "list": _SPOKEN} for name in ("prompt", "chosen", "rejected")],
    "instruction-json": _INSTRUCTION,
    "instruction-jsonl": _INSTRUCTION,
}


def dataset_card(manifest: Manifest, language: str) -> str:
    """The card: YAML header, what a row is, the files, how they were made, what was left out."""
    content, origin = manifest.content, manifest.provenance
    rows = sum(entry.rows for entry in manifest.files())
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    lines = [
        "---",
        f"pretty_name: {json.dumps(f'{origin.pipeline} {origin.sequence}')}",
        f"language:\n- {language}",
        "task_categories:\n- text-generation",
        f"size_categories:\n- {size}",
        "tags:\n- conversational\n- fine-tuning\n- ftworker",
        "configs:\n- config_name: default\n  data_files:",
        f"  - split: train\n    path: {content.train.name}",
    ]
    if content.validation:
        lines.append(f"  - split: validation\n    path: {content.validation.name}")
    # JSON is YAML too, and needs no library to write.
    lines.append(f"dataset_info:\n  features: {json.dumps(_FEATURES[content.format])}")
    lines += [
        "---",
        "",
        f"# {origin.pipeline}, dataset {origin.sequence}",
        "",
        f"`sha256 {manifest.sha256}` · format `{content.format}`: {_ROWS[content.format]}.",
        "",
        "| file | rows | tokens (estimated) | bytes | sha256 |",
        "|---|---:|---:|---:|---|",
    ]
    lines += [
        f"| {entry.name} | {entry.rows} | {entry.tokens} | {entry.bytes} | `{entry.sha256}` |"
        for entry in manifest.files()
    ]
    split = content.split
    given_up = f" No validation file: {split.given_up}." if split.given_up else ""
    lines += [
        "",
        f"Split by user: a share of {split.validation_share:g} validates, salt `{split.salt}`.{given_up}",
        f"System prompt version `{content.system_prompt.version}`, sha256 `{content.system_prompt.sha256}`.",
        "",
        "## Left out",
        "",
    ]
    if origin.drops:
        lines += ["| reason | turns |", "|---|---:|"]
        lines += [f"| {reason} | {count} |" for reason, count in sorted(origin.drops.items())]
    else:
        lines.append("Nothing.")
    lines += [
        "",
        "## Personal data",
        "",
        "Made from people's conversations. Known shapes of personal data were looked for before; names and",
        "what a text tells between its lines were not. Treat these files as personal data.",
        "",
    ]
    return "\n".join(lines)
