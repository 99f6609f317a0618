"""Which counter belongs to a pipeline, and counters made of real tokenizer.json files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from ftworker.curation.tokens import make_counter
from ftworker.errors import ConfigurationError, NotFound
from ftworker.settings import CurationSettings, PipelineSettings, Settings
from ftworker.tokenizers import counter_for, local_counter

SAID = "La célula es la unidad de la vida, y la energía de la célula viene de la mitocondria."


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base model's folder whose tokenizer cuts at 4 tokens, pads to 64 and knows a control token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([SAID] * 5, trainer)
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=64)
    folder = tmp_path / "base-es-1b"
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def chosen(tokenizer: str, *, provider: str = "local", base_model: str = "llama3.2:3b") -> Settings:
    pipeline = PipelineSettings(
        provider=provider, base_model=base_model, curation=CurationSettings(tokenizer=tokenizer)
    )
    return Settings(pipelines={"tutor": pipeline})


def problem(error: ConfigurationError) -> Any:
    assert len(error.problems) == 1
    return error.problems[0]


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base", "estimate"])
def test_a_named_vocabulary_is_the_compiled_in_one(name: str) -> None:
    assert counter_for(chosen(name), "tutor") is make_counter(name)


def test_auto_is_o200k_for_openai_and_for_a_local_base_that_is_no_folder() -> None:
    o200k = make_counter("o200k_base")
    assert counter_for(chosen("auto", provider="openai", base_model="gpt-4.1-mini"), "tutor") is o200k
    assert counter_for(chosen("auto"), "tutor") is o200k


def test_auto_is_a_local_bases_own_tokenizer_where_it_has_one(base: Path) -> None:
    counter = counter_for(chosen("auto", base_model=str(base)), "tutor")
    assert counter.name.startswith("base-es-1b@")
    (base / "tokenizer.json").unlink()
    assert counter_for(chosen("auto", base_model=str(base)), "tutor").name == "o200k_base"


def test_an_openai_base_model_is_never_taken_for_a_folder(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(base.parent)
    settings = chosen("auto", provider="openai", base_model=base.name)
    assert counter_for(settings, "tutor").name == "o200k_base"


def test_the_folder_and_its_file_name_the_same_counter_which_is_loaded_once(base: Path) -> None:
    counter = local_counter(base)
    assert local_counter(base / "tokenizer.json") is counter
    assert counter_for(chosen(str(base)), "tutor").name == counter.name


def test_the_whole_text_is_counted_whatever_its_trainer_cut_and_padded(base: Path) -> None:
    counter = local_counter(base)
    plain = Tokenizer.from_file(str(base / "tokenizer.json"))
    assert len(plain.encode(SAID)) == 64
    plain.no_truncation()
    plain.no_padding()
    assert counter.count(SAID) == len(plain.encode(SAID)) > 4
    assert counter.count("") == 0


def test_text_that_looks_like_the_bases_control_token_counts_as_text(base: Path) -> None:
    assert local_counter(base).count("<|endoftext|>") > 1


@pytest.mark.parametrize("text", ["\ud800", "a\udfff b", "\x00", "\x00texto\x1b"])
def test_no_text_makes_a_local_counter_raise(base: Path, text: str) -> None:
    assert local_counter(base).count(text) > 0


def test_two_tokenizers_never_share_a_name(base: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / base.name
    other.mkdir(parents=True)
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    tokenizer.add_tokens(["fotosíntesis"])
    tokenizer.save(str(other / "tokenizer.json"))
    assert local_counter(other).name != local_counter(base).name


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        counter_for(chosen(str(tmp_path / "none")), "tutor")
    found = problem(caught.value)
    assert found.key == "pipelines.tutor.curation.tokenizer"
    assert found.value == str(tmp_path / "none")
    assert (
        found.expected
        == "that file is not there; expected o200k_base, cl100k_base or the path of a tokenizer.json"
    )


def test_a_file_that_is_no_tokenizer_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"}')
    with pytest.raises(ConfigurationError) as caught:
        local_counter(tmp_path)
    assert "expected a tokenizer.json of Hugging Face" in problem(caught.value).expected


def test_without_the_package_the_error_says_how_to_install_it(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python itself puts there to forbid an import.
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ConfigurationError) as caught:
        counter_for(chosen("auto", base_model=str(base)), "tutor")
    assert problem(caught.value).expected.endswith('run: pip install "ftworker[tokenizers]"')


def test_a_pipeline_that_is_not_configured_is_not_found() -> None:
    with pytest.raises(NotFound, match="no pipeline named 'otra'"):
        counter_for(chosen("auto"), "otra")
