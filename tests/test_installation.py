"""Which servers a process gets: those configured, else embedded ones, else none where none can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ftworker.cli import cli
from ftworker.embedded.lifecycle import EmbeddedServerMissing
from ftworker.embedded.servers import EmbeddedPostgres, EmbeddedValkey
from ftworker.installation import Installation, with_servers
from ftworker.settings import settings_from


@pytest.fixture
def no_wheels(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra `embedded`."""

    def missing(_: object) -> None:
        raise EmbeddedServerMissing('pip install "ftworker[embedded]"')

    for server in (EmbeddedPostgres, EmbeddedValkey):
        monkeypatch.setattr(server, "_require_package", missing)


@pytest.mark.usefixtures("no_wheels")
def test_a_command_that_needs_the_database_alone_does_without_a_broker(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTWORKER_DATABASE_URL", database_url)
    done = CliRunner().invoke(cli, ["migrate"])
    assert (done.exit_code, done.output) == (0, "up to date\n")
    refused = CliRunner().invoke(cli, ["up"])
    assert refused.exit_code == 2
    assert "FTWORKER_BROKER_URL" in refused.stderr


@pytest.mark.usefixtures("no_wheels")
def test_without_a_database_the_missing_wheel_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerMissing):
        with_servers(settings_from({"home": str(tmp_path)}), start=True)


def test_configured_servers_are_used_as_they_are(tmp_path: Path) -> None:
    settings = settings_from(
        {"home": str(tmp_path), "database_url": "postgresql://h/db", "broker_url": "amqp://h//"}
    )
    assert with_servers(settings, start=True) is settings
    assert list(tmp_path.iterdir()) == []


def test_servers_that_do_not_run_stay_unnamed_unless_asked_to_start(tmp_path: Path) -> None:
    found = with_servers(settings_from({"home": str(tmp_path)}), start=False)
    assert (found.database_url, found.broker_url) == (None, None)


def test_what_is_decided_is_decided_by_the_databases_clock(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose own clock is an hour off would write times into rows that block others for that hour."""
    monkeypatch.setattr("ftworker.clock.utc_now", lambda: datetime.now(UTC) + timedelta(hours=1))
    here = Installation(settings_from({"database_url": database_url}))

    asked = [here.clock(), here.steps.clock()]

    with here.store.transaction() as cursor:
        cursor.execute("SELECT now() AS now")
        theirs = cursor.fetchone().now
    here.store.close()
    assert all(abs(theirs - time) < timedelta(minutes=1) for time in asked)
