"""Which examples validate: by group (a user, or a conversation where none is known), never by row.

The same group always falls on the same side, however the data grows and in whatever order rows arrive, so
neither a user nor a conversation stands on both. Pure.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

_BITS = 60  # fifteen hexadecimal digits: fits PostgreSQL's bigint, so SQL can compute the same


@dataclass(frozen=True)
class Split:
    """`validation_share` of the groups validate; another `salt` draws them anew."""

    validation_share: float
    salt: str

    def validates(self, group: str) -> bool:
        """Whether the group's examples validate instead of train."""
        return group_point(group, self.salt) < self.threshold()

    def threshold(self) -> int:
        """The first point that trains."""
        return int(self.validation_share * (1 << _BITS))


def group_point(group: str, salt: str) -> int:
    """Where a group falls in [0, 2^60): the first 60 bits of sha256("salt:group").

    In SQL, with `text` for salt || ':' || split_group:
    ('x' || left(encode(sha256(convert_to(text, 'UTF8')), 'hex'), 15))::bit(60)::bigint
    """
    return int(hashlib.sha256(f"{salt}:{group}".encode()).hexdigest()[: _BITS // 4], 16)
