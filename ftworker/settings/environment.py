"""The only module that reads the environment. Secrets come from it, or from a file that it names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

DEFAULT_CONFIG = Path("config/ftworker.toml")


def config_path() -> Path | None:
    """The configuration file in use: `FTWORKER_CONFIG`, else config/ftworker.toml when it is there."""
    named = os.environ.get("FTWORKER_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def read_variable(name: str) -> str | None:
    """The variable, else what is in the file that NAME_FILE names. Raises OSError, UnicodeDecodeError."""
    text = os.environ.get(name)
    file = file_of(name)
    if not text and file:
        text = Path(file).read_text(encoding="utf-8").strip()
    return text or None


def file_of(name: str) -> str | None:
    """The file that NAME_FILE names."""
    return os.environ.get(f"{name}_FILE")


def variable(name: str) -> str | None:
    """The same for a secret that is read when it is needed: None where its file cannot be read."""
    with suppress(OSError, UnicodeDecodeError):
        return read_variable(name)
    return None


def own_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The whole environment, with changes, for another process of ftworker."""
    return {**os.environ, **changes}


def passed_environment(wanted: Callable[[str], bool]) -> dict[str, str]:
    """What of the environment a program that is not ours may see: the variables whose names are wanted."""
    return {name: value for name, value in os.environ.items() if wanted(name)}


def rag_database_url() -> str | None:
    """Where the RAG keeps its conversations, for `main.py`: `RAG_DATABASE_URL`, else the usual `DATABASE_URL`."""
    return os.environ.get("RAG_DATABASE_URL") or os.environ.get("DATABASE_URL") or None


def place_among_processes() -> tuple[int, int, int]:
    """Of a training in several processes, as torchrun and `accelerate launch` say it: this one's number, how many there
    are, and its number on this machine. (0, 1, 0) for a single one.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return 0, 1, 0
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"]), int(os.environ.get("LOCAL_RANK", "0"))
