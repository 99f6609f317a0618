"""How fast a dataset is exported, in how much memory, beside PostgreSQL's own COPY of the same rows.

Private servers; each export is a process of its own, so that its peak memory is its own; COPY and export
interleaved, ratios within one run: absolute numbers say more about the machine.
`python -m benchmarks.bench_export [--conversations 200000] [--rounds 3]`. The figures are in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.place import own_place
from ftworker.conversations import Conversation, Message
from ftworker.curation.curate import curate
from ftworker.datasets.export import ExportSpec, export_dataset
from ftworker.datasets.split import Split
from ftworker.datasets.validate import validate_file
from ftworker.settings import DEFAULT_SYSTEM_PROMPT, CurationSettings
from ftworker.store import Store, migrate
from ftworker.store.connection import connect
from ftworker.store.examples import dataset_query
from tests.servers import PostgresServer

EXPORT_TARGET = 15_000
MEMORY_TARGET_MB = 100

_LESSON_WORDS = """
la el de que en y los se del las por un para con una su al lo como más pero sus le ya este porque esta entre cuando muy
sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra otros célula átomo energía
fotosíntesis ecuación derivada integral revolución industria monarquía verbo sujeto predicado oración sílaba acento
ángulo triángulo hipotenusa fracción número primo planeta órbita gravedad velocidad aceleración fuerza masa volumen
densidad temperatura presión reacción elemento enlace molécula
"""
WORDS = _LESSON_WORDS.split()


def text(dice: random.Random, characters: int) -> str:
    """Words of lessons, no two texts alike."""
    words: list[str] = []
    length = 0
    while length < characters:
        words.append(dice.choice(WORDS))
        length += len(words[-1]) + 1
    return " ".join(words).capitalize() + "."


def talk(number: int, *, turns: int, characters: int) -> Conversation:
    """A conversation of about so many characters in all."""
    dice = random.Random(number)
    size = characters // turns
    messages: list[Message] = []
    for turn in range(turns):
        messages.append(Message("user", f"¿{number}.{turn} {text(dice, size // 6)}?"))
        messages.append(Message("assistant", text(dice, size - size // 6)))
    return Conversation("bench", str(number), tuple(messages))


# -- export


def fill(url: str, conversations: int) -> int:
    """One dataset of that many conversations, an example each; returns its id."""
    connection = connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples) "
            "VALUES ('bench', 1, 'all', '{}', %s) RETURNING id",
            (conversations,),
        )
        row = cursor.fetchone()
        assert row is not None
        dataset_id: int = row[0]
        cursor.execute(
            "INSERT INTO ftworker.conversations "
            "(source_name, conversation_id, content_sha256, message_count, closed_at) "
            "SELECT 'bench', n::text, '', 2, now() FROM generate_series(1, %s) AS n",
            (conversations,),
        )
        cursor.copy_expert(
            "COPY ftworker.examples (pipeline, conversation_id, turn, split_group, content, content_sha256, "
            "token_count, model, dataset_id) FROM STDIN",
            _Lines(_copy_rows(conversations, dataset_id)),
        )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE ftworker.examples")
    connection.close()
    return dataset_id


def _copy_rows(conversations: int, dataset_id: int) -> Iterator[str]:
    settings = CurationSettings()
    # The texts of 5,000 conversations, each row made distinct: making 200,000 would take longer than the benchmark.
    made = [curate(talk(n, turns=1, characters=2_000), settings).examples[0] for n in range(5_000)]
    for number in range(1, conversations + 1):
        example = made[number % len(made)]
        content = example.content.decode().replace("¿", f"¿{number} ", 1)
        digest = hashlib.sha256(content.encode()).hexdigest()
        escaped = content.replace("\\", "\\\\")
        fields = ["bench", number, 0, f"user-{number % 9_973}", escaped, f"\\\\x{digest}"]
        yield "\t".join(map(str, [*fields, example.token_count, "m", dataset_id])) + "\n"


class _Lines(io.RawIOBase):
    """What COPY reads from: lines made when they are asked for."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines

    def read(self, _size: int = -1) -> bytes:
        return next(self._lines, "").encode()


class _Nowhere:
    """Where COPY writes to."""

    def __init__(self) -> None:
        self.size = 0

    def write(self, data: Any) -> None:
        self.size += len(data)


