"""What it costs to choose a dataset's rows: near-duplicates beside a plain assembly of the same library, how many are
found, the memory that a million conversations take, and an export with selection beside one without.

Ratios within one run, CPU time where one process works alone; memory in processes of their own.
`python -m benchmarks.bench_selection [--texts 20000] [--conversations 1000000] [--export 100000] [--rounds 3]`.
The figures are in docs/BENCHMARKS.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rensa import RMinHash

from benchmarks.bench_export import WORDS
from benchmarks.place import own_place
from ftworker.curation.near_duplicates import NearDuplicates, jaccard, shingle
from ftworker.datasets.export import ExportSpec, export_dataset
from ftworker.datasets.selection import SelectionRow, SelectionRules
from ftworker.datasets.selector import BATCH_ROWS, Selector
from ftworker.datasets.split import Split
from ftworker.runs import exporting
from ftworker.settings import (
    DEFAULT_SYSTEM_PROMPT,
    CurationSettings,
    SelectionSettings,
    Settings,
    SplitSettings,
)
from ftworker.store import Store, migrate
from ftworker.store import datasets as stored
from ftworker.store.connection import connect
from ftworker.store.examples import dataset_query
from tests.servers import PostgresServer

SIMILARITY = 0.8
EXAMPLES_A_CONVERSATION = 1.5
MEMORY_TARGET_MB = 500
RECALL_TARGET = 0.98

_ENDINGS = ("", "s", "ción", "mente", "ndo", "r", "ble", "dad", "ismo", "era")
_SENTENCES = 20_000
_SENTENCES_A_TEXT = 7


@cache
def sentences() -> list[str]:
    """Sentences of about 290 characters. Texts share some, as lessons of one subject do."""
    dice = random.Random(1)
    vocabulary = [word + ending for word in WORDS for ending in _ENDINGS]
    return [" ".join(dice.choices(vocabulary, k=34)) for _ in range(_SENTENCES)]


def answer(number: int) -> str:
    """A text of 2 KB. Every fifth is a copy of the one before it, with some words changed."""
    copies = number % 5 == 0 and number > 0
    dice = random.Random(number - 1 if copies else number)
    text = " ".join(dice.choices(sentences(), k=_SENTENCES_A_TEXT))
    if copies:
        words = text.split(" ")
        changes = random.Random(-number)
        for _ in range(changes.choice((1, 2, 5, 9, 14, 20))):
            words[changes.randrange(len(words))] = changes.choice(WORDS)
        text = " ".join(words)
    return text


def row(number: int) -> SelectionRow:
    """The example of that number."""
    content = json.dumps(
        [
            {"role": "user", "content": f"¿Pregunta {number}?"},
            {"role": "assistant", "content": answer(number)},
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return SelectionRow(
        example_id=number,
        dataset_id=1,
        content=content,
        content_sha256=hashlib.sha256(content.encode()).digest(),
        split_group=f"user-{number % 99_991}",
        rating=0,
        model=None,
        question_sha256=hashlib.sha256(str(number % 700_001).encode()).digest(),
        refusal=number % 23 == 0,
        unsupported=False,
        corrected=False,
    )


def rules(near: float | None = SIMILARITY) -> SelectionRules:
    """The default settings."""
    chosen = SelectionSettings(near_duplicate_similarity=near).model_dump()
    drawn = SplitSettings()
    split = Split(drawn.validation_share, drawn.salt, drawn.golden_share)
    template = CurationSettings().context_template
    return SelectionRules(split, drawn.golden_examples, context_template=template, **chosen)


# -- ways to find copies


def with_bands_in_arrays(texts: Sequence[str]) -> dict[int, int]:
    """Ours: each copy and the first text that it is a copy of."""
    index = NearDuplicates(SIMILARITY)
    index.add(texts)
    found = index.candidates(np.arange(len(texts)))
    involved = np.union1d(found.members, found.others).tolist()
    shingles = shingle([texts[number] for number in involved])
    sets = {number: shingles.distinct(place) for place, number in enumerate(involved)}
    copies: dict[int, int] = {}
    for place, member in enumerate(found.members.tolist()):
        for other in sorted(found.others[found.starts[place] : found.starts[place + 1]].tolist()):
            first = copies.get(other, other)
            if jaccard(sets[member], sets[first]) >= SIMILARITY:
                copies[member] = first
                break
    return copies


_PLAIN_WORD = re.compile(r"\w+")


def with_a_dict(texts: Sequence[str]) -> dict[int, int]:
    """The usual assembly: a MinHash object a text, band keys in a dict, sets of shingles compared."""
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    sets: list[set[str]] = []
    copies: dict[int, int] = {}
    for number, text in enumerate(texts):
        words = _PLAIN_WORD.findall(text.casefold())
        shingles = {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
        sets.append(shingles)
        signature = RMinHash(num_perm=128, seed=1)
        signature.update(list(shingles))
        digest = np.array(signature.digest(), np.uint32)
        keys = [(band, digest[band * 6 : band * 6 + 6].tobytes()) for band in range(21)]
        for other in sorted({other for key in keys for other in buckets[key]}):
            first = copies.get(other, other)
            if len(shingles & sets[first]) / len(shingles | sets[first]) >= SIMILARITY:
                copies[number] = first
                break
        for key in keys:
            buckets[key].append(number)
    return copies


def bench_ways(count: int, rounds: int) -> None:
    """Texts a second of both, in turns; what they find, against the pairs that are known."""
    texts = [answer(number) for number in range(count)]
    size = sum(map(len, texts)) / count
    print(f"Near-duplicates among {count:,} texts of {size:,.0f} characters, one core")
    ways: Mapping[str, Callable[[Sequence[str]], dict[int, int]]] = {
        "plain assembly": with_a_dict,
        "ours": with_bands_in_arrays,
    }
    seconds: dict[str, list[float]] = defaultdict(list)
    found: dict[str, dict[int, int]] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            begun = time.process_time()
            found[name] = way(texts)
            seconds[name].append(time.process_time() - begun)
    slowest = statistics.median(seconds["plain assembly"])
    for name in ways:
        median = statistics.median(seconds[name])
        print(f"  {name:16} {count / median:9,.0f} texts/s   x{slowest / median:.1f}")
    _print_recall(texts, found["ours"])


def _print_recall(texts: Sequence[str], found: Mapping[int, int]) -> None:
    known = []
    for number in range(5, len(texts), 5):
        shingles = shingle([texts[number - 1], texts[number]])
        if jaccard(shingles.distinct(0), shingles.distinct(1)) >= SIMILARITY:
            known.append(number)
    recall = sum(number in found for number in known) / len(known)
    wrong = 0
    for number, first in found.items():
        shingles = shingle([texts[first], texts[number]])
        wrong += jaccard(shingles.distinct(0), shingles.distinct(1)) < SIMILARITY
    index = NearDuplicates(SIMILARITY)
    index.add(texts)
    candidates = index.candidates(np.arange(len(texts))).others.size
    verdict = "reached" if recall >= RECALL_TARGET and not wrong else "MISSED"
    print(
        f"  of {len(known):,} pairs at or above {SIMILARITY}: {recall:.2%} found (target {RECALL_TARGET:.0%}), "
        f"{wrong} wrong among {len(found):,}, {candidates:,} pairs compared: {verdict}"
    )


# -- memory


def choose_many(examples: int, near: float | None, answer_to: Any) -> None:
    """A child process: the first pass of an export over so many examples, made as they are read."""
    sentences()
    start_mb = _peak_mb()
    selector = Selector(rules(near))
    making = 0.0
    begun = time.process_time()
    for first in range(0, examples, BATCH_ROWS):
        made = time.process_time()
        rows = [row(number) for number in range(first, min(first + BATCH_ROWS, examples))]
        making += time.process_time() - made
        selector.add(rows)

    def contents(ids: Sequence[int]) -> dict[int, str]:
        nonlocal making
        made = time.process_time()
        again = {number: row(number).content for number in ids}
        making += time.process_time() - made
        return again

    selection = selector.decide(contents, set, golden_exists=False)
    seconds = time.process_time() - begun - making
    answer_to.put(
        {
            "seconds": seconds,
            "peak_mb": _peak_mb(),
            "start_mb": start_mb,
            "left_out": selection.counts(),
        }
    )


def bench_memory(conversations: int) -> None:
    """Peak memory and speed of the stage, with and without the search for near-duplicates."""
    examples = int(conversations * EXAMPLES_A_CONVERSATION)
    print(f"\nChoosing among {conversations:,} conversations, {examples:,} examples of 2 KB, one core")
    for label, near in (("with near-duplicates", SIMILARITY), ("without", None)):
        result = _in_a_process(choose_many, examples, near)
        print(
            f"  {label:22} {examples / result['seconds']:9,.0f} examples/s, peak {result['peak_mb']:.0f} MB, of which "
            f"{result['start_mb']:.0f} before it began; left out {result['left_out']}"
        )
        if near is not None:
            verdict = "reached" if result["peak_mb"] < MEMORY_TARGET_MB else "MISSED"
            print(f"  target {MEMORY_TARGET_MB} MB: {verdict}")


def _peak_mb() -> float:
    # Not ru_maxrss: a child begins with its parent's.
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _in_a_process(target: Callable[..., None], *arguments: Any) -> dict[str, Any]:
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.Queue()
    process = spawn.Process(target=target, args=(*arguments, queue))
    process.start()
    result: dict[str, Any] = queue.get(timeout=3_600)
    process.join()
    return result


# -- a whole export


def export_once(url: str, folder: str, dataset_id: int, selects: bool, answer_to: Any) -> None:
    """A child process: the dataset's export, in two passes as a run does it, or in one without any choice."""
    store = Store(url)
    with store.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.datasets SET sha256 = NULL, url = NULL, manifest = NULL, exported_at = NULL"
        )
        cursor.execute("DELETE FROM ftworker.dataset_left_out; DELETE FROM ftworker.golden_examples")
        dataset = stored.get_dataset(cursor, dataset_id)
    settings = Settings.model_validate({"storage_url": f"file://{folder}", "pipelines": {"default": {}}})
    begun = time.perf_counter()
    if selects:
        exporting.export(store, settings, dataset, provider="openai", keep_alive=lambda *_: None)
    else:
        drawn = SplitSettings()
        spec = ExportSpec(
            pipeline="default",
            sequence=1,
            format="openai-chat",
            system_prompt=DEFAULT_SYSTEM_PROMPT,
            system_prompt_version="1",
            curation={},
            split=Split(drawn.validation_share, drawn.salt),
        )
        query, parameters = dataset_query("all", "default", dataset_id, 0.0)
        with store.stream(query, parameters) as rows:
            export_dataset(spec, rows, f"file://{folder}")
    answer_to.put({"seconds": time.perf_counter() - begun, "peak_mb": _peak_mb()})


