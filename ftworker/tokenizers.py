"""Which counter counts the tokens of a pipeline, and counters made of a local base model's own tokenizer.json.

Reads files named by the configuration, nothing else: no hub is asked. Vocabularies that are compiled in, and what
counting means, are in `curation.tokens`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from ftworker.curation.tokens import ENCODINGS, ESTIMATE, CountedBy, TokenCounter, make_counter
from ftworker.errors import ConfigurationError, ConfigurationProblem
from ftworker.settings import LocalSettings, Settings

TOKENIZER_FILE = "tokenizer.json"
"""The file of Hugging Face's `tokenizers` in a base model's folder."""


def counter_for(settings: Settings, pipeline: str) -> TokenCounter:
    """The counter of a pipeline by its `curation.tokenizer`; loaded once a process.

    `auto` is the base model's own for a local provider whose `base_model` is a folder with tokenizer.json, else
    o200k_base. Raises NotFound for an unknown pipeline or provider, ConfigurationError for a tokenizer that cannot be
    read, so ask before taking work.
    """
    of = settings.pipeline(pipeline)
    chosen = of.curation.tokenizer
    key = f"pipelines.{pipeline}.curation.tokenizer"
    if chosen == "auto":
        own = Path(of.base_model).expanduser() / TOKENIZER_FILE
        if not isinstance(settings.provider(of.provider), LocalSettings) or not own.is_file():
            return make_counter("o200k_base")
        return local_counter(own, key)
    if chosen in (*ENCODINGS, ESTIMATE):
        return make_counter(chosen)
    return local_counter(Path(chosen), key)


def local_counter(path: Path, key: str = "tokenizer") -> TokenCounter:
    """A counter by the tokenizer.json at `path`, or in the folder there; loaded once a process.

    Its name is the folder's and the first digits of the file's SHA-256: two tokenizers never share one. `key` is the
    setting that errors name. Raises ConfigurationError when there is no such file, it is no tokenizer, or the package
    `tokenizers` is not installed.
    """
    file = path.expanduser()
    if file.is_dir():
        file = file / TOKENIZER_FILE
    return _load(file.absolute(), key)


@cache
def _load(file: Path, key: str) -> TokenCounter:
    try:
        raw = file.read_bytes()
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        expected = f"that file {why}; expected {', '.join(ENCODINGS)} or the path of a {TOKENIZER_FILE}"
        raise _problem(key, file, expected) from error
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        expected = 'reading it needs the package tokenizers; run: pip install "ftworker[tokenizers]"'
        raise _problem(key, file, expected) from error
    try:
        tokenizer = Tokenizer.from_buffer(raw)
    except Exception as error:
        # The package raises nothing more precise. Its message names a line of the file and is the useful part.
        raise _problem(key, file, f"expected a {TOKENIZER_FILE} of Hugging Face ({error})") from error
    # A file may carry how its trainer padded and cut; what is counted here is the whole text and nothing else.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # Text that looks like a control token is text.
    tokenizer.encode_special_tokens = True

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    return CountedBy(f"{file.parent.name}@{hashlib.sha256(raw).hexdigest()[:12]}", count)


def _problem(key: str, file: Path, expected: str) -> ConfigurationError:
    return ConfigurationError("configuration", [ConfigurationProblem(key, str(file), expected)])
