"""Attention over several sequences in one row that never see each other, with no padding and no mask.

Registered with transformers under the name `ftworker_packed`; a model's layers then call it instead of theirs. Each
sequence is attended by itself: against one block-diagonal mask over the whole row this is 4 times faster on a CPU for
six sequences of 170 tokens, and no memory grows with the square of the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional
from transformers import AttentionInterface

NAME = "ftworker_packed"


class NotPackable(Exception):
    """The layer asks for something that this attention does not do."""


class PackedAttention:
    """The attention, and the lengths of the sequences in the row that goes through the model now.

    The lengths must stay until the backward pass is through: gradient checkpointing computes layers again.
    """

    def __init__(self) -> None:
        self.lengths: Sequence[int] = ()

    def register(self) -> None:
        """Make this one the attention of that name."""
        AttentionInterface.register(NAME, self)

    def __call__(  # noqa: PLR0917 - the signature that transformers calls
        self,
        module: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        sliding_window: int | None = None,
        softcap: float | None = None,
        **more: Any,
    ) -> tuple[torch.Tensor, None]:
        """As transformers calls it: tensors of (1, heads, tokens, width) in; (1, tokens, heads, width) out."""
        if attention_mask is not None or not getattr(module, "is_causal", True):
            raise NotPackable("a mask of its own")
        if more.get("s_aux") is not None or more.get("position_bias") is not None:
            raise NotPackable("attention sinks or a bias by position")
        lengths = list(self.lengths)
        parts = [
            _attend(*each, scale=scaling, dropout=dropout, window=sliding_window, softcap=softcap)
            for each in zip(
                query.split(lengths, dim=2),
                key.split(lengths, dim=2),
                value.split(lengths, dim=2),
                strict=True,
            )
        ]
        return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def _attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scale: float | None,
    dropout: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """Causal attention within one sequence."""
    length = query.shape[2]
    windowed = window is not None and window < length
    grouped = key.shape[1] != query.shape[1]
    if softcap is None and not windowed:
        return functional.scaled_dot_product_attention(
            query, key, value, dropout_p=dropout, scale=scale, is_causal=True, enable_gqa=grouped
        )
    places = torch.arange(length, device=query.device)
    distance = places[:, None] - places[None, :]
    seen = (distance >= 0) & (distance < window) if window is not None else distance >= 0
    if grouped:
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
    if softcap is None:
        return functional.scaled_dot_product_attention(
            query, key, value, attn_mask=seen, dropout_p=dropout, scale=scale
        )
    scale = scale if scale is not None else query.shape[-1] ** -0.5
    scores = torch.tanh(query @ key.transpose(2, 3) * (scale / softcap)) * softcap
    scores = scores.masked_fill(~seen, torch.finfo(scores.dtype).min)
    shares = functional.dropout(scores.softmax(dim=-1, dtype=torch.float32).to(query.dtype), dropout)
    return shares @ value
