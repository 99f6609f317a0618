"""A dataset on disk and in object storage: its bytes, its address, its manifest, and what a crash leaves."""

from __future__ import annotations

import errno
import hashlib
import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import fsspec
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import given, settings
from hypothesis import strategies as st

from ftworker.conversations import Chunk, Conversation, Message
from ftworker.curation.curate import curate
from ftworker.datasets.export import ExampleRow, ExportResult, ExportSpec, export_dataset
from ftworker.datasets.formats import SUPERVISED_FORMATS as FORMATS
from ftworker.datasets.manifest import read_manifest
from ftworker.datasets.split import Split
from ftworker.datasets.storage import StorageRejected, StorageUnavailable
from ftworker.datasets.validate import is_dataset, validate_dataset
from ftworker.errors import DatabaseUnavailable, NotFound, PermanentError
from ftworker.settings import CurationSettings
from tests.doubles.openai_api.training_data import read_training_data

REPOSITORY = Path(__file__).resolve().parents[2]

SPEC = ExportSpec(
    pipeline="tutor",
    sequence=7,
    format="openai-chat",
    system_prompt="Eres un asistente útil.",
    system_prompt_version="1",
    curation={"unit": "turn"},
    split=Split(0.2, "ftworker"),
    strategy="all",
    cut_at=datetime(2026, 11, 23, tzinfo=UTC),
    conversations=40,
    drops={"refusal": 3, "too_short": 1},
)


def example(number: int, group: str | None = None, **fields: Any) -> ExampleRow:
    messages = [
        {"role": "user", "content": f"¿Qué es el elemento {number}?"},
        {"role": "assistant", "content": f"El elemento {number} de la tabla periódica."},
    ]
    content = json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
    row = ExampleRow(content, group or f"user-{number % 20}", 30, number % 3 - 1, f"modelo-{number % 2}")
    return row._replace(**fields)


def in_content_order(rows: list[ExampleRow]) -> list[ExampleRow]:
    return sorted(rows, key=lambda row: hashlib.sha256(row.content.encode()).digest())


ROWS = in_content_order([example(number) for number in range(100)])


class ReadOnly:
    """An object being read: the least that fsspec's buffered files can do, which read no lines with a limit."""

    def __init__(self, content: bytes) -> None:
        self._rest = content

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        return

    def close(self) -> None:
        return

    def seek(self, place: int) -> None:
        self._rest = self._rest[place:]

    def read(self, size: int = -1) -> bytes:
        size = len(self._rest) if size < 0 else size
        block, self._rest = self._rest[:size], self._rest[size:]
        return block


class ObjectStore(MemoryFileSystem):
    """Memory as S3 would have it: no folders, so that one without objects does not exist."""

    protocol = "objects"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super().open(path, mode, **options)
        return ReadOnly(file.getvalue()) if mode == "rb" else file

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        return

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        return


fsspec.register_implementation("objects", ObjectStore, clobber=True)


