"""A finished dataset written once more, in another form: the same examples, on the same sides, in the same order.

Reads the database, for the files hold less than it (an instruction has no turns any more). Changes no row and no file
of the dataset itself.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from ftworker.datasets.export import ExportResult, ExportSpec, write_dataset
from ftworker.datasets.last_look import PersonalDataLeft
from ftworker.datasets.manifest import Manifest
from ftworker.datasets.selection import SelectionRules
from ftworker.errors import PermanentError, Refused
from ftworker.runs.exporting import in_content_order, look_for
from ftworker.settings import Settings
from ftworker.store import reports, selection
from ftworker.store.connection import Store
from ftworker.store.datasets import DatasetRow


def write_again(
    store: Store,
    settings: Settings,
    dataset: DatasetRow,
    dataset_format: str,
    url: str,
    *,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> ExportResult:
    """Write the dataset's examples in this format to the folder at `url`, with a manifest that names the dataset.

    Repeatable: the same bytes each time, and in the dataset's own format the very bytes of its files. Examples that
    were erased or withheld since are not written; the manifest's `written_again_from` has the number there was.
    What is written is looked through by the names known today, as any export is, and nothing is written where it holds
    personal data. Raises PermanentError then, for a format that cannot hold the examples and for a folder that holds
    something else; Refused for a dataset that is not exported, StorageRejected, StorageUnavailable,
    DatabaseUnavailable.
    """
    if dataset.manifest is None:
        raise Refused(f"dataset {dataset.id} is cut and not exported yet: its run does that next")
    before = msgspec.convert(dataset.manifest, Manifest)
    frozen, origin = dataset.settings, before.provenance
    query, parameters = reports.members_query(dataset)
    with store.snapshot() as snapshot:
        with snapshot.cursor() as cursor:
            timeline = reports.read_timeline(cursor, dataset, reports.left_out_ids(cursor, dataset.id))
            golden = selection.golden_rows(cursor, dataset.pipeline) if before.content.golden else []
        spec = ExportSpec(
            pipeline=dataset.pipeline,
            sequence=dataset.sequence,
            format=dataset_format,
            system_prompt=frozen["system_prompt"],
            system_prompt_version=frozen["system_prompt_version"],
            curation=before.content.curation,
            split=SelectionRules.frozen_with(frozen).split,
            strategy=dataset.strategy,
            cut_at=dataset.cut_at,
            conversations=origin.conversations,
            drops=origin.drops,
            selection=before.content.selection,
            left_out=origin.left_out,
            figures=origin.selection,
            tokenizers=origin.tokenizers,
            timeline=timeline,
            as_before=before,
        )
        try:
            return write_dataset(
                spec,
                snapshot.stream(query, parameters),
                url,
                overwrite=overwrite,
                golden=in_content_order(row[2] for row in golden),
                look=look_for(settings, dataset),
                progress=progress,
            )
        except PersonalDataLeft as left:
            raise PermanentError(
                f"{left}; a new dataset leaves these examples out: ftworker runs start {dataset.pipeline}"
            ) from left
