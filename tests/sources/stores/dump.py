"""Write the tables that a chat program made to an `.sql` file that a test can load: DDL and INSERTs, nothing else.

Used by the `write_*.py` scripts of this folder, never by a test. Needs `pg_dump` of the server's version or newer on
PATH, or named by the environment variable PG_DUMP.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

# What pg_dump writes for its own sake: settings of a session that a test's connection does not share.
_NOISE = ("--", "SET ", "SELECT pg_catalog.set_config", "\\", "COMMENT ON", "CREATE EXTENSION")


def dump(url: str, tables: Sequence[str], path: Path, said: str) -> None:
    """Write the tables, or with none the whole database and its types, to `path` under `said` as a comment."""
    command = [os.environ.get("PG_DUMP", "pg_dump"), "--no-owner", "--no-privileges", "--column-inserts"]
    command += [f'--table=public."{table}"' for table in tables]
    written = subprocess.run([*command, url], check=True, capture_output=True, text=True).stdout
    lines: list[str] = []
    for line in written.replace("public.", "").splitlines():
        if line.startswith(_NOISE) or (not line and lines and not lines[-1]):
            continue
        lines.append(line)
    comment = "".join(f"-- {line}\n" for line in said.strip().splitlines())
    path.write_text(comment + "\n" + "\n".join(lines).strip() + "\n", encoding="utf-8")
