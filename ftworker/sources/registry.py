"""Names to sources: the one place that knows which class reads which store."""

from __future__ import annotations

from functools import lru_cache

from ftworker.errors import NotFound, SourceRejected
from ftworker.settings import Settings, SourceSettings
from ftworker.sources.contract import Source
from ftworker.sources.postgres import PostgresSource

OWN_DATABASE = "FTWORKER_DATABASE_URL"
"""A source may live in ftworker's own database; where that is the embedded server, nobody has set the variable."""


def make_source(settings: Settings, name: str) -> Source:
    """The source with this name; the same one each time, so that its connections are kept. Does not connect.

    Raises NotFound, naming the sources that exist, and SourceRejected when no address is known for it.
    """
    url = source_url(settings, name)
    return _source(name, settings.sources[name], url)


def source_url(settings: Settings, name: str) -> str:
    """The address of the source's database. Raises NotFound and SourceRejected, as make_source does."""
    configured = settings.sources.get(name)
    if configured is None:
        known = ", ".join(sorted(settings.sources)) or "none"
        raise NotFound(f"no source named {name!r} in the configuration; there are: {known}")
    url = configured.connection_url()
    if not url and configured.url_env == OWN_DATABASE and settings.database_url is not None:
        url = settings.database_url.get_secret_value()
    if not url:
        where = (
            f"the environment variable {configured.url_env} is not set"
            if configured.url_env
            else f"sources.{name} has neither url_env nor url"
        )
        raise SourceRejected(
            f"source {name}: {where}; export {configured.url_env or 'RAG_DATABASE_URL'}="
            f"postgresql://user:password@host:5432/name where ftworker runs, and name it in sources.{name}.url_env"
        )
    return url


@lru_cache(maxsize=64)
def _source(name: str, configured: SourceSettings, url: str) -> PostgresSource:
    return PostgresSource(name, configured, url)
