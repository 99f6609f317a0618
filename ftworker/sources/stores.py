"""Every chat store that has a preset: what it reads in one sentence, its tables, and whether a schema holds them.

The list is `SourceSettings.preset`; the rest comes from the presets themselves, so that a new one is listed and
detected without a line here. The sentence is the first of its module's docstring. No I/O: `detect` looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import get_args

from ftworker.settings import SourceSettings
from ftworker.sources.preset import TableUse, preset

DESCRIBED = ("messages", "log", "langchain")
"""Presets whose tables bear the names that the configuration gives: `detect` guesses these by their columns."""

_SENTENCE = re.compile(r".+?(?=\.(?:\s+[`A-Z]|$))")
_MOODLE_LOG = "block_openai_chat_log"
_OLD_CHAT_STORE = "data_chatstore"


@dataclass(frozen=True)
class KnownStore:
    """A preset as a list shows it."""

    preset: str
    reads: str
    tables: tuple[str, ...]
    """Their names where the configuration says nothing else."""


def preset_names() -> tuple[str, ...]:
    """Every preset that can be configured, the generic ones first."""
    return get_args(SourceSettings.model_fields["preset"].annotation)


def known_stores() -> tuple[KnownStore, ...]:
    """Every preset, in the order of the settings."""
    return tuple(
        KnownStore(name, _reads(name), tuple(use.name for use in _uses(SourceSettings(preset=name))))
        for name in preset_names()
    )


def matching(
    schema: str, tables: Mapping[str, frozenset[str]]
) -> Iterator[tuple[SourceSettings, tuple[TableUse, ...]]]:
    """Settings of the presets whose tables, with all the columns that they read, are among these (table to columns).

    Those that read more columns come first: a later version's tables can hold all that an older one's preset reads.
    """
    found = []
    for settings in _candidates(schema, tables):
        uses = _uses(settings)
        if all(use.columns.keys() <= tables.get(use.name, frozenset()) for use in uses):
            found.append((settings, uses))
    yield from sorted(found, key=lambda one: -sum(len(use.columns) for use in one[1]))


def _candidates(schema: str, tables: Mapping[str, frozenset[str]]) -> Iterator[SourceSettings]:
    for name in preset_names():
        if name == "moodle_openai_chat":
            for table in sorted(tables):
                if table.endswith(_MOODLE_LOG):
                    prefix = table.removesuffix(_MOODLE_LOG)
                    yield SourceSettings(preset=name, schema_name=schema, moodle_prefix=prefix)
        elif name not in DESCRIBED:
            yield SourceSettings(preset=name, schema_name=schema)
            if name == "llamaindex_chat_store" and _OLD_CHAT_STORE in tables:
                yield SourceSettings(preset=name, schema_name=schema, tables={"chatstore": _OLD_CHAT_STORE})


def _uses(settings: SourceSettings) -> tuple[TableUse, ...]:
    return preset(settings.preset).uses(settings)


def _reads(name: str) -> str:
    said = " ".join((import_module(f"ftworker.sources.presets.{name}").__doc__ or "").split())
    found = _SENTENCE.match(said)
    return found[0] if found else said