@pytest.fixture(params=["file", "memory", "objects"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path}/storage"
        return
    filesystem = fsspec.filesystem(request.param)
    filesystem.store.clear()
    yield f"{request.param}://bucket/ftworker"
    filesystem.store.clear()


def read(url: str) -> bytes:
    with fsspec.open(url, "rb") as file:
        content: bytes = file.read()
    return content


def tree(storage_url: str) -> list[str]:
    filesystem, root = fsspec.core.url_to_fs(storage_url)
    return sorted(path.removeprefix(root + "/") for path in filesystem.find(root))


@pytest.mark.parametrize("name", FORMATS)
def test_a_dataset_lies_under_its_content_address_whole_and_valid(name: str, storage_url: str) -> None:
    result = export_dataset(replace(SPEC, format=name), ROWS, storage_url)
    folder = f"datasets/tutor/7-{result.sha256[:12]}"
    extension = "json" if name == "instruction-json" else "jsonl"
    assert tree(storage_url) == sorted(
        f"{folder}/{file}"
        for file in (
            f"train.{extension}",
            f"validation.{extension}",
            "manifest.json",
            "report.html",
            "README.md",
        )
    )
    assert result.url.endswith(folder)
    assert is_dataset(result.url)
    reports = validate_dataset(result.url)
    assert [report.problems for report in reports] == [[], []]
    assert sum(report.rows for report in reports) == 100


def test_the_manifest_describes_each_file_and_names_the_dataset(storage_url: str) -> None:
    result = export_dataset(SPEC, ROWS, storage_url)
    manifest = read_manifest(result.url)
    assert manifest == result.manifest
    assert read_manifest(f"{result.url}/manifest.json") == manifest
    for entry in manifest.files():
        content = read(result.file_url(entry))
        assert (entry.sha256, entry.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
        assert entry.rows == content.count(b"\n")
        assert entry.tokens > 30 * entry.rows  # the system prompt counts too
    origin = manifest.provenance
    assert (origin.examples, origin.conversations, origin.rated_up, origin.rated_down) == (100, 40, 33, 34)
    assert origin.models == {"modelo-0": 50, "modelo-1": 50}
    assert origin.drops == {"refusal": 3, "too_short": 1}
    assert manifest.content.system_prompt.sha256 == hashlib.sha256(SPEC.system_prompt.encode()).hexdigest()
    plain = json.loads(read(f"{result.url}/manifest.json"))
    assert plain == manifest.as_dict()


def test_the_card_has_a_header_that_hugging_face_reads(storage_url: str) -> None:
    result = export_dataset(SPEC, ROWS, storage_url)
    card = read(f"{result.url}/README.md").decode()
    header = yaml.safe_load(card.split("---\n")[1])
    assert header["language"] == ["es"]
    assert header["configs"][0]["data_files"] == [
        {"split": "train", "path": "train.jsonl"},
        {"split": "validation", "path": "validation.jsonl"},
    ]
    assert header["size_categories"] == ["n<1K"]
    assert "| refusal | 3 |" in card
    assert result.sha256 in card


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_rows_give_the_same_bytes_wherever_and_whenever_they_were_inserted(
    name: str, storage_url: str
) -> None:
    spec = replace(SPEC, format=name)
    first = export_dataset(spec, ROWS, storage_url)
    shuffled = list(ROWS)
    random.Random(4).shuffle(shuffled)
    later = replace(
        spec,
        pipeline="other",
        sequence=9,
        cut_at=datetime(2027, 1, 1, tzinfo=UTC),
        drops={},
        conversations=None,
    )
    second = export_dataset(later, in_content_order(shuffled), storage_url)
    assert second.sha256 == first.sha256
    for entry in first.manifest.files():
        assert read(first.file_url(entry)) == read(second.file_url(entry))


@pytest.mark.parametrize(
    "change",
    [
        {"system_prompt": "Otro."},
        {"system_prompt_version": "2"},
        {"format": "instruction-jsonl"},
        {"split": Split(0.3, "ftworker")},
        {"split": Split(0.2, "other")},
        {"curation": {"unit": "conversation"}},
    ],
)
def test_whatever_decides_the_dataset_changes_its_name(change: dict[str, Any], storage_url: str) -> None:
    changed: dict[str, Any] = change
    first = export_dataset(SPEC, ROWS, storage_url)
    assert export_dataset(replace(SPEC, **changed), ROWS, storage_url).sha256 != first.sha256
    assert export_dataset(SPEC, ROWS[1:], storage_url).sha256 != first.sha256


def sides(result: ExportResult) -> tuple[set[str], set[str]]:
    """The numbers of the elements on each side."""
    manifest = result.manifest

    def numbers(name: str) -> set[str]:
        lines = read(f"{result.url}/{name}").split(b"\n")[:-1]
        return {json.loads(line)["messages"][-1]["content"].split()[2] for line in lines}

    validation = manifest.content.validation
    return numbers("train.jsonl"), numbers(validation.name) if validation else set()


def test_no_user_stands_on_both_sides(storage_url: str) -> None:
    train, validation = sides(export_dataset(SPEC, ROWS, storage_url))
    assert len(train) + len(validation) == 100
    assert train
    assert validation
    assert not {int(number) % 20 for number in train} & {int(number) % 20 for number in validation}


def groups_on(side: bool, count: int) -> list[str]:
    found = (f"g{number}" for number in range(10_000) if SPEC.split.validates(f"g{number}") is side)
    return [group for group, _ in zip(found, range(count), strict=False)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("training,validating", [(0, 12), (3, 12), (9, 1), (0, 1)])
def test_validation_gives_way_when_too_little_would_train(
    name: str, training: int, validating: int, storage_url: str
) -> None:
    groups = groups_on(False, training) + groups_on(True, validating)
    rows = in_content_order([example(number, group) for number, group in enumerate(groups)])
    result = export_dataset(replace(SPEC, format=name), rows, storage_url)
    content = result.manifest.content
    assert content.validation is None
    assert content.train.rows == training + validating
    assert content.split.given_up == (
        f"only {training} rows would have been left to train on, and providers need 10"
    )
    (report,) = validate_dataset(result.url)
    assert report.rows == training + validating
    assert not [problem for problem in report.problems if problem.check != "too_few_examples"]
    assert len(tree(storage_url)) == 4


def test_validation_is_absent_when_no_user_fell_on_its_side(storage_url: str) -> None:
    rows = [example(number, group) for number, group in enumerate(groups_on(False, 12))]
    content = export_dataset(SPEC, rows, storage_url).manifest.content
    assert (content.validation, content.split.given_up) == (None, "no user fell on the validation side")


def test_no_share_means_no_validation_file_and_no_remark(storage_url: str) -> None:
    content = export_dataset(replace(SPEC, split=Split(0.0, "s")), ROWS, storage_url).manifest.content
    assert (content.validation, content.split.given_up, content.train.rows) == (None, None, 100)


def test_progress_counts_the_examples(storage_url: str) -> None:
    seen: list[int] = []
    export_dataset(SPEC, (example(number) for number in range(2_500)), storage_url, progress=seen.append)
    assert seen == [1_000, 2_000, 2_500]


def test_without_any_example_nothing_is_published(storage_url: str) -> None:
    with pytest.raises(PermanentError, match="dataset 7 of pipeline tutor has no examples left"):
        export_dataset(SPEC, [], storage_url)
    assert tree(storage_url) == []


@pytest.mark.parametrize("error", [DatabaseUnavailable("it went away"), ConnectionResetError("it went away")])
def test_a_failure_of_the_rows_is_told_as_it_is_and_leaves_nothing(
    error: Exception, storage_url: str
) -> None:
    def rows() -> Iterator[ExampleRow]:
        yield from ROWS
        raise error

    with pytest.raises(type(error), match="went away") as raised:
        export_dataset(SPEC, rows(), storage_url)
    assert raised.value is error
    assert tree(storage_url) == []


class CloudError(Exception):
    """As a cloud's own library raises it."""


class NoCredentialsError(CloudError):
    """The same, for want of a key."""


@pytest.mark.parametrize(
    "error,expected,words",
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageRejected, "free some room"),
        (PermissionError(errno.EACCES, "Permission denied"), StorageRejected, "storage_url and its rights"),
        (NoCredentialsError(), StorageRejected, "credentials"),
        (OSError(errno.EIO, "Input/output error"), StorageUnavailable, "Input/output error"),
        (CloudError(), StorageUnavailable, "CloudError"),
        (TimeoutError(), StorageUnavailable, "TimeoutError"),
    ],
)
def test_a_failure_of_the_storage_is_permanent_or_passing_and_leaves_nothing(
    error: Exception, expected: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()

    def fail(*arguments: object, **keywords: object) -> None:
        raise error

    monkeypatch.setattr(type(memory), "copy", fail)
    with pytest.raises(expected, match=words) as raised:
        export_dataset(SPEC, ROWS, "memory://user:secret@bucket")
    assert "secret" not in str(raised.value)
    assert memory.find("") == []


def test_exporting_again_after_a_crash_finds_the_same_place(storage_url: str) -> None:
    first = export_dataset(SPEC, ROWS, storage_url)
    before = {path: read(f"{storage_url}/{path}") for path in tree(storage_url)}
    second = export_dataset(SPEC, ROWS, storage_url)
    assert second == first
    assert {path: read(f"{storage_url}/{path}") for path in tree(storage_url)} == before


def test_two_exporters_at_once_publish_one_dataset(storage_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: export_dataset(SPEC, iter(ROWS), storage_url), range(4)))
    assert len({result.url for result in results}) == 1
    assert len(tree(storage_url)) == 5
    assert [report.problems for report in validate_dataset(results[0].url)] == [[], []]


EXPORTER = """
import sys, time
from ftworker.datasets.export import ExampleRow, ExportSpec, export_dataset
from ftworker.datasets.split import Split

def rows():
    for number in range(10_000):
        content = '[{"role":"user","content":"%d"},{"role":"assistant","content":"%s"}]' % (number, "a" * 2000)
        yield ExampleRow(content, str(number), 500, 0, None)
    print("half", flush=True)
    time.sleep(60)

export_dataset(ExportSpec("tutor", 1, "openai-chat", "", "1", {}, Split(0.1, "s")), rows(), sys.argv[1])
"""


def test_a_killed_exporter_leaves_nothing_that_looks_finished_and_is_cleared_away_later(
    tmp_path: Path,
) -> None:
    url = f"file://{tmp_path}"
    process = subprocess.Popen([sys.executable, "-c", EXPORTER, url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    folder = tmp_path / "datasets" / "tutor"
    (left,) = folder.iterdir()
    assert left.name.startswith(".exporting-")
    assert (left / "train.jsonl").stat().st_size > 1_000_000
    assert not is_dataset(f"file://{left}")
    result = export_dataset(SPEC, ROWS, url)  # a present-day exporter may still be at work: it stays
    assert left.exists()
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    assert export_dataset(SPEC, ROWS, url, clock=lambda: tomorrow) == result
    assert [path.name for path in folder.iterdir()] == [f"7-{result.sha256[:12]}"]


def test_a_killed_publication_to_object_storage_is_no_dataset_until_its_manifest_is_there() -> None:
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    result = export_dataset(SPEC, ROWS, "memory://bucket")
    memory.rm(f"{result.url}/manifest.json")
    assert not is_dataset(result.url)
    with pytest.raises(NotFound, match="no finished dataset"):
        read_manifest(result.url)
    assert export_dataset(SPEC, ROWS, "memory://bucket") == result
    assert is_dataset(result.url)
    memory.store.clear()


def test_an_altered_file_or_manifest_is_found_out(tmp_path: Path) -> None:
    result = export_dataset(SPEC, ROWS, f"file://{tmp_path}")
    folder = Path(result.url.removeprefix("file://"))
    train = folder / "train.jsonl"
    train.write_bytes(train.read_bytes().replace(b"elemento 1 ", b"elemento X "))
    reports = validate_dataset(result.url)
    assert [report.ok for report in reports] == [False, True]
    assert reports[0].problems[0].check == "altered"
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"rows": ', b'"rows": 1'))
    with pytest.raises(PermanentError, match="altered"):
        read_manifest(result.url)
    manifest.write_bytes(b"{}")
    with pytest.raises(PermanentError, match=r"not one of ftworker's"):
        read_manifest(result.url)


@pytest.mark.parametrize("url", ["nowhere://bucket", "file:///proc/ftworker", "s4://x"])
def test_a_storage_that_cannot_be_used_is_refused_with_the_next_step(url: str) -> None:
    with pytest.raises(StorageRejected, match="storage_url"):
        export_dataset(SPEC, ROWS, url)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    program = """
import sys
from tests.datasets.memory import peak_kib
from ftworker.datasets.export import ExampleRow, ExportSpec, export_dataset
from ftworker.datasets.split import Split

def rows(count):
    for number in range(count):
        content = '[{"role":"user","content":"%d"},{"role":"assistant","content":"%s"}]' % (number, "a" * 2000)
        yield ExampleRow(content, str(number), 500, 0, "m")

spec = ExportSpec("tutor", 1, "instruction-json", "", "1", {}, Split(0.1, "s"))
export_dataset(spec, rows(1_000), sys.argv[1])
before = peak_kib()
export_dataset(spec, rows(40_000), sys.argv[1])
print(peak_kib() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, f"file://{tmp_path}"],
        capture_output=True, text=True, check=True, timeout=100, cwd=REPOSITORY
    )  # fmt: skip
    assert int(done.stdout) < 12_000  # KiB, for 85 MB


texts = st.text(max_size=40) | st.sampled_from(
    [
        "¿Qué es un átomo?",
        "La parte más pequeña.",
        "a\u2028b\x85c",
        "<|hola",
        "No lo sé.",
        '"}]\\',
        "ana@x.es",
    ]
)
talks = st.lists(
    st.builds(
        Message,
        role=st.sampled_from(["user", "assistant", "assistant", "user", "tool", "system"]),
        content=texts,
        rating=st.sampled_from([None, -1, 1]),
        context=st.lists(st.builds(Chunk, text=texts), max_size=2).map(tuple),
    ),
    min_size=2,
    max_size=10,
)


@given(st.lists(talks, max_size=8), st.sampled_from(FORMATS), st.sampled_from(["turn", "conversation"]))
@settings(deadline=None, max_examples=60)
def test_whatever_curation_lets_through_is_a_valid_training_file(
    conversations: list[list[Message]], name: str, unit: Any
) -> None:
    fsspec.filesystem("memory").store.clear()
    curation = CurationSettings(unit=unit, min_answer_characters=1)
    taught = [
        ExampleRow(found.content.decode(), f"g{number}", found.token_count, found.rating, found.model)
        for number, messages in enumerate(conversations)
        for found in curate(Conversation("s", str(number), tuple(messages)), curation).examples
    ]
    # Ten sound ones, so that only the rows decide.
    rows = in_content_order([*taught, *(example(number) for number in range(10))])
    result = export_dataset(replace(SPEC, format=name), rows, "memory://bucket")
    for report in validate_dataset(result.url):
        assert [problem for problem in report.problems if problem.check != "repeated_row"] == []
    if name == "openai-chat":
        train = read_training_data(read(f"{result.url}/train.jsonl"), method="supervised", needs_minimum=True)
        assert train.rows == result.manifest.content.train.rows
