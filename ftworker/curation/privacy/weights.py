"""The weights of a linear model, from the list that comes with ftworker: what each feature adds to a score.

A list has one weight a line: its table, its feature, and the number, with tabs between them. What features there are
is said by who asks (`token_features`, `learned_names`); what makes the lists is beside the tests (`teach`,
`teach_names`). Nothing is looked for here.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

Table = dict[bytes, float]
"""What each feature adds. "bias" is added to every score."""


def tables(name: str) -> dict[str, Table]:
    """The tables of `words/<name>`, each by its name."""
    read: dict[str, Table] = {}
    # A few hundred numbers make all weights: those that are one object are in the cache when they are asked for.
    numbers: dict[bytes, float] = {}
    for line in files("ftworker.curation.privacy").joinpath("words", name).read_bytes().split(b"\n"):
        if line and not line.startswith(b"# "):
            table, feature, number = line.split(b"\t")
            weight = numbers.setdefault(number, float(number))
            read.setdefault(table.decode(), {})[feature] = weight
    return read


def score(table: Table, said: Iterable[bytes]) -> float:
    """The sum of what the features add; over 0 is as likely as not."""
    get = table.get
    return sum([get(feature, 0.0) for feature in said]) + table[b"bias"]
