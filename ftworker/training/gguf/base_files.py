"""Where a base lies, and what its files say to whoever serves it: template, tokens, licence. Never asks the hub.

A base is a GGUF, or a folder as transformers saves one; a hub name is its folder in the hub's cache, where training
has put it. Reads JSON and Markdown alone, no tensor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ftworker.training.base_source import locate_base
from ftworker.training.gguf.header import GgufProblem
from ftworker.training.gguf.reading import GgufMetadata, ends_of_an_answer

LICENSE_FILES: Final = re.compile(r"(licen[cs]e|copying|notice|use_policy)(\.(txt|md))?", re.IGNORECASE)
_CARD_LICENSE: Final = re.compile(r"^license(_name)?:\s*[\"']?([^\"'#\n]+?)[\"']?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class BaseFiles:
    """`gguf`: the base itself is one. `folder`: transformers' files. One of the two is set."""

    gguf: Path | None
    folder: Path | None

    def license_files(self) -> list[Path]:
        """Texts of the licence beside the model; none where other models lie in the same folder."""
        if self.gguf is not None and len(list(self.gguf.parent.glob("*.gguf"))) > 1:
            return []
        folder = self.folder or (self.gguf.parent if self.gguf else None)
        return (
            sorted(path for path in folder.iterdir() if LICENSE_FILES.fullmatch(path.name)) if folder else []
        )


@dataclass(frozen=True)
class Served:
    """What whoever serves the model must know. None: nothing of it was found."""

    context_length: int | None
    license: str | None
    chat_template: str | None
    stop: tuple[str, ...]
    bos: str | None


class _Added(msgspec.Struct):
    id: int
    content: str


class _Tokenizer(msgspec.Struct):
    """The little of a tokenizer.json that is wanted; the rest is tens of megabytes."""

    added_tokens: list[_Added] = []
    post_processor: dict[str, Any] | None = None


def find_base(base: str) -> BaseFiles:
    """The files of a base that a training names. Raises StageFailed as `locate_base` does."""
    source = locate_base(base)
    if source.file is not None:
        return BaseFiles(gguf=Path(source.name, source.file), folder=None)
    if source.kind == "directory":
        return BaseFiles(gguf=None, folder=Path(source.name))
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(base, "config.json")
    except HFValidationError:
        cached = None
    if not isinstance(cached, str):
        raise GgufProblem(
            "base_missing",
            f"{base} is no file or folder here, nor in the hub's cache (HF_HOME); convert where it was trained",
        )
    return BaseFiles(gguf=None, folder=Path(cached).parent)


def served_of_gguf(model: GgufMetadata) -> Served:
    return Served(
        context_length=model.context_length,
        license=model.license,
        chat_template=model.chat_template,
        stop=model.stop,
        bos=model.bos if model.add_bos else None,
    )


def served_of_folder(folder: Path) -> Served:
    """From config.json, the tokenizer's files, generation_config.json and the model card, as far as they are there."""
    config = read_json(folder / "config.json")
    text: Mapping[str, Any] = config.get("text_config") or config
    settings = read_json(folder / "tokenizer_config.json")
    tokenizer = _tokenizer(folder / "tokenizer.json")
    template = _template(folder, settings)
    by_number = {token.id: token.content for token in tokenizer.added_tokens}
    numbers = read_json(folder / "generation_config.json").get("eos_token_id", text.get("eos_token_id"))
    ends = [by_number.get(number) for number in (numbers if isinstance(numbers, list) else [numbers])]
    stop = ends_of_an_answer(by_number.values(), template or "", None, _content(settings.get("eos_token")))
    length = text.get("max_position_embeddings")
    return Served(
        context_length=length if isinstance(length, int) else None,
        license=_card_license(folder / "README.md"),
        chat_template=template,
        stop=tuple(dict.fromkeys([*stop, *(end for end in ends if end)])),
        bos=_put_in_front(tokenizer, _content(settings.get("bos_token"))),
    )


def read_json(path: Path) -> Mapping[str, Any]:
    """An object; {} where there is no file, or no object in it."""
    try:
        content = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _tokenizer(path: Path) -> _Tokenizer:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Tokenizer)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Tokenizer()


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = settings.get("chat_template")
    if isinstance(template, list):
        named = {one.get("name"): one.get("template") for one in template if isinstance(one, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None


def _content(token: Any) -> str | None:
    """A special token's text, which stands there as such or in an object."""
    text = token.get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _put_in_front(tokenizer: _Tokenizer, bos: str | None) -> str | None:
    processor = tokenizer.post_processor or {}
    for one in [processor, *(processor.get("processors") or [])]:
        match one:
            case {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": first}}, *_]} if (
                first == bos
            ):
                return bos
            case _:
                pass
    return None


def _card_license(card: Path) -> str | None:
    """`license_name` where `license` is only "other"."""
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    head = text.split("---", 2)[1] if text.startswith("---") and text.count("---") > 1 else ""
    found = {bool(match[1]): match[2] for match in _CARD_LICENSE.finditer(head)}
    return found.get(True) or found.get(False)
