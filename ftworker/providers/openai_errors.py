"""What a failed call to OpenAI's API means: surely not done, perhaps done, hopeless, worth another try. Pure.

`judge` is the one place that decides it, by rule 5 of docs/PROVIDERS.md: only an error envelope with one of a
few statuses, or a connection that was never made, proves that nothing was done. The words of the service are
cleaned before anybody sees them: they quote keys, and they may quote training data.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ftworker.providers.openai_wire import read_envelope

MAX_MESSAGE_CHARACTERS = 300
NOT_DONE_STATUSES = frozenset({400, 401, 403, 404, 422, 429})
"""With an error envelope these say that the call was refused before any work."""

CLOSED = frozenset(
    {
        "training_not_available",
        "invalid_api_key",
        "insufficient_quota",
        "exceeded_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "organization_deactivated",
        "access_terminated",
        "unsupported_country_region_territory",
    }
)
"""Codes that refuse every run, not just this one: a person must act before any run can go on."""

DAILY_LIMITS = frozenset({"daily_rate_limit_exceeded"})
DAILY_LIMIT_WAIT_SECONDS = 6 * 3600.0
"""A daily limit is pointless to ask again soon: four looks a day find the new day."""

MODERATION = re.compile(r"moderation|usage.polic|unsafe", re.IGNORECASE)

_QUOTED = re.compile(r"(['\"«“])[^'\"»”]{40,}(['\"»”]|$)")
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_KEYS = re.compile(r"\b(sk|sess|pk|rk)-[\w*\-]{6,}|Bearer\s+\S+", re.IGNORECASE)


class Verdict(StrEnum):
    """What is known about the work after a call failed."""

    REFUSED = "refused"
    """Surely not done, and asking again gives the same answer."""
    LIMITED = "limited"
    """Surely not done; may be asked again later (429)."""
    UNSENT = "unsent"
    """The connection was never made, so the request never left."""
    UNKNOWN = "unknown"
    """Perhaps done: timeout, reset, 408, 409, 5xx, an answer that is none, or a proxy's own words."""


@dataclass(frozen=True)
class Failure:
    """One failed call.

    `code` is the service's own where it gave one; `message` is clean of keys and quotations.
    """

    verdict: Verdict
    code: str
    message: str
    status: int | None = None
    retry_after_seconds: float | None = None

    @property
    def closes_provider(self) -> bool:
        """Whether it refuses every run: training closed, key refused, quota gone."""
        return self.verdict is Verdict.REFUSED and (self.code in CLOSED or self.status == 401)

    @property
    def worth_repeating_now(self) -> bool:
        """Whether a read may be tried again within seconds."""
        if self.verdict is Verdict.LIMITED:
            return self.retry_after_seconds is None or self.retry_after_seconds <= 2
        # Below 500 it is somebody's decision, even without an envelope; 408 and 409 are passing by
        # definition.
        return self.verdict in {Verdict.UNSENT, Verdict.UNKNOWN} and (
            self.status is None or self.status in {408, 409} or self.status >= 500
        )

    def __str__(self) -> str:
        where = f"HTTP {self.status} " if self.status is not None else ""
        return f"{where}{self.code}: {self.message}"


class CallFailed(Exception):
    """A call to the service failed; `failure` says what is known. Never leaves the provider: each step turns
    it into one of the contract's errors.
    """

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


def clean_text(text: str, secret: str | None = None) -> str:
    """A service's words, safe to store: no key, no long quotation (it may be a child's words), one line, cut
    short. Without U+0000, which PostgreSQL stores in no text.
    """
    text = text.replace("\0", "")
    if secret:
        text = text.replace(secret, "[key]")
    text = _KEYS.sub("[key]", text)
    text = _QUOTED.sub(r"\1[…]\2", text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else f"{text[: MAX_MESSAGE_CHARACTERS - 1]}…"


def as_code(text: str | None) -> str | None:
    """A service's code, where it is one: codes become metric labels and headings, and free text may quote a row."""
    return text if text and _CODE.fullmatch(text) else None


def judge_status(
    status: int, content: bytes, headers: Mapping[str, str], secret: str | None = None
) -> Failure:
    """What an answer with an error status means."""
    retry_after = _retry_after_seconds(headers)
    envelope = read_envelope(content)
    if envelope is None or status not in NOT_DONE_STATUSES:
        words = envelope.error.message if envelope else "the answer carries no error of the service itself"
        return Failure(Verdict.UNKNOWN, f"http_{status}", clean_text(words, secret), status, retry_after)
    error = envelope.error
    code = as_code(str(error.code or error.type or "")) or f"http_{status}"
    # The service echoes a part of the key here, so its words are not passed on.
    words = "the key is refused" if status == 401 else clean_text(error.message, secret)
    if status == 429 and code not in CLOSED:
        if code in DAILY_LIMITS:
            retry_after = max(retry_after or 0.0, DAILY_LIMIT_WAIT_SECONDS)
        return Failure(Verdict.LIMITED, code, words, status, retry_after)
    return Failure(Verdict.REFUSED, code, words, status, retry_after)


def judge(error: Exception, secret: str | None = None) -> Failure:
    """What an exception of the SDK means. Also for `ValueError`: an answer of 200 that is no answer."""
    # Imported here: `import openai` costs 1.5 s and 49 MiB, and must happen after the worker forked.
    import httpx2
    import openai

    if isinstance(error, openai.APIStatusError):
        return judge_status(error.status_code, error.response.content, error.response.headers, secret)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__
        unsent = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
        if isinstance(cause, unsent):
            return Failure(Verdict.UNSENT, "unreachable", "no connection could be made")
        if isinstance(error, openai.APITimeoutError):
            return Failure(Verdict.UNKNOWN, "timeout", "no answer within the timeout")
        return Failure(Verdict.UNKNOWN, "connection_lost", "the connection ended before an answer came")
    return Failure(Verdict.UNKNOWN, "malformed_reply", "the answer is not what the API describes")


def is_moderation(code: str | None, message: str | None) -> bool:
    """Whether a job failed because of the service's usage policies. It has no single code for that."""
    return bool(MODERATION.search(f"{code or ''} {message or ''}"))


def _retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue  # a date: rare, and our own waiting does as well
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None
