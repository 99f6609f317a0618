"""Addresses and settings as they may be shown: without the secrets in them. Pure.

In doubt more is hidden than would have to be: what is shown helps, what leaks cannot be taken back.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"(password|passwd|pwd|secret|token|authorization|cookie|credentials?|(?<!routing_)key)$", re.IGNORECASE
)
_KEYWORD = re.compile(
    r"(?i)\b(\w*(?:password|passwd|pwd|secret|token|key)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&;]+)"
)
_FOLDED_ADDRESS = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+):/(?=[^/])")
# kombu takes several addresses with ";" between them; a password may hold one too.
_NEXT_ADDRESS = re.compile(r";(?=[A-Za-z][A-Za-z0-9+.-]*://)")


def is_secret(name: str) -> bool:
    """Whether what stands under this name is never shown: `api_key`, `x-auth-token`, `Authorization`..."""
    return _SECRET_NAME.search(name) is not None


def mask_url(url: str) -> str:
    """The address without password and query: `postgresql://user:***@host/db`. Also libpq's `host=... password=...`."""
    return ";".join(_mask_address(address) for address in _NEXT_ADDRESS.split(url))


def _mask_address(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        before, at, after = url.rpartition("@")
        return f"{HIDDEN}@{after}" if at and ":" in before else _KEYWORD.sub(rf"\1{HIDDEN}", url)
    query = min((place for place in (rest.find("?"), rest.find("#")) if place >= 0), default=len(rest))
    host = rest.rfind("@")
    if rest.startswith("/") or host < 0:
        return f"{scheme}://{rest[:query]}"
    if query < host:
        # A password with "?" or "#" in it, or a query with "@": nobody can tell where the host begins.
        return f"{scheme}://{HIDDEN}"
    user, colon, _ = rest[:host].partition(":")
    # A name alone is a token where HTTP is spoken, and a user elsewhere.
    shown = f"{user}:{HIDDEN}" if colon else HIDDEN if scheme.startswith("http") else user
    return f"{scheme}://{shown}@{rest[host + 1 : query]}"


def mask_value(name: str, value: Any) -> Any:
    """A setting as plain JSON values, its secrets masked, however deep they stand."""
    match value:
        case dict():
            return {key: mask_value(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [mask_value(name, item) for item in value]
        case None:
            return None
        case _ if is_secret(name):
            return HIDDEN
        case SecretStr():
            return mask_url(value.get_secret_value())
        case Path():
            # An address at the place of a path has lost one of its slashes.
            return _mask_text(_FOLDED_ADDRESS.sub(r"\1://", str(value)))
        case str():
            return _mask_text(value)
        case _:
            return value


def _mask_text(text: str) -> str:
    """What stands at the place of a name or a text, where an address may have slipped in."""
    return mask_url(text) if "://" in text else _KEYWORD.sub(rf"\1{HIDDEN}", text)


def describe_value(location: tuple[str, ...], value: Any) -> str:
    """A wrong value in a message: what it is, without what could be a secret in it."""
    match value:
        case dict():
            return f"(a table of {', '.join(map(str, value))})" if value else "(an empty table)"
        case list() | tuple():
            return f"(a list of {len(value)})"
        case _ if any(is_secret(part) for part in location):
            return "(hidden)"
        case str():
            return repr(mask_url(value))[:120]
        case _:
            return repr(value)[:120]
