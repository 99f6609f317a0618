"""README.md of a dataset: a Hugging Face dataset card, made from the manifest alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ftworker.datasets.difference import meaning
from ftworker.datasets.manifest import Manifest, counted_by

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


_PERSONAL_DATA = {
    "redact": "Names and numbers that were found stand as typed placeholders such as `[NOMBRE_1]`.",
    "drop": "Turns in which a name or a number was found were left out.",
    "keep": "Nothing was looked for: the pipeline says that its texts hold no person.",
}


def dataset_card(manifest: Manifest, language: str) -> str:
    """The card: YAML header, what a row is, the files, how they were made, what was left out.

    `language` is what answers are in where the curation settings of the dataset do not say.
    """
    content, origin = manifest.content, manifest.provenance
    split = content.split
    given_up = f" No validation file: {split.given_up}." if split.given_up else ""
    lines = [
        *_header(manifest, language),
        "",
        f"# {origin.pipeline}, dataset {origin.sequence}",
        "",
        f"`sha256 {manifest.sha256}` · format `{content.format}`: {_ROWS[content.format]}.",
        "",
        *_written_again(manifest),
        f"| file | rows | tokens ({counted_by(origin.tokenizers)}) | bytes | sha256 |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {entry.name} | {entry.rows} | {entry.tokens or '-'} | {entry.bytes} | `{entry.sha256}` |"
            for entry in manifest.files()
        ),
        "",
        f"Split by user: a share of {split.validation_share:g} validates, salt `{split.salt}`.{given_up}",
        f"System prompt version `{content.system_prompt.version}`, sha256 `{content.system_prompt.sha256}`.",
        "`report.html` has plots of lengths, tokens, ratings, models, subjects, and all settings.",
        "",
        "## Left out of the files",
        "",
        *_counts(origin.left_out, "examples"),
        "",
        "## Never became examples",
        "",
        *_counts(origin.drops, "turns"),
        "",
        "## Personal data",
        "",
        "Made from people's conversations. "
        + _PERSONAL_DATA.get(str(content.curation.get("personal_data")), ""),
        "What a text tells between its lines is not found by any rule. Treat these files as personal data.",
        "",
    ]
    return "\n".join(lines)


def _header(manifest: Manifest, language: str) -> list[str]:
    """The part in YAML, by which the hub and `datasets` know what is here."""
    content, origin = manifest.content, manifest.provenance
    rows = sum(entry.rows for entry in manifest.files())
    size = next((name for limit, name in _SIZES if rows < limit), "n>1M")
    lines = ["---", f"pretty_name: {json.dumps(f'{origin.pipeline} {origin.sequence}', ensure_ascii=False)}"]
    if languages := content.curation.get("languages", [language]):
        lines += ["language:", *(f"- {code}" for code in languages)]
    lines += [
        "task_categories:\n- text-generation",
        f"size_categories:\n- {size}",
        "tags:\n- conversational\n- fine-tuning\n- ftworker",
        "configs:\n- config_name: default\n  data_files:",
    ]
    for split, entry in (
        ("train", content.train),
        ("validation", content.validation),
        ("golden", content.golden),
    ):
        if entry:
            lines.append(f"  - split: {split}\n    path: {entry.name}")
    # JSON is YAML too, and needs no library to write.
    return [*lines, f"dataset_info:\n  features: {json.dumps(_FEATURES[content.format])}", "---"]


def _written_again(manifest: Manifest) -> list[str]:
    before = manifest.provenance.written_again_from
    if before is None:
        return []
    missing = before.examples - manifest.provenance.examples
    erased = f" {missing} of its examples were erased since and are not here." if missing else ""
    return [
        f"Written again from the dataset `sha256 {before.sha256}` in the format `{before.format}`.{erased}",
        "",
    ]


def _counts(counts: Mapping[str, int], what: str) -> list[str]:
    if not counts:
        return ["None."]
    rows = [f"| {reason} | {count} | {meaning(reason)} |" for reason, count in sorted(counts.items())]
    return [
        f"| reason | {what} | |",
        "|---|---:|---|",
        *(row.replace("<|", "<\\|").replace("|>", "\\|>") for row in rows),
    ]
