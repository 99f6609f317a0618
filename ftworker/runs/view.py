"""What a run's rows mean to those who work on it: the export's specification, the provider's view, the run's key.

Pure: rows in, values out. `steps` calls it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from ftworker.conversations import canonical_json
from ftworker.datasets.export import ExportSpec
from ftworker.datasets.selection import Selection, SelectionRules
from ftworker.datasets.timeline import Timeline
from ftworker.providers.contract import DatasetFile, ExportedDataset, RunView
from ftworker.store.datasets import DatasetRow
from ftworker.store.runs import RunRow


def export_spec(
    dataset: DatasetRow,
    drops: Mapping[str, int],
    rules: SelectionRules,
    selection: Selection,
    timeline: Timeline,
    *,
    tokenizers: Mapping[str, int],
    least_rows: int,
) -> ExportSpec:
    """What decides the bytes of a dataset, from the settings that were frozen with its cut."""
    frozen = dataset.settings
    return ExportSpec(
        pipeline=dataset.pipeline,
        sequence=dataset.sequence,
        format=frozen["format"],
        system_prompt=frozen["system_prompt"],
        system_prompt_version=frozen["system_prompt_version"],
        curation=frozen["curation"],
        split=rules.split,
        strategy=dataset.strategy,
        cut_at=dataset.cut_at,
        drops=drops,
        selection=rules.as_dict(),
        left_out=selection.counts(),
        figures=selection.figures,
        conversations=timeline.conversations,
        timeline=timeline,
        tokenizers=tokenizers,
        least_rows=least_rows,
    )


def run_view(run: RunRow, dataset: DatasetRow, storage_url: str) -> RunView:
    """What a provider may know of an exported run."""
    assert run.run_key is not None
    return RunView(
        id=run.id,
        pipeline=run.pipeline,
        run_key=run.run_key,
        base_model=run.base_model,
        method=run.method,
        dataset=exported_dataset(dataset),
        artefacts_url=f"{storage_url.rstrip('/')}/runs/{run.run_key}",
        training_file_id=run.training_file_id,
        validation_file_id=run.validation_file_id,
        attempted_at=run.attempted_at,
        job_id=run.job_id,
        model=run.model,
    )


def exported_dataset(dataset: DatasetRow) -> ExportedDataset:
    """The dataset's files, from the manifest that was frozen with it."""
    assert dataset.manifest is not None
    assert dataset.url is not None
    assert dataset.sha256 is not None
    content = dataset.manifest["content"]

    def file(entry: Mapping[str, Any] | None) -> DatasetFile | None:
        if entry is None:
            return None
        return DatasetFile(
            f"{dataset.url}/{entry['name']}", entry["sha256"], entry["bytes"], entry["rows"], entry["tokens"]
        )

    train = file(content["train"])
    assert train is not None
    return ExportedDataset(
        id=dataset.id,
        url=dataset.url,
        sha256=dataset.sha256,
        train=train,
        validation=file(content["validation"]),
        format=dataset.settings["format"],
        system_prompt=dataset.settings["system_prompt"],
    )


def make_run_key(run: RunRow, dataset_sha256: str) -> str:
    """The name of a run at its provider: the same training in the same generation has the same key."""
    identity: Sequence[Any] = (
        dataset_sha256,
        run.dataset_id,
        run.provider,
        run.base_model,
        dict(run.method),
        run.generation,
    )
    digest = hashlib.sha256(canonical_json(identity)).hexdigest()[:12]
    name = run.pipeline.replace("_", "-")[:20].strip("-")
    return f"ft-{name}-{digest}"
