"""Puts an audit together: the dataset's row, its examples in one snapshot, and eyes for personal data."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ftworker.datasets.audit import Audit, Subject, audit_dataset
from ftworker.datasets.last_look import Look
from ftworker.datasets.selection import SelectionRules
from ftworker.errors import Refused
from ftworker.store import datasets, selection
from ftworker.store.connection import Store


def audit(
    store: Store, dataset_id: int, *, look: Look | None, progress: Callable[[int], None] | None = None
) -> Audit:
    """Audit a finished dataset. Reads only. `progress` is called with the examples looked at so far.

    `look` tells the kinds of personal data in a text; it is not asked for a dataset that keeps them by its settings.
    Raises NotFound, Refused for a dataset that is not exported, DatabaseUnavailable, StorageUnavailable,
    StorageRejected.
    """
    with store.snapshot() as snapshot:
        with snapshot.cursor() as cursor:
            dataset = datasets.get_dataset(cursor, dataset_id)
            if dataset.manifest is None or dataset.url is None:
                raise Refused(f"dataset {dataset_id} is cut and not exported yet: its run does that next")
            golden = selection.audit_golden(cursor, dataset.pipeline)
        frozen = dataset.settings
        subject = Subject(
            dataset_id=dataset.id,
            url=dataset.url,
            manifest=dataset.manifest,
            format=frozen["format"],
            system_prompt=frozen["system_prompt"],
            rules=SelectionRules.frozen_with(frozen),
        )
        query, parameters = selection.audit_query(
            dataset.id, dataset.pipeline, dataset.strategy, float(frozen.get("replay_share") or 0.0)
        )

        def contents(ids: Sequence[int]) -> dict[int, str]:
            with snapshot.cursor() as cursor:
                return selection.contents(cursor, ids)

        return audit_dataset(
            subject,
            snapshot.stream(query, parameters),
            golden,
            contents,
            look=None if frozen["curation"].get("personal_data") == "keep" else look,
            progress=progress,
        )