def fill(url: str, examples: int) -> int:
    """One cut dataset of so many examples; returns its id."""
    settings = {
        "format": "openai-chat",
        "system_prompt": DEFAULT_SYSTEM_PROMPT,
        "system_prompt_version": "1",
        "split": SplitSettings().model_dump(),
        # The last look for personal data is measured by bench_privacy; here it would hide what choosing costs.
        "curation": CurationSettings(personal_data="keep").model_dump(mode="json"),
        "selection": SelectionSettings().model_dump(),
    }
    connection = connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO ftworker.datasets (pipeline, sequence, strategy, settings, new_examples) "
            "VALUES ('default', 1, 'all', %s, %s) RETURNING id",
            (json.dumps(settings), examples),
        )
        found = cursor.fetchone()
        assert found is not None
        dataset_id: int = found[0]
        cursor.execute(
            "INSERT INTO ftworker.conversations "
            "(source_name, conversation_id, content_sha256, message_count, closed_at) "
            "SELECT 'bench', n::text, '', 2, now() FROM generate_series(0, %s) AS n",
            (examples,),
        )
        for first in range(0, examples, 1_000):
            cursor.executemany(
                "INSERT INTO ftworker.examples (pipeline, conversation_id, turn, split_group, content, "
                "content_sha256, token_count, question_sha256, refusal, dataset_id) "
                "VALUES ('default', %s, 0, %s, %s, %s, 500, %s, %s, %s)",
                list(_stored(range(first, min(first + 1_000, examples)), dataset_id)),
            )
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE ftworker.examples")
    connection.close()
    return dataset_id


