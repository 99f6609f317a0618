"""How many tokens a text is, estimated from its characters. For thresholds, limits and cost estimates.

Never exact: no tokenizer is loaded. docs/DATASETS.md holds the measured error against o200k.
"""

from __future__ import annotations

TOKENS_PER_MESSAGE = 4
"""The chat format's own tokens around each message (start, role, separator, end)."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text under o200k, estimated high for Spanish prose. Never below 1 for a text with characters."""
    if not text:
        return 0
    return len(text) * 2 // 7 + 1
