"""Every dataset that a test exports is audited when the test ends, whatever the test was about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ftworker.curation.privacy.scan import Scanner
from ftworker.datasets.audit import Audit
from ftworker.errors import NotFound, Refused
from ftworker.runs import auditing, exporting
from ftworker.store import Store
from ftworker.store.datasets import DatasetRow

_scanner = Scanner()


def look(text: str) -> Iterator[str]:
    """The kinds of personal data in a text, by the rules that need no roster."""
    return (find.kind.value for find in _scanner.find(text))


def audit_if_exported(store: Store, dataset_id: int) -> Audit | None:
    """The audit of a dataset; None for one that is not exported."""
    try:
        return auditing.audit(store, dataset_id, look=look)
    except (Refused, NotFound):
        return None


class AuditedExports:
    """Stands in for `exporting.export`, and keeps what the audit of each dataset found right after it."""

    def __init__(self) -> None:
        self.unclean: list[str] = []

    def export(self, store: Store, settings: Any, dataset: DatasetRow, **how: Any) -> None:
        exporting.export(store, settings, dataset, **how)
        audit = audit_if_exported(store, dataset.id)
        if audit is not None and not audit.clean:
            self.unclean.append(f"dataset {dataset.id}: {audit.found}")
