"""How one dataset differs from another: what came, went and changed, and which settings made the difference. Pure.

The counts come from `store.differences`, which reads no text; the sizes from the manifests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ftworker.curation.reasons import DropReason
from ftworker.datasets.selection import LeftOutReason

ABSENT = {
    "cut_later": "it was cut after it",
    "erased": "its conversation was deleted",
    "withheld": "personal data was found in it",
    "not_drawn": "strategy `new` or `replay` takes a part of what is older",
    "not_in_pipeline": "its pipeline never had the turn",
}
"""Why an example is in one dataset and not in the other, besides the reasons of dropping and leaving out."""


@dataclass
class Counts:
    """Examples by what happened to them, from the first dataset to the second."""

    same: int = 0
    changed: int = 0
    """In both, with other content: curation or the conversation itself changed meanwhile."""
    came: dict[str, int] = field(default_factory=dict)
    """Only in the second, by the reason why the first has them not."""
    went: dict[str, int] = field(default_factory=dict)
    """Only in the first, by the reason why the second has them not."""


@dataclass(frozen=True)
class MovedTurn:
    """One example that came, went or changed."""

    kind: str
    reason: str | None
    source_name: str
    conversation_id: str
    turn: int


@dataclass(frozen=True)
class SettingChange:
    """One setting that is not the same: `curation.max_tokens`. None: the dataset was cut without it."""

    key: str
    before: Any
    after: Any


@dataclass(frozen=True)
class SizeChange:
    """A file of both datasets; zeros where one has none."""

    name: str
    rows: tuple[int, int]
    tokens: tuple[int, int]
    bytes: tuple[int, int]


def meaning(reason: str) -> str:
    """A reason in words. Reasons of other releases have none."""
    return _MEANINGS.get(reason, "")


_MEANINGS: dict[str, str] = {
    **ABSENT,
    **{known.value: known.meaning for known in LeftOutReason},
    **{known.value: known.meaning for known in DropReason},
}


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """What differs between the settings that were frozen with two datasets, by key."""
    first, second = dict(_flat(before)), dict(_flat(after))
    return [
        SettingChange(key, first.get(key), second.get(key))
        for key in sorted(first.keys() | second.keys())
        if first.get(key) != second.get(key)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def changed_sizes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SizeChange]:
    """The files of two manifests (as JSON values) side by side, whatever their format."""
    result = []
    for name in ("train", "validation", "golden"):
        files = [manifest["content"].get(name) or {} for manifest in (before, after)]
        if any(files):
            rows, tokens, size = (
                (int(files[0].get(key, 0)), int(files[1].get(key, 0))) for key in ("rows", "tokens", "bytes")
            )
            result.append(SizeChange(name, rows, tokens, size))
    return result
