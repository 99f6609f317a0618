"""Chaos: one whole installation of real processes, killed and cut off at random, and what must hold afterwards.

`python -m tests.chaos --seed 7 --faults 1000` (or `make chaos`) is the long form; test_chaos_short.py the short one.
Begin reading at `plant.Plant`, then `invariants.RULES`.
"""