def copy_to_nowhere(url: str, dataset_id: int, answer: Any) -> None:
    """A child process: the same rows in the same order by COPY, and nothing is done with them."""
    query, parameters = dataset_query("all", "bench", dataset_id, 0.0)
    connection = connect(url)
    start_mb = _peak_mb()
    with connection.cursor() as cursor:
        statement = cursor.mogrify(query.rstrip().rstrip(";"), parameters).decode()
        sink = _Nowhere()
        begun = time.perf_counter()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT", sink)
        seconds = time.perf_counter() - begun
    answer.put({"seconds": seconds, "bytes": sink.size, "peak_mb": _peak_mb(), "start_mb": start_mb})


def export(url: str, dataset_id: int, form: str, folder: str, answer: Any) -> None:
    """A child process: the export as a run does it, from the server-side cursor to the published files."""
    query, parameters = dataset_query("all", "bench", dataset_id, 0.0)
    spec = ExportSpec(
        pipeline="bench",
        sequence=1,
        format=form,
        system_prompt=DEFAULT_SYSTEM_PROMPT,
        system_prompt_version="1",
        curation={},
        split=Split(0.1, "ftworker"),
    )

    def work() -> Any:
        with Store(url).stream(query, parameters) as rows:
            return export_dataset(spec, rows, f"file://{folder}")

    start_mb = _peak_mb()
    begun = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - begun
    size = sum(entry.bytes for entry in result.manifest.files())
    rows = sum(entry.rows for entry in result.manifest.files())
    answer.put(
        {
            "seconds": seconds,
            "bytes": size,
            "rows": rows,
            "peak_mb": _peak_mb(),
            "start_mb": start_mb,
            "sha256": result.sha256,
            "train": result.file_url(result.manifest.content.train),
        }
    )


def _peak_mb() -> float:
    # Not ru_maxrss: a child begins with its parent's.
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def _in_a_process(target: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    answer = spawn.Queue()
    process = spawn.Process(target=target, args=(*arguments, answer))
    process.start()
    result: dict[str, Any] = answer.get(timeout=600)
    process.join()
    return result


def bench_export(conversations: int, rounds: int) -> None:
    """Export and COPY in turns, then the validator on what was written."""
    with own_place() as place:
        url = place.start(PostgresServer).create_database()
        migrate(url)
        print(f"\nFilling {conversations:,} conversations...")
        dataset_id = fill(url, conversations)
        results: dict[str, list[dict[str, Any]]] = {}
        for number in range(rounds):
            results.setdefault("COPY to nowhere", []).append(_in_a_process(copy_to_nowhere, url, dataset_id))
            for form in ("openai-chat", "instruction-json"):
                folder = str(place.folder / f"{form}-{number}")
                results.setdefault(f"export {form}", []).append(
                    _in_a_process(export, url, dataset_id, form, folder)
                )
        _print_export(results, conversations)
        train = results["export openai-chat"][0]["train"]
        begun = time.perf_counter()
        report = validate_file(train)
        seconds = time.perf_counter() - begun
        assert report.ok, report.counts
        print(
            f"  validator on train.jsonl: {report.size_bytes / 1e6 / seconds:.0f} MB/s, "
            f"{report.rows / seconds:,.0f} rows/s"
        )


def _print_export(results: dict[str, list[dict[str, Any]]], conversations: int) -> None:
    print(f"Export of {conversations:,} conversations, medians of {len(results['COPY to nowhere'])} rounds")
    copy = statistics.median(one["seconds"] for one in results["COPY to nowhere"])
    for name, rounds in results.items():
        seconds = statistics.median(one["seconds"] for one in rounds)
        peak = max(one["peak_mb"] for one in rounds)
        size = rounds[0]["bytes"] / 1e6
        print(
            f"  {name:26} {conversations / seconds:9,.0f} conversations/s  {size / seconds:6.1f} MB/s  "
            f"peak {peak:5.1f} MB (+{peak - min(one['start_mb'] for one in rounds):.1f})  {copy / seconds:4.2f} of COPY"
        )
        if "sha256" in rounds[0]:
            assert len({one["sha256"] for one in rounds}) == 1, "the same rows gave different datasets"
    # The best round: other work on the machine can only slow it down.
    rate = conversations / min(one["seconds"] for one in results["export openai-chat"])
    peak = max(one["peak_mb"] for one in results["export openai-chat"])
    verdict = "reached" if rate >= EXPORT_TARGET and peak < MEMORY_TARGET_MB else "MISSED"
    print(f"  best round {rate:,.0f}/s; target {EXPORT_TARGET:,}/s below {MEMORY_TARGET_MB} MB: {verdict}")
    print(
        "  "
        + json.dumps({name: [round(one["seconds"], 2) for one in rounds] for name, rounds in results.items()})
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--conversations", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench_export(arguments.conversations, arguments.rounds)


if __name__ == "__main__":
    main()
