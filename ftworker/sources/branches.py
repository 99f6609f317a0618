"""Conversations kept as trees: the branch that the person sees, and the answers that stand beside it. Pure.

Where an answer can be made anew or a question edited, a store keeps every version as a child of the same parent.
`chosen_branch` gives the rows of one branch, root first; what the assistant answered elsewhere to the same
question stands in their `siblings`. Presets use `branch_messages`, or `chosen_branch` with rows of their own.

Nothing here trusts the tree: parents that are gone, rows that are their own ancestor, several roots, and ids
that come twice give a branch all the same, and the same one each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ftworker.conversations import Message
from ftworker.sources.preset import Reader, Row
from ftworker.sources.values import failure, plain_text, word

NIL_UUID = "00000000-0000-0000-0000-000000000000"


def chosen_branch(
    rows: Sequence[Row],
    role: Callable[[Any], str],
    *,
    current: str | None = None,
    preferred: Callable[[Row], Any] | None = None,
    nil_parent: Literal["root", "previous"] = "root",
) -> list[dict[str, Any]]:
    """The rows of the chosen branch, from the root on, as copies; answers get `siblings` where there are any.

    `rows` come in the order of their times, ties settled by the caller, with `id`, `parent_id`, `role`, `content` and
    where there are `rating`, `model`, `error`. `role` gives "assistant" for an answer's role (`Reader.role`).

    The branch ends at the row `current`; where there is none of that id it goes from the root along each row's
    `preferred` child, while there is one; and else it ends at the newest row without children. A parent that is
    NULL, empty, or not among the rows makes a root; the nil UUID does too, or (`nil_parent="previous"`, as in Dify)
    means the row before.

    Siblings of an answer: the other answers under its parent, and those under the same question asked again beside
    it. Failed and empty ones are none. A first row that is empty and neither asks nor answers is left out: it only
    holds the tree.
    """
    if not rows:
        return []
    tree = _Tree(rows, nil_parent)
    at = tree.index.get(current) if current is not None else None
    if at is None and preferred is not None:
        at = tree.follow(preferred)
    if at is None:
        at = tree.newest_leaf()
    path = tree.path(at)
    branch = [dict(rows[place]) for place in path]
    for row, place in zip(branch, path, strict=True):
        if role(row.get("role")) == "assistant":
            others = [_sibling(rows[other]) for other in tree.other_answers(place, role)]
            if others:
                row["siblings"] = [*(row.get("siblings") or ()), *others]
    if branch[0].get("content") in (None, "") and role(branch[0].get("role")) not in ("user", "assistant"):
        del branch[0]
    return branch


def branch_messages(rows: Sequence[Row], reader: Reader) -> tuple[Message, ...]:
    """A preset's `messages=` for a tree: rows with `parent_id`, and where the store knows them `current_id` (the row
    where the branch ends, the same on every row) and `preferred_child` (the child to go on with)."""
    current = next((said for row in rows if (said := word(row.get("current_id")))), None)
    knows = any(row.get("preferred_child") is not None for row in rows)
    branch = chosen_branch(
        rows,
        reader.role,
        current=current,
        preferred=(lambda row: row.get("preferred_child")) if knows else None,
    )
    return reader.each_row(branch)


class _Tree:
    """Rows by their place in the order, with parent and children as places."""

    def __init__(self, rows: Sequence[Row], nil_parent: Literal["root", "previous"]) -> None:
        self.rows = rows
        self.index: dict[str, int] = {}
        for place, row in enumerate(rows):
            identity = word(row.get("id"))
            if identity is not None:
                self.index.setdefault(identity, place)
        self.parents = [self._parent(place, nil_parent) for place in range(len(rows))]
        self.children: dict[int | None, list[int]] = {}
        for place, parent in enumerate(self.parents):
            self.children.setdefault(parent, []).append(place)

    def _parent(self, place: int, nil_parent: Literal["root", "previous"]) -> int | None:
        said = word(self.rows[place].get("parent_id"))
        found = self.index.get(said) if said is not None else None
        if found is None and said == NIL_UUID and nil_parent == "previous" and place > 0:
            return place - 1
        return None if found == place else found

    def newest_leaf(self) -> int:
        """The newest row that has no children; where all go round in circles, the newest row."""
        last = len(self.rows) - 1
        return next((place for place in range(last, -1, -1) if place not in self.children), last)

    def path(self, leaf: int) -> list[int]:
        """From the root to a row. A circle is cut where it closes."""
        found: dict[int, None] = {}
        at: int | None = leaf
        while at is not None and at not in found:
            found[at] = None
            at = self.parents[at]
        return list(reversed(found))

    def follow(self, preferred: Callable[[Row], Any]) -> int | None:
        """Down from the root of the newest leaf, by the preferred children; None where the root prefers none."""
        at = root = self.path(self.newest_leaf())[0]
        seen = {root}
        while (below := self._preferred_child(at, preferred)) is not None and below not in seen:
            seen.add(below)
            at = below
        return None if at == root and self.children.get(root) else at

    def _preferred_child(self, place: int, preferred: Callable[[Row], Any]) -> int | None:
        said = word(preferred(self.rows[place]))
        child = self.index.get(said) if said is not None else None
        return child if child is not None and self.parents[child] == place else None

    def other_answers(self, place: int, role: Callable[[Any], str]) -> list[int]:
        """Answers to the question of this one, elsewhere in the tree, in their order."""
        question = self.parents[place]
        if question is None:
            return []
        asked = plain_text(self.rows[question].get("content")).strip()
        again = [
            other
            for other in self.children[self.parents[question]]
            if other == question
            or (
                role(self.rows[other].get("role")) == role(self.rows[question].get("role")) == "user"
                and plain_text(self.rows[other].get("content")).strip() == asked
            )
        ]
        return sorted(
            answer
            for one in again
            for answer in self.children.get(one, ())
            if answer != place
            and role(self.rows[answer].get("role")) == "assistant"
            and not failure(self.rows[answer].get("error"))
            and plain_text(self.rows[answer].get("content")).strip()
        )


def _sibling(row: Row) -> dict[str, Any]:
    return {"content": row.get("content"), "rating": row.get("rating"), "model": row.get("model")}
