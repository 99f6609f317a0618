"""A model comes from somewhere on the internet: nothing in its files runs, whatever they are called."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ftworker.training.base_model import context_length, load_model, load_tokenizer
from ftworker.training.base_source import locate_base
from ftworker.training.checkpoints import Checkpoint, Checkpoints, Standing
from ftworker.training.command_output import take_adapter
from ftworker.training.stage import StageFailed
from ftworker.training.templates import TemplateRefusal, TemplateUnknown, render, served_template
from tests.training.tiny import tiny_tokenizer

ESCAPES = {
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ raise_exception.__globals__['__builtins__']['open']('TRAP', 'w') }}",
    "a filter's function": "{{ messages|map('tojson')|list|attr('__class__') }}{{ tojson.__globals__ }}",
    "attr": "{{ ''|attr('__class__')|attr('__mro__') }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "format_map": "{{ '{a.__class__}'.format_map({'a': messages}) }}",
    "the environment": "{{ self._TemplateReference__context.environment.loader }}{{ self.__init__.__globals__ }}",
    "a module": "{% import 'os' as os %}{{ os.system('touch TRAP') }}",
    "a file": "{% include '/etc/passwd' %}",
    "another template": "{% extends '/etc/passwd' %}",
    "changing what it was given": "{{ messages.append(1) }}{{ messages[0].update({'role': 'x'}) }}",
    "a large range": "{% for i in range(10 ** 9) %}x{% endfor %}",
}


@pytest.mark.parametrize("attempt", sorted(ESCAPES))
def test_a_chat_template_gets_out_of_its_sandbox_in_no_way(
    attempt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    messages = [("user", "Hola")]
    try:
        text = render(ESCAPES[attempt].replace("TRAP", str(tmp_path / "trap")), messages)
    except TemplateRefusal:
        text = ""
    assert list(tmp_path.iterdir()) == []
    assert not any(sign in text for sign in ("<class", "<built-in", "function", "root:", "os.py", "<module"))
    with pytest.raises(TemplateUnknown):
        served_template(ESCAPES[attempt])


class Runs:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def folder_of_a_model(path: Path, **config: Any) -> Path:
    """A model's folder without weights."""
    path.mkdir()
    tiny_tokenizer().save_pretrained(str(path))
    base = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "vocab_size": 420,
    }
    (path / "config.json").write_text(json.dumps(base | config))
    return path


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_weights_that_are_a_pickle_are_not_loaded(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    folder = folder_of_a_model(tmp_path / "base")
    (folder / name).write_bytes(pickle.dumps({"model.embed_tokens.weight": Runs(trap)}))
    with pytest.raises(Exception) as refused:  # noqa: PT011 - of a broken file the library's own error is as good
        load_model(locate_base(str(folder)), torch.float32, torch.device("cpu"))
    assert not trap.exists()
    if name == "pytorch_model.bin":
        assert isinstance(refused.value, StageFailed)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    own = {
        "AutoConfig": "own.Config",
        "AutoModelForCausalLM": "own.Model",
        "AutoTokenizer": ["own.T", "own.T"],
    }
    folder = folder_of_a_model(tmp_path / "base", model_type="own_of_somebody", auto_map=own)
    (folder / "own.py").write_text(f"import pathlib; pathlib.Path({str(trap)!r}).touch()\n")
    tokenizer = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**tokenizer, "auto_map": own, "tokenizer_class": "T"})
    )
    base = locate_base(str(folder))
    for load in (
        lambda: context_length(base),
        lambda: load_model(base, torch.float32, torch.device("cpu")),
        lambda: load_tokenizer(base),
    ):
        with pytest.raises(StageFailed) as refused:
            load()
        assert refused.value.code in ("base_unsupported", "base_missing")
    assert not trap.exists()


def test_an_adapter_that_is_a_pickle_is_none(tmp_path: Path) -> None:
    for folder in ("output", "artefacts"):
        (tmp_path / folder).mkdir()
    (tmp_path / "output" / "adapter_model.bin").write_bytes(pickle.dumps(Runs(tmp_path / "trap")))
    (tmp_path / "output" / "adapter_config.json").write_text("{}")
    assert not take_adapter(tmp_path / "output", tmp_path / "artefacts")
    assert not (tmp_path / "trap").exists()


def test_a_checkpoint_that_is_a_pickle_is_passed_over(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "order")
    weights = {"a": torch.zeros(2)}
    folder = kept.save(Checkpoint(Standing(step=1), weights, weights, None))
    (folder / "lora.safetensors").write_bytes(pickle.dumps(Runs(tmp_path / "trap")))
    state = json.loads((folder / "state.json").read_text())
    state["files"]["lora.safetensors"] = hashlib.sha256(
        (folder / "lora.safetensors").read_bytes()
    ).hexdigest()
    (folder / "state.json").write_text(json.dumps(state))
    assert kept.newest() is None
    assert not (tmp_path / "trap").exists()
