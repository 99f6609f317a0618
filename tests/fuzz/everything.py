"""Targets that other test modules hold, here with their share of the cases of `make fuzz`. Not part of `make test`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftworker.providers.modelfile import Modelfile
from tests import test_modelfile
from tests.datasets import test_validate
from tests.events import test_contract
from tests.fuzz.cases import fuzzed, ran
from tests.training.gguf import test_lora, test_reading


def inner(target: Any) -> Any:
    """A property without the number of cases that its own module gives it."""
    return target.hypothesis.inner_test


@fuzzed(0.15)
@given(test_modelfile.MODELFILE)
def test_written_modelfiles(modelfile: Modelfile) -> None:
    ran["Modelfile: written and read back"] += 1
    inner(test_modelfile.test_any_modelfile_is_refused_or_reads_back_as_it_was_with_no_other_instruction)(
        modelfile
    )


@fuzzed(0.05)
@given(test_modelfile.TEXT)
def test_rewritten_texts(text: str) -> None:
    ran["Modelfile: any text"] += 1
    inner(test_modelfile.test_any_text_is_quotable_once_it_is_rewritten)(text)


@fuzzed(0.1)
@given(
    path=st.sampled_from(test_contract.PATHS),
    value=test_contract.json_values,
    name=st.sampled_from(["rank", "score", "error", "rating", "x"]),
)
def test_event_fields(path: tuple[str | int, ...], value: Any, name: str) -> None:
    ran["event: any value in any field"] += 1
    inner(test_contract.test_whatever_stands_in_a_field_the_decoder_only_ever_refuses)(path, value, name)


@fuzzed(0.05)
@given(cut=st.integers(0, 800), insert=st.binary(max_size=6), skip=st.integers(0, 6))
def test_event_bytes(cut: int, insert: bytes, skip: int) -> None:
    ran["event: any bytes"] += 1
    inner(test_contract.test_whatever_bytes_come_the_decoder_only_ever_refuses)(cut, insert, skip)


@fuzzed(0.04)
@given(
    st.binary(max_size=300) | st.text(alphabet='{}[]",:\\ \n\u2028aenulltrfs0.-', max_size=80).map(str.encode)
)
def test_training_file_bytes(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    ran["training file: any bytes"] += 1
    inner(test_validate.test_any_bytes_give_a_report_and_never_an_exception)(data, tmp_path_factory)


@fuzzed(0.06)
@given(
    st.lists(
        test_validate.values
        | st.builds(lambda m: {"messages": m}, st.lists(test_validate.values, min_size=1, max_size=3)),
        max_size=3,
    )
)
def test_training_file_rows(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    ran["training file: any rows"] += 1
    inner(test_validate.test_any_json_gives_a_report_and_never_an_exception)(rows, tmp_path_factory)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = tmp_path_factory.mktemp("gguf") / "sound.gguf"
    return test_reading.write(path).read_bytes()


@fuzzed(0.05)
@given(data=st.data())
def test_gguf_bytes(tmp_path_factory: pytest.TempPathFactory, sound: bytes, data: st.DataObject) -> None:
    ran["GGUF: changed bytes"] += 1
    inner(test_reading.test_a_file_cut_anywhere_or_changed_anywhere_is_read_or_named)(
        tmp_path_factory, sound, data
    )


@fuzzed(0.05)
@given(data=st.data())
def test_safetensors_bytes(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    ran["safetensors: changed bytes"] += 1
    inner(test_lora.test_an_adapter_changed_anywhere_is_read_or_named)(tmp_path_factory, data)
