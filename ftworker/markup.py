"""HTML that is safe by construction: whatever is not made by `tag` is text and is escaped.

Knows nothing of ftworker. The status page and the datasets' reports are built with it.
"""

from __future__ import annotations

import html

_VOID = frozenset({"link", "meta", "wbr"})


class Html(str):
    """Markup that may stand in a page as it is. Only `tag`, and constants of our own, make it."""

    __slots__ = ()


Child = Html | str | int | None


def text(value: str | int) -> Html:
    """Any value as text, every character of markup escaped."""
    return value if isinstance(value, Html) else Html(html.escape(str(value), quote=True))


def tag(name: str, /, *children: Child, **attributes: str | float | None) -> Html:
    """One element. Children that are no Html are escaped, as is each attribute; None leaves either out.

    An underscore at the end of an attribute's name is dropped (`class_`), one inside becomes a dash.
    """
    opening = [name]
    for attribute, value in attributes.items():
        if value is not None:
            opening.append(
                f'{attribute.rstrip("_").replace("_", "-")}="{html.escape(str(value), quote=True)}"'
            )
    start = f"<{' '.join(opening)}>"
    if name in _VOID:
        return Html(start)
    return Html(f"{start}{''.join(text(child) for child in children if child is not None)}</{name}>")
