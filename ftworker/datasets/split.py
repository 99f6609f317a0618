"""Where an example stands: it trains, validates, or is kept for the golden set. By group (a user, or a conversation
where none is known), never by row.

The same group always falls on the same side, however the data grows and in whatever order rows arrive, so
neither a user nor a conversation stands on both. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

_BITS = 60  # fifteen hexadecimal digits: fits PostgreSQL's bigint, so SQL can compute the same


class Side(IntEnum):
    """The order is that in which examples of one dataset are chosen: what is asked often is learnt, not measured."""

    TRAIN = 0
    VALIDATION = 1
    GOLDEN = 2


@dataclass(frozen=True)
class Split:
    """`validation_share` of the groups validate; another `salt` draws them anew.

    `golden_share` of them, drawn by a second hash, neither train nor validate.
    """

    validation_share: float
    salt: str
    golden_share: float = 0.0

    def validates(self, group: str) -> bool:
        """Whether the group's examples validate instead of train, were none of them golden."""
        return group_point(group, self.salt) < self.threshold()

    def golden(self, group: str) -> bool:
        """Whether the group is kept for the golden set."""
        return group_point(group, f"{self.salt}:golden") < int(self.golden_share * (1 << _BITS))

    def side(self, group: str) -> Side:
        """Where all examples of the group belong."""
        if self.golden_share and self.golden(group):
            return Side.GOLDEN
        if self.validation_share and self.validates(group):
            return Side.VALIDATION
        return Side.TRAIN

    def threshold(self) -> int:
        """The first point that trains."""
        return int(self.validation_share * (1 << _BITS))


@lru_cache(maxsize=1 << 14)
def group_point(group: str, salt: str) -> int:
    """Where a group falls in [0, 2^60): the first 60 bits of sha256("salt:group"). Kept: a user has many examples.

    In SQL, with `text` for salt || ':' || split_group:
    ('x' || left(encode(sha256(convert_to(text, 'UTF8')), 'hex'), 15))::bit(60)::bigint
    """
    return int(hashlib.sha256(f"{salt}:{group}".encode()).hexdigest()[: _BITS // 4], 16)
