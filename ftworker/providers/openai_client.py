"""The wire to one service that speaks OpenAI's API: its client, its key, reads with short retries, calls made
once.

`once` sends exactly once; `read` is for calls that may be repeated. `import openai` happens in here, on the
first call, after the fork.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

import tenacity

from ftworker.errors import PermanentError
from ftworker.providers.contract import ProviderRejected, ProviderUnavailable
from ftworker.providers.openai_errors import CallFailed, Failure, Verdict, judge
from ftworker.providers.openai_wire import Identified, Page, read_answer
from ftworker.settings import OpenAISettings

if TYPE_CHECKING:
    import openai

READ_ATTEMPTS = 3
MAX_PAGES = 200

T = TypeVar("T")
Item = TypeVar("Item", bound=Identified)


class RawAnswer(Protocol):
    """What the SDK's `with_raw_response` methods return, as far as we read it."""

    @property
    def content(self) -> bytes: ...


def load_sdk() -> None:
    """Import the SDK now, so that the first call need not wait for it."""
    import openai  # noqa: F401 - wanted for its effect


class Service:
    """One service: settings, key, and a client made when first needed and anew after a fork.

    `name` is the provider's name in the configuration, for messages. The key is in no message and in no repr.
    """

    def __init__(
        self, name: str, settings: OpenAISettings, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self.settings = settings
        self.sleep = sleep
        self._client: openai.OpenAI | None = None
        self._client_process: int | None = None

    def __repr__(self) -> str:
        return f"Service({self.name!r}, host={self.host!r})"

    @property
    def host(self) -> str:
        """The service's host name: what messages show of `base_url`, which may carry credentials."""
        return urlsplit(self.settings.base_url).hostname or "?"

    @property
    def key_place(self) -> str:
        """Where the key is looked for, in words."""
        settings = self.settings
        return (
            f"file {settings.api_key_file}" if settings.api_key_file else f"variable {settings.api_key_env}"
        )

    def close(self) -> None:
        """End the connections. The next call opens new ones."""
        if self._client is not None and self._client_process == os.getpid():
            self._client.close()
        self._client = None

    def client(self) -> openai.OpenAI:
        """The SDK's client, which never retries by itself, with the key of now. Raises ProviderRejected without one."""
        # A client from before a fork shares its sockets with the parent: two processes would read each
        # other's answers.
        mine = self._client if self._client_process == os.getpid() else None
        key = self.settings.api_key()
        if key is None and mine is None:
            raise ProviderRejected(
                f"provider {self.name}: no API key; set the {self.key_place}",
                code="no_api_key",
                disables_provider=True,
            )
        # One from before the key was replaced in its file would be refused until a restart. A file that is empty for
        # the moment of that ends no run.
        if mine is None or key not in {None, mine.api_key}:
            self.close()
            import openai

            self._client = openai.OpenAI(
                api_key=key,
                base_url=self.settings.base_url,
                timeout=self.settings.request_timeout_seconds,
                max_retries=0,
                # The SDK follows redirects, to any host, with our headers and with the file in hand; no service that
                # speaks this API sends any.
                http_client=openai.DefaultHttpxClient(follow_redirects=False),
                default_headers=self.settings.extra_headers,
                default_query=self.settings.extra_query,
            )
            self._client_process = os.getpid()
            return self._client
        return mine

    def once(self, kind: type[T], call: Callable[[openai.OpenAI], RawAnswer]) -> T:
        """Make one call, exactly once, and decode its answer. Raises CallFailed."""
        client = self.client()
        import openai

        try:
            return read_answer(call(client).content, kind)
        except openai.APIConnectionError as error:
            raise CallFailed(judge(error, client.api_key)) from error
        except (openai.OpenAIError, ValueError) as error:
            # Not `from error`: the SDK's message is the service's, and that quotes keys and data.
            raise CallFailed(judge(error, client.api_key)) from None

    def read(self, kind: type[T], call: Callable[[openai.OpenAI], RawAnswer]) -> T:
        """Make a call that may be repeated: up to three times within about two seconds. Raises CallFailed."""
        return self._repeat(lambda: self.once(kind, call))

    def read_bytes(self, call: Callable[[openai.OpenAI], RawAnswer]) -> bytes:
        """The same for content that is no JSON."""

        def once() -> bytes:
            client = self.client()
            import openai

            try:
                return call(client).content
            except openai.APIConnectionError as error:
                raise CallFailed(judge(error, client.api_key)) from error
            except openai.OpenAIError as error:
                raise CallFailed(judge(error, client.api_key)) from None

        return self._repeat(once)

    def pages(
        self, kind: type[Page[Item]], call: Callable[[openai.OpenAI, dict[str, Any]], RawAnswer]
    ) -> Iterator[list[Item]]:
        """Read a listing page by page; `call` gets the cursor as arguments. Raises CallFailed.

        Ends, too, on a service that ignores the cursor and sends the same page for ever.
        """
        cursor: dict[str, Any] = {}
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            page = self.read(kind, partial(_at, call, cursor))
            fresh = [item for item in page.data if item.id not in seen]
            if not fresh:
                return
            yield fresh
            if page.has_more is False:
                return
            seen.update(item.id for item in fresh)
            cursor = {"after": page.data[-1].id}

    def _repeat(self, once: Callable[[], T]) -> T:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(READ_ATTEMPTS),
            wait=tenacity.wait_random_exponential(multiplier=0.5, max=1.5),
            retry=tenacity.retry_if_exception(_worth_repeating),
            sleep=self.sleep,
            reraise=True,
        )
        return retrying(once)

    # What a failure becomes for the caller of a step

    def unavailable(self, doing: str, failure: Failure) -> ProviderUnavailable:
        """For a step that did nothing and can be done again."""
        return ProviderUnavailable(
            f"provider {self.name}: {doing} at {self.host} failed: {failure}",
            code=failure.code,
            retry_after_seconds=failure.retry_after_seconds,
        )

    def refused_or_unavailable(self, doing: str, failure: Failure) -> PermanentError | ProviderUnavailable:
        """For a step that costs nothing: a refusal is permanent, anything else can be tried again."""
        if failure.verdict is Verdict.REFUSED:
            return self.rejected(doing, failure)
        return self.unavailable(doing, failure)

    def rejected(self, doing: str, failure: Failure) -> ProviderRejected:
        """For a refusal, with what a person can do."""
        return ProviderRejected(
            f"provider {self.name}: {doing} was refused: {failure}{self._advice(failure)}",
            code=failure.code,
            disables_provider=failure.closes_provider,
        )

    def refused_look(self, doing: str, failure: Failure) -> str:
        """Of a job that may be training: it is tried again, and a person is told once what would help."""
        advice = f"; put a valid key into the {self.key_place}" if failure.status == 401 else ""
        again = "it may be training, and is looked at again"
        return f"provider {self.name}: {doing} was refused: {failure}{advice}; {again}"

    def _advice(self, failure: Failure) -> str:
        if failure.code == "training_not_available":
            return (
                "; this account can no longer create fine-tuning jobs there. The export is kept: point the"
                " pipeline at another provider (docs/PROVIDERS.md)"
            )
        if failure.status == 401:
            return f"; put a valid key into the {self.key_place}"
        if failure.closes_provider:
            return "; settle the account's billing or limits there, then retry the run"
        return ""


def _at(
    call: Callable[[openai.OpenAI, dict[str, Any]], RawAnswer], cursor: dict[str, Any], client: openai.OpenAI
) -> RawAnswer:
    return call(client, cursor)


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, CallFailed) and error.failure.worth_repeating_now
