"""What the name of a base stands for: a folder as transformers saves one, a GGUF file, or a name on the hub.

Looks at names and first bytes alone: loads nothing, asks no hub, and needs none of the libraries that train.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftworker.training.gguf.reading import is_gguf
from ftworker.training.stage import StageFailed


@dataclass(frozen=True)
class BaseSource:
    """Where a base is. `name` is what `from_pretrained` takes; `file` the GGUF file in it."""

    kind: Literal["directory", "gguf", "hub"]
    name: str
    file: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What `from_pretrained` must be told beside the name."""
        return {"gguf_file": self.file} if self.file else {}


def locate_base(base: str) -> BaseSource:
    """What the name stands for. Raises StageFailed (`base_missing`, `base_unsupported`)."""
    path = Path(base).expanduser()
    if path.is_file():
        if not is_gguf(path):
            raise StageFailed(
                "base_unsupported",
                f"{base} is a file but no GGUF; name a GGUF file, a directory with config.json, or a hub name",
            )
        return BaseSource("gguf", str(path.parent), path.name)
    if path.is_dir():
        if (path / "config.json").is_file():
            return BaseSource("directory", str(path))
        files = sorted(file.name for file in path.glob("*.gguf"))
        if len(files) == 1:
            return BaseSource("gguf", str(path), files[0])
        seen = f"{len(files)} GGUF files" if files else "neither config.json nor a GGUF file"
        raise StageFailed(
            "base_missing", f"the folder {base} holds {seen}; name the model's own folder or file"
        )
    if path.is_absolute() or base.startswith((".", "~")) or base.endswith(".gguf"):
        raise StageFailed(
            "base_missing", f"there is no {base} on this machine; correct training.base or put it there"
        )
    if ":" in base:
        raise StageFailed(
            "base_missing",
            f"{base} is a name of Ollama's, whose files cannot be trained; set training.base to the model's "
            "directory, to a GGUF file of it, or to its hub name",
        )
    return BaseSource("hub", base)
