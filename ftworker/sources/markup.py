"""HTML that a chat shows, made into Markdown again: what the model wrote, not how a page draws it. Pure.

For stores that keep an answer as they rendered it. Knows what Markdown renderers give out; other elements leave
their words. Text that does not begin as a page does stays as it is.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

# A page's text always begins with a block; a text that only speaks of HTML seldom does.
_BEGINS_WITH_BLOCK = re.compile(r"\s*<(?:p|div|ul|ol|h[1-6]|pre|blockquote|table|hr)\b", re.IGNORECASE)
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~"}
_BLOCKS = frozenset(
    {"p", "div", "ul", "ol", "pre", "blockquote", "table", "h1", "h2", "h3", "h4", "h5", "h6"}
)
_SILENT = frozenset({"script", "style"})


def markdown(text: str) -> str:
    """The Markdown of an HTML fragment; a text that does not begin with an HTML block as it is. Never raises."""
    if not _BEGINS_WITH_BLOCK.match(text):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return reader.markdown()


class _Reader(HTMLParser):
    """Gathers pieces of Markdown; `\\n\\n` between blocks is made sure of at the end, so that none doubles."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._lists: list[int | None] = []
        self._in_code_block = False
        self._silent = 0
        self._cells = 0
        self._is_first_row = False
        self._begins_item = False

    def markdown(self) -> str:
        return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+\n", "\n", "".join(self._pieces))).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        elif tag in ("ul", "ol"):
            if not self._lists:
                self._block()
            self._lists.append(1 if tag == "ol" else None)
        elif tag == "li":
            self._item()
        elif tag == "br":
            self._pieces.append("\n")
        elif tag == "hr":
            self._pieces.append("\n\n---\n\n")
        elif tag == "pre":
            self._in_code_block = True
            self._pieces.append("\n\n```\n")
        elif tag == "code" and not self._in_code_block:
            self._pieces.append("`")
        elif tag in ("td", "th"):
            self._pieces.append(" | " if self._cells else "| ")
            self._cells += 1
        elif tag in _MARKS:
            self._pieces.append(_MARKS[tag])
        elif tag == "img":
            # Moodle's TeX filters draw a formula and keep its source beside it.
            self._pieces.append(next((value or "" for name, value in attrs if name == "alt"), ""))
        elif tag == "p" and self._lists:
            if not self._begins_item:
                self._pieces.append("\n" + "   " * len(self._lists))
                self._begins_item = True
        elif tag in _BLOCKS and not self._lists:
            self._block()
            self._is_first_row = tag == "table"
            if tag[0] == "h":
                self._pieces.append("#" * int(tag[1]) + " ")
            elif tag == "blockquote":
                self._pieces.append("> ")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag in ("ul", "ol"):
            if self._lists:
                self._lists.pop()
            self._pieces.append("\n" if self._lists else "\n\n")
        elif tag == "pre":
            self._in_code_block = False
            self._pieces.append("\n```\n\n")
        elif tag == "code" and not self._in_code_block:
            self._pieces.append("`")
        elif tag == "tr":
            self._row()
        elif tag in _MARKS:
            self._pieces.append(_MARKS[tag])
        elif tag in _BLOCKS and not self._lists:
            self._block()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if not self._in_code_block:
            data = re.sub(r"\s+", " ", data)
            if not data.strip() and (not self._pieces or self._pieces[-1].endswith("\n")):
                return
            if self._begins_item or not self._pieces or self._pieces[-1].endswith("\n"):
                data = data.lstrip()
                if not data:
                    return
            self._begins_item = False
        else:
            data = data.removesuffix("\n")
        self._pieces.append(data)

    def _block(self) -> None:
        if self._pieces and self._pieces[-1] != "> ":
            self._pieces.append("\n\n")

    def _item(self) -> None:
        depth = max(0, len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        mark = f"{number}. " if number is not None else "- "
        if number is not None:
            self._lists[-1] = number + 1
        before = "" if not self._pieces or self._pieces[-1].endswith("\n") else "\n"
        self._pieces.append(f"{before}{'   ' * depth}{mark}")
        self._begins_item = True

    def _row(self) -> None:
        self._pieces.append(" |\n")
        if self._is_first_row:
            self._pieces.append("|" + " --- |" * self._cells + "\n")
        self._is_first_row = False
        self._cells = 0
