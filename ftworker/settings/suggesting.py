"""What somebody perhaps meant who wrote a setting that does not exist. Pure.

`loading` says it beside the problem. It never guesses a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import cache

from pydantic import BaseModel

from ftworker.settings.data import RosterSettings
from ftworker.settings.local import LocalSettings
from ftworker.settings.pipelines import PipelineSettings
from ftworker.settings.providers import OpenAISettings
from ftworker.settings.sources import SourceSettings
from ftworker.settings.whole import Settings

_NAMED: tuple[tuple[tuple[str, ...], type[BaseModel]], ...] = (
    (("sources",), SourceSettings),
    (("providers",), OpenAISettings),
    (("providers",), LocalSettings),
    (("privacy", "rosters"), RosterSettings),
    (("pipelines",), PipelineSettings),
)
"""Tables below which every table has a name of the user's, and what such a table holds."""
_LIKE_ENOUGH = 0.75
"""Of difflib's ratio: `presett` and `min_exampels` find theirs, `model` finds none."""
_ANY_NAME = "NAME"


def meant(location: Sequence[str]) -> str | None:
    """The setting that is written nearly so, or so at another place, as near to the location as there is one.

    A name of the user's in it stays. None where nothing is like it, or several places are as near.
    """
    names = {path[-1] for path in _paths()}
    near = get_close_matches(location[-1], names, n=1, cutoff=_LIKE_ENOUGH)
    if not near:
        return None
    paths = [_with_name(path, location) for path in _paths() if path[-1] == near[0]]
    nearness = [
        sum(1 for theirs, ours in zip(path, location, strict=False) if theirs == ours) for path in paths
    ]
    best = {".".join(path) for path, points in zip(paths, nearness, strict=True) if points == max(nearness)}
    return best.pop() if len(best) == 1 else None


def _with_name(path: tuple[str, ...], location: Sequence[str]) -> tuple[str, ...]:
    if _ANY_NAME not in path:
        return path
    place = path.index(_ANY_NAME)
    same = len(location) > place + 1 and tuple(location[:place]) == path[:place]
    return (*path[:place], location[place], *path[place + 1 :]) if same else path


@cache
def _paths() -> tuple[tuple[str, ...], ...]:
    named = (path for parent, section in _NAMED for path in _below(section, (*parent, _ANY_NAME)))
    return (*_below(Settings, ()), *dict.fromkeys(named))


def _below(section: type[BaseModel], parent: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, field in section.model_fields.items():
        yield (*parent, key)
        if isinstance(field.default, BaseModel):
            yield from _below(type(field.default), (*parent, key))
