"""How many cases each target gets, and how many ran."""

from __future__ import annotations

import os
from collections import Counter

from hypothesis import HealthCheck, settings

CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""In all, for `make fuzz`; 0: the short form of `make test`."""

ran: Counter[str] = Counter()
"""Cases by target. A target adds one for each."""


def fuzzed(share: float, *, short: int = 60, steps: int = 50) -> settings:
    """Settings of a target that gets this share of all cases."""
    return settings(
        max_examples=max(short, int(CASES * share)) if CASES else short,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
