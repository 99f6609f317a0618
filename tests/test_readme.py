"""The README holds: its commands exist, its configuration and code are taken; links of all documents lead somewhere."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from fine_tuning.manager import FineTuningManager
from ftworker.cli import COMMANDS
from ftworker.events.publisher import prepare
from ftworker.settings import settings_from
from main import main as seed_command
from tests.conftest import REPOSITORY

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "ARCHITECTURE.md", *sorted(REPOSITORY.glob("docs/*.md"))]


def blocks(language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)
    return [dedent(text) for _, text in found]


def calls(name: str) -> list[ast.Call]:
    """Every call of that name in the README's Python."""
    nodes = [node for block in blocks("python") for node in ast.walk(ast.parse(block))]
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_its_heading(document: Path) -> None:
    for target in sorted(set(re.findall(r"\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")))):
        if target.startswith(("http://", "https://")):
            continue
        path, _, heading = target.partition("#")
        linked = document.parent / path if path else document
        assert linked.exists(), target
        if heading:
            text = re.sub(
                r"^```.*?^```", "", linked.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
            )
            titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
            assert heading in anchors, target


def test_the_table_names_every_command_with_its_help() -> None:
    rows = re.findall(r"^\| `ftworker ([a-z]+)` \| (.+) \|$", README, re.MULTILINE)
    assert rows == [(name, short) for name, (_, short) in COMMANDS.items()]


def test_every_command_that_it_names_exists() -> None:
    named = set(re.findall(r"\bftworker ([a-z]+)(?= --|`| [a-z]+`|$)", README, re.MULTILINE))
    assert named <= set(COMMANDS)


def test_every_make_target_that_it_names_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"\bmake (demo|test|check|bench|[a-z-]+)\b(?=`|\s+#|$)", README, re.MULTILINE))
    assert {"demo", "test", "check", "bench"} <= named
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_its_configuration_is_valid_and_reads_from_its_source() -> None:
    (text,) = blocks("toml")
    settings = settings_from(tomllib.loads(text), "README.md")
    (pipeline,) = settings.pipelines.values()
    assert pipeline.source in settings.sources


def test_the_event_that_it_publishes_is_valid() -> None:
    (call,) = calls("publish")
    identifier, raw = prepare(ast.literal_eval(call.args[0]), source="/rag")
    assert identifier
    assert b"org.ftworker.conversation.closed.v1" in raw


def test_the_manager_takes_the_arguments_that_it_shows() -> None:
    (call,) = calls("FineTuningManager")
    given = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    inspect.signature(FineTuningManager).bind(**given)
    assert FineTuningManager(**given).provider == "local"


def test_main_takes_the_options_that_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        "fine_tuning.manager.run_fine_tuning", lambda **options: asked.append(options["provider"])
    )
    lines = re.findall(r"^python main\.py (.+)$", README, re.MULTILINE)
    for line in lines:
        seed_command(line.split())
    assert asked == ["local", "openai"]