def _stored(numbers: Sequence[int], dataset_id: int) -> Iterator[tuple[Any, ...]]:
    for number in numbers:
        made = row(number)
        yield (
            number + 1,
            made.split_group,
            made.content,
            made.content_sha256,
            made.question_sha256,
            made.refusal,
            dataset_id,
        )


def bench_export(examples: int, rounds: int) -> None:
    """Both ways in turns."""
    with own_place() as place:
        url = place.start(PostgresServer).create_database()
        migrate(url)
        dataset_id = fill(url, examples)
        results: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for number in range(rounds):
            for label, selects in (("one pass, no choice", False), ("two passes, choosing", True)):
                folder = str(place.folder / f"{number}-{selects}")
                results[label].append(_in_a_process(export_once, url, folder, dataset_id, selects))
        print(f"\nExport of {examples:,} examples of 2 KB, medians of {rounds} rounds")
        plain = statistics.median(one["seconds"] for one in results["one pass, no choice"])
        for label, measured in results.items():
            seconds = statistics.median(one["seconds"] for one in measured)
            peak = max(one["peak_mb"] for one in measured)
            print(
                f"  {label:22} {examples / seconds:9,.0f} examples/s  x{plain / seconds:.2f}  peak {peak:.0f} MB"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--export", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench_ways(arguments.texts, arguments.rounds)
    bench_memory(arguments.conversations)
    bench_export(arguments.export, arguments.rounds)


if __name__ == "__main__":
    main()
