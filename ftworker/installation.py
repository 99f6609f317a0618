"""One installation put together: settings, store, sources, providers, steps. The composition root of every process.

Servers that the configuration does not name are the embedded ones under `home`; `with_servers` finds or starts them.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.providers.contract import Provider
from ftworker.settings import Settings, load_settings
from ftworker.sources.contract import Source
from ftworker.store import Store
from ftworker.trainings import Trainings

if TYPE_CHECKING:
    from ftworker.runs.steps import StepRunner


@dataclass(frozen=True)
class Installation:
    """What a process works with. Connections open when first used."""

    settings: Settings

    def clock(self) -> datetime:
        """The time by which triggers and runs are decided: the database's.

        What is decided outlives a worker in rows: one whose own clock was an hour ahead for a minute would have started
        a cooldown, or a search for a job, in the future. Raises DatabaseUnavailable.
        """
        return self.store.now()

    @cached_property
    def store(self) -> Store:
        if self.settings.database_url is None:
            raise ConfigurationError(
                "environment",
                [
                    ConfigurationProblem(
                        "FTWORKER_DATABASE_URL",
                        "(not set)",
                        'a PostgreSQL URL, or `pip install "ftworker[embedded]"`',
                    )
                ],
            )
        return Store(
            self.settings.database_url.get_secret_value(),
            answer_seconds=self.settings.network.statement_seconds,
        )

    @cached_property
    def make_provider(self) -> Callable[[str], Provider]:
        from ftworker.providers.registry import provider_factory

        return provider_factory(self.settings, self.trainings, clock=self.clock)

    @cached_property
    def trainings(self) -> Trainings:
        """Where trainings on this machine are handed in and looked at."""
        return Trainings(lambda: self.store, self.settings)

    def make_source(self, name: str) -> Source:
        """The source of that name. Raises NotFound, SourceRejected."""
        from ftworker.sources.registry import make_source

        return make_source(self.settings, name)

    @cached_property
    def steps(self) -> StepRunner:
        # Imported here: with it comes all of curation, 0.4 s and 10 MB that ingest and the page never need.
        from ftworker.runs.steps import StepRunner

        return StepRunner(self.store, self.settings, self.make_provider, self.clock)


def with_servers(settings: Settings, *, start: bool) -> Settings:
    """The settings with a database and a broker: those configured, else the embedded ones under `home`.

    `start` starts embedded servers that do not run, and stops them again when this process and every other user of
    them has ended. Without it they are used when they run already, and what is missing stays None. So does a broker
    that could only be embedded where its wheel is not installed: most commands need the database alone.
    """
    if settings.database_url is not None and settings.broker_url is not None:
        return settings
    from ftworker.embedded.lifecycle import EmbeddedServerMissing
    from ftworker.embedded.servers import EmbeddedPostgres, EmbeddedServer, EmbeddedValkey

    def url(server: EmbeddedServer) -> SecretStr | None:
        if start:
            return SecretStr(_until_exit.enter_context(server.running()))
        return SecretStr(server.url()) if server.is_running() else None

    database_url = settings.database_url or url(EmbeddedPostgres(settings.home))
    broker_url = settings.broker_url
    if broker_url is None:
        with suppress(EmbeddedServerMissing):
            broker_url = url(EmbeddedValkey(settings.home))
    return settings.model_copy(update={"database_url": database_url, "broker_url": broker_url})


@contextmanager
def hold_servers(settings: Settings) -> Iterator[None]:
    """Keep the embedded database running for as long, when it is the configured one.

    For a process that was given its URL, and outlives whoever started the server.
    """
    from ftworker.embedded.servers import EmbeddedPostgres

    server = EmbeddedPostgres(settings.home)
    url = settings.database_url.get_secret_value() if settings.database_url is not None else None
    if not server.is_running() or server.url() != url:
        yield
        return
    with server.running():
        yield


_until_exit = ExitStack()
atexit.register(_until_exit.close)


def open_installation(*, start_servers: bool = False) -> Installation:
    """Read the configuration and find the servers. Raises ConfigurationError."""
    return Installation(with_servers(load_settings(), start=start_servers))
