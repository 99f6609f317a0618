"""The stage that makes what is served: the LoRA as GGUF, and the base with it merged in. `... convert WORK`.

Reads WORK/order.json and WORK/artefacts/adapter; leaves adapter.gguf, merged-<QUANTIZATION>.gguf, the base's licence
and, last, conversion.json under WORK/artefacts. Needs neither torch nor a checkout of llama.cpp. Repeating it makes the
same bytes.
"""

from __future__ import annotations

import itertools
import resource
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ftworker.settings.local import TrainerSettings
from ftworker.training.events import Progressed
from ftworker.training.gguf.adapting import write_adapter
from ftworker.training.gguf.architectures import BaseModel, base_of_config, base_of_gguf
from ftworker.training.gguf.base_files import (
    BaseFiles,
    find_base,
    read_json,
    served_of_folder,
    served_of_gguf,
)
from ftworker.training.gguf.header import GgufHeader, GgufProblem, read_header
from ftworker.training.gguf.lora import Lora, read_lora
from ftworker.training.gguf.merging import Merged, write_merged
from ftworker.training.gguf.quantizer import find_quantizer, quantize
from ftworker.training.gguf.reading import metadata_of
from ftworker.training.gguf.tensor_types import TensorType
from ftworker.training.gguf.writing import PART, make_room
from ftworker.training.order import ADAPTER, ARTEFACTS, ORDER, TrainingOrder
from ftworker.training.results import CONVERTED, ArtefactFile, Converted
from ftworker.training.stage import Events, Stop, leave_result, run_stage
from ftworker.training.templates import TEMPLATE_FILE

ADAPTER_GGUF = "adapter.gguf"
LICENSE_FOLDER = "license"
"""Under `artefacts/`: the base's own licence texts."""
HALF = "merged-F16.gguf"
"""What `llama-quantize` reads; it lies in the working folder, so that it is not handed on."""


@dataclass(frozen=True)
class _Task:
    """All that is known, and found to fit together, before the first byte is written."""

    artefacts: Path
    order: TrainingOrder
    settings: TrainerSettings
    base: BaseFiles
    header: GgufHeader | None
    """Of the GGUF that the LoRA is merged into."""
    lora: Lora
    quantizer: str | None

    @property
    def name(self) -> str:
        """What the made files call themselves."""
        base = metadata_of(self.header).name if self.header is not None else None
        return f"{base or Path(self.order.base).stem} + {self.order.pipeline}"


def convert(work: Path, events: Events, _stop: Stop) -> None:
    """Raises StageFailed; its codes stand in docs/LOCAL.md under "Conversion"."""
    for part in [*work.glob(f"*{PART}"), *(work / ARTEFACTS).glob(f"*{PART}")]:
        part.unlink()
    task = _task(work)
    told = _teller(events, len(task.lora.pairs) + (len(task.header.tensors) if task.header else 0))
    adapter = write_adapter(task.artefacts / ADAPTER_GGUF, task.lora, name=task.name, told=told)
    if task.header is None:
        merged = None
        events.note(
            f"{task.order.base} is no GGUF and training.base_gguf is not set, so there is no merged file; fetch the "
            "vendor's GGUF of this base in F16 and set training.base_gguf, or let vLLM serve the adapter"
        )
    else:
        merged = _merge(work, task, task.header, told)
    _copy_licenses(task)
    leave_result(task.artefacts / CONVERTED, _converted(task, adapter, merged))


def _task(work: Path) -> _Task:
    order, settings = _order(work)
    base = find_base(order.base)
    gguf = settings.base_gguf.expanduser() if settings.base_gguf is not None else base.gguf
    header = read_header(gguf) if gguf is not None else None
    model = base_of_gguf(header) if header is not None else _of_folder(base)
    needs_quantizer = header is not None and settings.quantization not in {"F16", "Q8_0"}
    return _Task(
        artefacts=work / ARTEFACTS,
        order=order,
        settings=settings,
        base=base,
        header=header,
        lora=read_lora(work / ARTEFACTS / ADAPTER, model),
        quantizer=find_quantizer(settings.quantization) if needs_quantizer else None,
    )


def _teller(events: Events, total: int) -> Callable[[], None]:
    """Called after each pair of the LoRA and each tensor of the base."""
    done = itertools.count(1)

    def told() -> None:
        # Kilobytes on Linux, bytes on macOS (getrusage(2) of each).
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        events.send(Progressed("convert", next(done), total, "tensors", memory_bytes=peak))

    return told


def _order(work: Path) -> tuple[TrainingOrder, TrainerSettings]:
    try:
        order = msgspec.json.decode((work / ORDER).read_bytes(), type=TrainingOrder)
        return order, TrainerSettings.model_validate(order.settings)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise GgufProblem(
            "order_unreadable",
            f"{work / ORDER} is missing or no order; `ftworker runs retry` writes it again",
        ) from error


def _of_folder(base: BaseFiles) -> BaseModel:
    assert base.folder is not None
    return base_of_config(read_json(base.folder / "config.json"), str(base.folder))


def _merge(work: Path, task: _Task, header: GgufHeader, told: Callable[[], None]) -> Merged:
    quantization = task.settings.quantization
    target = task.artefacts / f"merged-{quantization}.gguf"
    if quantization in {"F16", "Q8_0"}:
        return write_merged(target, header, task.lora, TensorType[quantization], name=task.name, told=told)
    assert task.quantizer is not None
    half = work / HALF
    try:
        merged = write_merged(half, header, task.lora, TensorType.F16, name=task.name, told=told)
        make_room(task.artefacts, merged.file.size_bytes)
        return replace(merged, file=quantize(task.quantizer, half, target, quantization))
    finally:
        half.unlink(missing_ok=True)


def _copy_licenses(task: _Task) -> None:
    folder = task.artefacts / LICENSE_FOLDER
    for file in task.base.license_files():
        folder.mkdir(exist_ok=True)
        shutil.copyfile(file, folder / file.name)


def _converted(task: _Task, adapter: ArtefactFile, merged: Merged | None) -> Converted:
    """The template is the one that was trained with: the adapter's, else that of the base that was trained."""
    base, header = task.base, task.header
    template = task.artefacts / ADAPTER / TEMPLATE_FILE
    of_folder = served_of_folder(base.folder) if base.folder is not None else None
    of_gguf = served_of_gguf(metadata_of(header)) if header is not None else None
    served, trained = of_gguf or of_folder, of_folder or of_gguf
    assert served is not None
    assert trained is not None
    return Converted(
        merged=merged.file if merged else None,
        adapter=adapter,
        base_gguf=ArtefactFile(str(header.path), merged.base_sha256, header.size_bytes)
        if header is not None and merged is not None
        else None,
        architecture=task.lora.base.architecture,
        quantization=task.settings.quantization,
        context_length=served.context_length,
        license=served.license or trained.license,
        chat_template=template.read_text(encoding="utf-8") if template.is_file() else trained.chat_template,
        stop=list(served.stop),
        bos=served.bos,
    )


if __name__ == "__main__":
    sys.exit(run_stage(convert, sys.argv[1:]))
