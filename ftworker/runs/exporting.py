"""From a cut dataset to its files: the rows are read twice in one snapshot, first to choose, then to write.

Repeatable: until the last transaction nothing of it counts, and two exporters of one dataset end in one of them having
done it. Memory stays flat: the first pass keeps numbers, the second nothing. Called by `steps`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NoReturn

import msgspec

from ftworker.datasets.export import ExportResult, export_dataset
from ftworker.datasets.last_look import Look, PersonalDataLeft, texts_of
from ftworker.datasets.selection import Selection, SelectionRules
from ftworker.errors import TransientError
from ftworker.providers.contract import KeepAlive
from ftworker.rosters import scanner_of_all
from ftworker.runs.view import export_spec
from ftworker.settings import LEAST_EXAMPLES, Settings
from ftworker.store import datasets, examples, reports, selection, totals
from ftworker.store.connection import Cursor, Snapshot, Store
from ftworker.store.datasets import DatasetRow

PERSONAL_DATA = "personal_data"
"""Why an example is withheld: the last gate found something in it that an earlier look, or an older roster, did not."""

_decode = msgspec.json.Decoder().decode


def export(
    store: Store,
    settings: Settings,
    dataset: DatasetRow,
    *,
    provider: str,
    keep_alive: KeepAlive,
) -> None:
    """Choose, write and publish the dataset, and record it with all that it leaves out. Repeatable.

    Where the finished files hold personal data after all, the examples that hold it are withheld from this dataset and
    all later ones, and PersonalDataWithheld is raised. Raises TooFewExamples when the provider could not train on
    what is left, StorageRejected, StorageUnavailable, DatabaseUnavailable, and what `keep_alive` raises.
    """
    rules = SelectionRules.frozen_with(dataset.settings)
    look = look_for(settings, dataset)
    with store.transaction() as cursor:
        drops = datasets.drops_by_reason(cursor, dataset.pipeline)
    with store.snapshot() as snapshot:
        chosen = choose(snapshot, dataset, rules, keep_alive)
        with snapshot.cursor() as cursor:
            tokenizers = examples.dataset_tokenizers(cursor, *_query(dataset, "tokenizer"))
            timeline = reports.read_timeline(cursor, dataset, [row.example_id for row in chosen.left_out()])
        spec = export_spec(
            dataset,
            drops,
            rules,
            chosen,
            timeline,
            tokenizers=tokenizers,
            least_rows=LEAST_EXAMPLES[settings.provider(provider).kind],
        )
        try:
            result = export_dataset(
                spec,
                chosen.kept(_stream(snapshot, dataset, f"id, {examples.EXPORT_COLUMNS}")),
                settings.storage(),
                golden=golden_contents(snapshot, dataset.pipeline, chosen),
                look=look,
                progress=lambda count: keep_alive("export", count, "examples"),
            )
        except PersonalDataLeft as left:
            assert look is not None
            found = _holding_personal_data(snapshot, dataset, look)
            _withhold(store, dataset, found, left)
    with store.transaction() as cursor:
        record(cursor, dataset, result, chosen)


def look_for(settings: Settings, dataset: DatasetRow) -> Look | None:
    """What finds personal data in the dataset's files, by the names known today; None where the pipeline keeps it."""
    if dataset.settings["curation"].get("personal_data") == "keep":
        return None
    # With every roster of the installation: who is a pupil at one school is nobody at another. By what was frozen with
    # the dataset alone, because its pipeline may have left the configuration since.
    scanner = scanner_of_all(settings)

    def look(text: str) -> Iterator[str]:
        return (find.kind.value for find in scanner.find(text))

    return look


class PersonalDataWithheld(TransientError):
    """The last gate found personal data; the examples that hold it are withheld, so the next try leaves them out."""


def _holding_personal_data(snapshot: Snapshot, dataset: DatasetRow, look: Look) -> list[int]:
    """The ids of all examples of the dataset, and of the golden set, in which `look` finds something."""
    with snapshot.cursor() as cursor:
        golden = {row[0]: row[2] for row in selection.golden_rows(cursor, dataset.pipeline)}
    rows = chain(_stream(snapshot, dataset, "id, content"), golden.items())
    return sorted(
        {
            example_id
            for example_id, content in rows
            if any(True for text in texts_of(_decode(content)) for _ in look(text))
        }
    )


