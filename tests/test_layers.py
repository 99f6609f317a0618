"""Which module may import which: the layers of ARCHITECTURE.md, read from the source and not from a promise.

Imports inside functions count as well; those for type checkers alone do not.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from itertools import permutations
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# From the lowest to the highest. A module belongs to the longest name here that begins its own.
LAYERS: dict[str, tuple[str, ...]] = {
    "words": (
        "ftworker.errors",
        "ftworker.clock",
        "ftworker.conversations",
        "ftworker.markup",
        "ftworker.masking",
        "ftworker.settings",
    ),
    "pure logic": (
        "ftworker.curation",
        "ftworker.datasets.checks",
        "ftworker.datasets.difference",
        "ftworker.datasets.estimate",
        "ftworker.datasets.figures",
        "ftworker.datasets.formats",
        "ftworker.datasets.judging",
        "ftworker.datasets.lessons",
        "ftworker.datasets.members",
        "ftworker.datasets.plots",
        "ftworker.datasets.report",
        "ftworker.datasets.report_style",
        "ftworker.datasets.selection",
        "ftworker.datasets.selector",
        "ftworker.datasets.split",
        "ftworker.datasets.timeline",
        "ftworker.events.contract",
        "ftworker.events.rejection",
        "ftworker.events.schema",
        "ftworker.runs.states",
        "ftworker.runs.triggers",
        "ftworker.training.desk",
        "ftworker.training.events",
        "ftworker.training.order",
        "ftworker.training.results",
        "ftworker.training.templates",
    ),
    "edges": (
        "ftworker.valkey_channel",
        "ftworker.datasets",
        "ftworker.embedded",
        "ftworker.events",
        "ftworker.logs",
        "ftworker.loop_watch",
        "ftworker.providers",
        "ftworker.silence",
        "ftworker.sources",
        "ftworker.store",
        "ftworker.tokenizers",
        "ftworker.training",
    ),
    "work": (
        "ftworker.accumulate",
        "ftworker.examples_of",
        "ftworker.backfill",
        "ftworker.events.closing",
        "ftworker.events.dead_letters",
        "ftworker.events.ingest",
        "ftworker.events.replay",
        "ftworker.explain",
        "ftworker.idle",
        "ftworker.quarantine",
        "ftworker.rosters",
        "ftworker.runs",
        "ftworker.training_lease",
        "ftworker.trainings",
    ),
    "entry": (
        "fine_tuning",
        "ftworker.celery",
        "ftworker.ticks",
        "ftworker.cli",
        "ftworker.demo",
        "ftworker.doctor",
        "ftworker.example_configuration",
        "ftworker.installation",
        "ftworker.once",
        "ftworker.preloading",
        "ftworker.tasks",
        "ftworker.training_job",
        "ftworker.web",
        "main",
    ),
}

# Each speaks to one kind of thing outside and knows nothing of the others.
SEPARATE_EDGES = ("ftworker.embedded", "ftworker.providers", "ftworker.sources", "ftworker.store")

CONFINED = {
    "celery": ("ftworker.celery", "ftworker.tasks", "ftworker.ticks"),
    "gguf": ("ftworker.training",),
    "openai": ("ftworker.providers.openai",),
    "peft": ("ftworker.training",),
    "prometheus_client": ("ftworker.web",),
    "psutil": ("ftworker.embedded",),
    "psycopg2": ("ftworker.sources", "ftworker.store"),
    "redis": ("ftworker.events.stream",),
    "requests": ("ftworker.providers",),
    "safetensors": ("ftworker.training",),
    "tokenizers": ("ftworker.tokenizers", "ftworker.training.pre_tokenizing"),
    "torch": ("ftworker.training",),
    "transformers": ("ftworker.training",),
}


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of ours by its name, parsed."""
    files = [
        *REPOSITORY.glob("ftworker/**/*.py"),
        *REPOSITORY.glob("fine_tuning/**/*.py"),
        REPOSITORY / "main.py",
    ]
    return {module_name(file): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def module_name(file: Path) -> str:
    return ".".join(file.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def imports(name: str) -> set[str]:
    """The full names of what the module imports when it runs: of ours the module, else the package's name."""
    tree = modules()[name]
    for_type_checkers = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_type_checkers:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively; write the full name"
            package = node.module or ""
            inner_modules = {f"{package}.{alias.name}" for alias in node.names} & set(modules())
            found.update(inner_modules or {package})
    return found


def is_below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def layer_of(name: str) -> int | None:
    """The index of the layer; None for the package itself, whose only content is its version."""
    prefixes = [
        (len(prefix), index)
        for index, prefixes in enumerate(LAYERS.values())
        for prefix in prefixes
        if is_below(name, prefix)
    ]
    return max(prefixes)[1] if prefixes else None


def test_every_module_belongs_to_a_layer() -> None:
    assert [name for name in modules() if layer_of(name) is None] == ["ftworker"]


def test_every_name_in_the_layers_is_a_module() -> None:
    named = {prefix for prefixes in LAYERS.values() for prefix in prefixes}
    assert named - set(modules()) == set()


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_imports_only_from_its_layer_and_below(name: str) -> None:
    own = layer_of(name)
    layers = list(LAYERS)
    upwards = [
        f"{imported} ({layers[other]})"
        for imported in imports(name)
        if own is not None and (other := layer_of(imported)) is not None and other > own
    ]
    assert upwards == [], f"{name} is {layers[own or 0]}"


def test_the_edges_do_not_know_each_other() -> None:
    known = [
        f"{name} imports {imported}"
        for one, other in permutations(SEPARATE_EDGES, 2)
        for name in modules()
        if is_below(name, one)
        for imported in imports(name)
        if is_below(imported, other)
    ]
    assert known == []


@pytest.mark.parametrize("package", sorted(CONFINED))
def test_a_package_is_imported_only_where_it_belongs(package: str) -> None:
    importers = {name for name in modules() if any(is_below(used, package) for used in imports(name))}
    assert importers, f"nothing imports {package}: take it from the list, and from pyproject.toml"
    allowed = CONFINED[package]
    # A prefix of a name too: ftworker.providers.openai allows openai_client, which is part of it.
    assert [name for name in sorted(importers) if not name.startswith(allowed)] == []


def attributes(name: str) -> set[str]:
    """Every `x.y` of the module, such as `os.environ` and `datetime.now`."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(modules()[name])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_only_the_settings_read_the_environment() -> None:
    readers = {name for name in modules() if attributes(name) & {"os.environ", "os.getenv", "os.putenv"}}
    assert readers == {"ftworker.settings.environment"}


def test_only_the_clock_asks_for_the_time_of_day() -> None:
    asking = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
    assert {name for name in modules() if attributes(name) & asking} == {"ftworker.clock"}


def test_the_words_and_the_pure_logic_need_no_server_to_be_imported() -> None:
    outside = set(CONFINED) | {"kombu", "fsspec", "socket", "subprocess", "urllib"}
    reaching = {
        f"{name} imports {used}"
        for name in modules()
        if (layer := layer_of(name)) is not None and layer < 2
        for used in imports(name)
        if used.partition(".")[0] in outside
    }
    assert reaching == set()


def test_a_worker_starts_without_what_an_export_or_a_training_alone_needs() -> None:
    code = (
        "import sys\nimport ftworker.tasks\n"
        "heavy = {'numpy', 'rensa', 'toktok', 'openai', 'torch', 'transformers', 'tokenizers'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_no_module_is_called_by_what_it_is_not() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
    assert [name for name in modules() if name.rpartition(".")[2] in vague] == []
