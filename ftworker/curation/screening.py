"""What a text must not hold to stand in a training file: broken characters, and the control tokens of models.

Pure and quick: every expensive look is behind a cheap one, because nearly every text passes.
"""

from __future__ import annotations

import re

from ftworker.curation.reasons import DropReason

# Tab, line feed, vertical tab, form feed (page breaks of PDFs) and carriage return are text; the rest of C0, and DEL,
# are not. PostgreSQL's jsonb and text refuse NUL besides. Of C1 all but NEL (U+0085) are bytes of Windows-1252, read as
# Latin-1.
_CONTROLS = bytes([*range(0x09), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)])

# The last three mark turns for Gemma, Llama 2 and Mistral, and a local tokenizer takes them for the real
# ones.
_SPECIAL_TOKEN = re.compile(r"<\|[^\s|<>]{1,64}\|>|<(?:start|end)_of_turn>|\[/?INST\]|<<SYS>>")


def flaw(text: str) -> DropReason | None:
    """The first reason why this text cannot stand in a file at all; None when it can."""
    latin = text.encode("latin-1", "ignore")
    if len(latin) != len(text):
        try:
            # Of the encodings that refuse half a surrogate pair the quickest.
            text.encode("utf-16")
        except UnicodeEncodeError:
            return DropReason.LONE_SURROGATE
    if len(latin.translate(None, _CONTROLS)) != len(latin):
        return DropReason.CONTROL_CHARACTERS
    if has_special_token(text):
        return DropReason.SPECIAL_TOKENS
    return None


def has_special_token(text: str) -> bool:
    """Whether a control token of some model's chat format stands in the text."""
    # "[1]" and "x < 2" are everywhere; these parts of a token are nowhere else. One sign is found many times quicker
    # than two.
    angled = "<" in text and ("<|" in text or "_of_turn>" in text or "<<SYS>>" in text)
    return (angled or "INST]" in text) and _SPECIAL_TOKEN.search(text) is not None