def _withhold(store: Store, dataset: DatasetRow, ids: Sequence[int], left: PersonalDataLeft) -> NoReturn:
    """Take the examples out of this dataset and all later ones. Raises PersonalDataWithheld, or `left` for none."""
    with store.transaction() as cursor:
        withheld = examples.withhold(cursor, ids, PERSONAL_DATA)
        labels = totals.label_text(pipeline=dataset.pipeline, reason=PERSONAL_DATA)
        totals.add(cursor, {("examples_left_out", labels): withheld})
    if not withheld:
        raise left
    raise PersonalDataWithheld(
        f"{left}; {withheld} examples are withheld from now on, and the export begins anew without them"
    ) from left


def choose(
    snapshot: Snapshot, dataset: DatasetRow, rules: SelectionRules, keep_alive: KeepAlive
) -> Selection:
    """The first pass: which rows of the dataset stand in its files."""
    # Imported here: it needs numpy and rensa, and a worker that exports nothing starts without them.
    from ftworker.datasets.selector import BATCH_ROWS, Selector

    with snapshot.cursor() as cursor:
        golden = selection.golden_rows(cursor, dataset.pipeline)
        exists = selection.golden_set(cursor, dataset.pipeline) is not None
        selector = Selector(rules, own_models=selection.own_models(cursor))
    rows = _stream(snapshot, dataset, examples.SELECTION_COLUMNS)
    read = 0
    while batch := list(islice(rows, BATCH_ROWS)):
        selector.add(batch)
        read += len(batch)
        keep_alive("read", read, "examples")
    selector.add_golden(golden)

    def contents(ids: Sequence[int]) -> dict[int, str]:
        with snapshot.cursor() as cursor:
            return selection.contents(cursor, ids)

    def unseen(ids: Sequence[int]) -> set[int]:
        with snapshot.cursor() as cursor:
            return selection.never_in_files(cursor, ids)

    return selector.decide(
        contents,
        unseen,
        golden_exists=exists,
        progress=lambda count: keep_alive("choose", count, "examples"),
    )


def golden_contents(snapshot: Snapshot, pipeline: str, chosen: Selection) -> list[str]:
    """What the golden set holds, in the order of its content: the one there is, or the one that is frozen now."""
    with snapshot.cursor() as cursor:
        if chosen.new_golden:
            found = list(selection.contents(cursor, chosen.new_golden).values())
        else:
            found = [row[2] for row in selection.golden_rows(cursor, pipeline)]
    return in_content_order(found)


def in_content_order(contents: Iterable[str]) -> list[str]:
    """Contents in the order of the files."""
    return sorted(contents, key=lambda content: hashlib.sha256(content.encode()).digest())


def record(cursor: Cursor, dataset: DatasetRow, result: ExportResult, chosen: Selection) -> None:
    """The dataset is published. Nothing happens when another exporter of it was first: then its choice counts."""
    datasets.lock_pipeline(cursor, dataset.pipeline)
    first = datasets.finish_export(
        cursor, dataset.id, sha256=result.sha256, url=result.url, manifest=result.manifest.as_dict()
    )
    if not first:
        return
    selection.record_left_out(cursor, dataset.id, chosen.left_out())
    if chosen.new_golden:
        selection.freeze_golden(cursor, dataset.pipeline, dataset.id, chosen.new_golden)
    totals.add(
        cursor,
        {
            ("examples_left_out", totals.label_text(pipeline=dataset.pipeline, reason=reason)): count
            for reason, count in chosen.counts().items()
        },
    )


def _stream(snapshot: Snapshot, dataset: DatasetRow, columns: str) -> Iterator[tuple[Any, ...]]:
    query, parameters = _query(dataset, columns)
    return snapshot.stream(query, parameters)


def _query(dataset: DatasetRow, columns: str) -> tuple[str, Mapping[str, Any]]:
    return examples.dataset_query(
        dataset.strategy,
        dataset.pipeline,
        dataset.id,
        float(dataset.settings.get("replay_share") or 0.0),
        columns=columns,
    )
