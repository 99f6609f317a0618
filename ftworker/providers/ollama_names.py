"""Ollama's addresses, model names and versions, read as Ollama reads them (envconfig, types/model). Pure."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

DEFAULT_PORT: Final = 11434
OLDEST_VERSION: Final = (0, 5, 5)
"""Before it, `/api/create` took a Modelfile's text instead of JSON fields."""
_PART: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_MODEL_NAME: Final = re.compile(
    rf"((?:[A-Za-z0-9_][A-Za-z0-9_.:-]*/)?[A-Za-z0-9_][A-Za-z0-9_-]{{0,79}}/)?{_PART}(:{_PART})?\Z"
)


def parse_host(value: str) -> str:
    """Base URL for a value of OLLAMA_HOST, in every form that Ollama takes, as a client uses it.

    `host`, `host:port`, `:port`, `http://...`, `https://host/path`, `[::1]:port`. Without a port: 11434, or
    the scheme's own when a scheme is written. An address to listen on everywhere (0.0.0.0, ::) becomes this
    machine. Raises ValueError.
    """
    text = value.strip().strip("\"'").rstrip("/")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    if scheme not in ("http", "https"):
        raise ValueError(f"OLLAMA_HOST: scheme {scheme[:20]!r} is none of http and https")
    port: int | None = {"http": 80, "https": 443}[scheme] if separator else DEFAULT_PORT
    if rest.count(":") > 1 and "[" not in rest:
        rest = f"[{rest}]"  # a bare IPv6 address, which Ollama takes too
    parts = urlsplit(f"{scheme}://{rest}")
    port = parts.port or port  # urlsplit raises ValueError for a port that is no number
    host = parts.hostname or "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", host):
            raise ValueError(f"OLLAMA_HOST: {host[:60]!r} is no host name") from None
    else:
        if address.is_unspecified:
            address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
        host = f"[{address}]" if address.version == 6 else str(address)
    login, at, _ = parts.netloc.rpartition("@")
    return f"{scheme}://{login}{at}{host}:{port}{parts.path.rstrip('/')}"


def is_model_name(name: str) -> bool:
    """Whether Ollama takes it as a model's name: [[host/]namespace/]model[:tag]."""
    return bool(_MODEL_NAME.match(name))


def full_name(name: str) -> str:
    """The name as `/api/tags` lists it: with its tag, without the default registry. Ollama ignores case."""
    for default in ("registry.ollama.ai/library/", "library/"):
        name = name.removeprefix(default)
    tagged = name.rfind(":") > name.rfind("/")
    return (name if tagged else f"{name}:latest").lower()


def runs_elsewhere(name: str) -> bool:
    """Whether the name asks for a model at ollama.com (`:cloud`, `-cloud`): conversations would leave."""
    _, _, tag = name.rpartition(":")
    return ":" in name and (tag.lower() == "cloud" or tag.lower().endswith("-cloud"))


def parse_version(version: str) -> tuple[int, ...] | None:
    """`0.34.1-rc0` as (0, 34, 1); None for a development build (0.0.0), of which nothing is known."""
    numbers = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    parsed = tuple(int(part or 0) for part in numbers.groups()) if numbers else ()
    return parsed if any(parsed) else None
