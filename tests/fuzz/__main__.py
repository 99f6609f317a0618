"""`make fuzz`: `python -m tests.fuzz --cases 100000 --seed 7`. Ends with 1 when a case failed, 0 otherwise."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz every reader of what comes from outside.")
    parser.add_argument("--cases", type=int, default=100_000, help="in all (100000)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the cases of an earlier run")
    chosen = parser.parse_args()
    seed = secrets.randbelow(2**31) if chosen.seed is None else chosen.seed
    print(f"{chosen.cases:,} cases, seed {seed}", flush=True)
    status = subprocess.call(
        [
            *(sys.executable, "-m", "pytest", "-q", "--timeout=0", "-p", "no:cacheprovider"),
            *(
                f"--hypothesis-seed={seed}",
                *map(str, [*sorted(HERE.glob("test_*.py")), HERE / "everything.py"]),
            ),
        ],
        cwd=HERE.parent.parent,
        env={**os.environ, "FUZZ_CASES": str(chosen.cases)},
    )
    again = f"python -m tests.fuzz --cases {chosen.cases} --seed {seed}"
    print("no case failed" if status == 0 else f"FAILED; again: {again}", flush=True)
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main())
