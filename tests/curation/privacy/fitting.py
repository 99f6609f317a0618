"""Fits a linear model to what is said of many words or tokens, and writes it as a list of weights.

`teach` and `teach_names` say what is asked for and which of it is somebody's; what they share is here: a number for
each feature, the regression, and the file that `ftworker.curation.privacy.weights` reads. Needs scikit-learn.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ftworker.curation.privacy import weights
from ftworker.curation.privacy.weights import Table

WORDS = Path(weights.__file__).parent / "words"
LEAST_WEIGHT = 0.1
"""A weight under this is left out."""


class Features:
    """A number for each feature."""

    def __init__(self) -> None:
        self.number: dict[bytes, int] = {}

    def numbers(self, said: Iterable[bytes]) -> array[int]:
        """The numbers of these features, each once; the same in every process, so that the same weights come out."""
        every = sorted(set(said))
        return array("i", sorted(self.number.setdefault(feature, len(self.number)) for feature in every))


def fit(
    rows: Sequence[array[int]],
    labels: Sequence[bool],
    features: Features,
    *,
    fewest: int,
    strength: float = 1.0,
    least: float = LEAST_WEIGHT,
) -> Table:
    """What each feature adds. `rows`: the numbers of what is said of each; `labels`: whether it is what is asked for.

    `fewest`: a feature of fewer rows says nothing; `strength`: how far weights may go from nought, the inverse of L2
    regularisation; `least`: a weight under it is left out.
    """
    ends = np.cumsum([0, *(len(row) for row in rows)])
    columns = np.concatenate([np.frombuffer(row, dtype=np.int32) for row in rows])
    shape = (len(rows), len(features.number))
    matrix = csr_matrix((np.ones(len(columns), dtype=np.float32), columns, ends), shape=shape)
    often = np.flatnonzero(np.asarray(matrix.sum(axis=0))[0] >= fewest)
    fitted = LogisticRegression(C=strength, solver="liblinear", max_iter=300).fit(matrix[:, often], labels)
    by_number = list(features.number)
    table = {
        by_number[number]: round(float(weight), 2)
        for number, weight in zip(often, fitted.coef_[0], strict=True)
        if abs(weight) >= least
    }
    table[b"bias"] = round(float(fitted.intercept_[0]), 2)
    return table


def write(name: str, title: str, tables: Mapping[str, Table]) -> None:
    """Put the tables where `weights.tables` reads them, each in order. `title`: what the first line says of them."""
    lines = [
        b"%b\t%b\t%.2f\n" % (table.encode(), feature, weight)
        for table, of in tables.items()
        for feature, weight in sorted(of.items())
    ]
    (WORDS / name).write_bytes(b"# %b\n" % title.encode() + b"".join(lines))
