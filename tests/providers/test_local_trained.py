"""The local provider with a trainer: handed in at a desk, then registered at Ollama and held against its training."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import ollama
import pytest

from ftworker.providers.contract import (
    JobCancelled,
    JobFailed,
    JobPackaged,
    JobRunning,
    JobSucceeded,
    ProviderRejected,
    ProviderUnavailable,
)
from ftworker.providers.local import LocalProvider
from ftworker.providers.modelfile import parse
from ftworker.settings import LocalSettings, TrainerSettings
from ftworker.training.desk import TrainingStatus
from ftworker.training.results import Checked, Gate
from tests.doubles.fake_desk import FakeDesk
from tests.doubles.ollama_api import Model, OllamaDouble
from tests.doubles.ollama_api.server import FaultKind
from tests.providers.local_runs import RUN_KEY, SYSTEM_PROMPT, TAG
from tests.providers.openai_runs import Journal
from tests.providers.trained_runs import (
    ADAPTER,
    BASE,
    MERGED,
    digest,
    folder_of,
    leave_artefacts,
    other_prompt,
    through,
    tiny_gguf,
    tiny_lora,
    trained_run,
    trainer_at,
)
from tests.training.test_templates import CHATML, MISTRAL_V1, jinja_of

NOBODY = "127.0.0.1:9"


@pytest.fixture
def storage(tmp_path: Path) -> str:
    return f"file://{tmp_path / 'almacén'}"


@pytest.fixture(params=["0.33.2", "0.34.1"])
def either(request: pytest.FixtureRequest) -> Iterator[OllamaDouble]:
    """An Ollama that still takes adapters, and one that does not."""
    with OllamaDouble(request.param) as double:
        yield double


# -- training


def test_a_training_is_handed_in_once_and_looked_at(storage: str, journal: Journal) -> None:
    desk = FakeDesk()
    provider, run = (
        trainer_at(NOBODY, desk, training=TrainerSettings(base="/modelos/x", rank=8)),
        trained_run(storage),
    )
    uploaded = provider.upload(run, journal)
    assert uploaded.training_file_id == run.dataset.train.url
    assert not folder_of(run).exists()
    assert provider.submit(run, journal) == provider.reconcile(run, journal) == TAG
    order = desk.orders[RUN_KEY]
    assert (order.base, order.trainer, order.artefacts_url) == ("/modelos/x", "peft", run.artefacts_url)
    assert (order.train.sha256, order.train.name) == (run.dataset.train.sha256, "train.json")
    assert TrainerSettings(**order.settings).rank == 8
    assert order.gates["template_parity"] is True
    assert order.method == {"type": "supervised", "n_epochs": 3}
    desk.statuses[RUN_KEY] = TrainingStatus("running", "train: 12 of 54 steps, loss 0.8")
    assert provider.poll(run, journal) == JobRunning("train: 12 of 54 steps, loss 0.8")


def test_what_the_desk_says_becomes_the_runs_end(storage: str, journal: Journal) -> None:
    desk = FakeDesk()
    provider, run = trainer_at(NOBODY, desk), trained_run(storage)
    desk.statuses[RUN_KEY] = TrainingStatus(
        "failed", "out of memory; lower micro_batch", code="out_of_memory"
    )
    assert provider.poll(run, journal) == JobFailed("out_of_memory", "out of memory; lower micro_batch")
    desk.statuses[RUN_KEY] = TrainingStatus("cancelled", "stopped")
    assert isinstance(provider.poll(run, journal), JobCancelled)


def test_a_training_that_the_database_forgot_is_handed_in_again(storage: str, journal: Journal) -> None:
    desk = FakeDesk()
    assert isinstance(trainer_at(NOBODY, desk).poll(trained_run(storage), journal), JobRunning)
    assert RUN_KEY in desk.orders


def test_a_process_without_a_desk_says_so(storage: str, journal: Journal) -> None:
    provider = LocalProvider("local", LocalSettings(trainer="peft"))
    with pytest.raises(ProviderRejected, match="ftworker's worker"):
        provider.submit(trained_run(storage), journal)


def test_cancelling_stops_the_training_and_takes_the_name_away(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    desk = FakeDesk()
    provider, run = trainer_at(ollama_api.url, desk), trained_run(storage)
    provider.submit(run, journal)
    ollama_api.models[TAG] = Model(weights="")
    provider.cancel(run, journal)
    assert desk.statuses[RUN_KEY].state == "cancelled"
    assert TAG not in ollama_api.models
    assert isinstance(provider.poll(run, journal), JobCancelled)


# -- registering


def test_a_trained_model_answers_under_the_runs_name(
    storage: str, either: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    status = trainer_at(either.url, through()).poll(run, journal)
    assert isinstance(status, JobSucceeded)
    assert (status.model, status.trained_tokens) == (TAG, 12_345)
    assert status.detail["validation_loss"] == 0.31
    assert status.detail["gates"] == {"template_parity": True, "validation_loss": True}
    assert "equals the trained one over 4 probes" in status.detail["template"]
    model = either.models[TAG]
    assert model.blobs == (f"sha256:{digest(tiny_gguf())}",)
    assert model.system == SYSTEM_PROMPT
    assert model.license == ("apache-2.0",)
    assert model.parameters["stop"] == ["<|im_end|>", "<|im_start|>"]
    assert model.parameters["num_ctx"] == 512  # no larger than the model's own
    assert model.messages == ()
    assert [call.method for call in either.calls("blobs")] == ["HEAD", "POST"]
    said = [entry for entry in journal.of("progress") if entry.message.startswith(f"push {MERGED}")]
    assert said[-1].data["completed"] == said[-1].data["total"] == len(tiny_gguf())
    asked = ollama.Client(host=either.url, trust_env=False).chat(
        TAG, messages=[{"role": "user", "content": "Hola"}], options={"num_predict": 4}
    )
    assert asked.message.content


def test_a_model_that_is_there_is_tried_again_but_not_sent_again(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run, provider = trained_run(storage), trainer_at(ollama_api.url, through())
    leave_artefacts(run)
    for _ in range(2):
        assert isinstance(provider.poll(run, journal), JobSucceeded)
    assert len(ollama_api.calls("create")) == 1
    assert len(ollama_api.calls("blobs")) == 2


def test_what_the_base_has_in_ollama_is_carried_over_but_its_template(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    ollama_api.models[BASE] = Model(
        weights="",
        template="{{ .Prompt }} otro",
        license=("Apache License\nVersion 2.0",),
        parameters={"stop": ["<|endoftext|>", 'di "basta"'], "top_k": 20, "temperature": 0.9},
    )
    run = trained_run(storage)
    leave_artefacts(run)
    provider = trainer_at(ollama_api.url, through(), parameters={"temperature": 0.1, "stop": "FIN"})
    assert isinstance(provider.poll(run, journal), JobSucceeded)
    model = ollama_api.models[TAG]
    assert model.license == ("Apache License\nVersion 2.0",)
    assert model.parameters == {
        "temperature": 0.1,
        "top_k": 20,
        "stop": ["<|im_end|>", "<|im_start|>", "<|endoftext|>", 'di "basta"', "FIN"],
    }
    assert "You are a helpful AI assistant named SmolLM" in model.template


def test_a_conversation_without_a_system_message_gets_the_pipelines_or_the_bases_own(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    trainer_at(ollama_api.url, through()).poll(run, journal)
    other = other_prompt(trained_run(storage, run_key="ft-historia-00000000000b"), "")
    leave_artefacts(other)
    trainer_at(ollama_api.url, through(other.run_key)).poll(other, journal)
    question = [{"role": "user", "content": "Hola"}]
    shown = [
        ollama_api.chat({"model": f"historia:{key}", "messages": question, "_debug_render_only": True})
        for key in (RUN_KEY, other.run_key)
    ]
    own, default = (answer["_debug_info"]["rendered_template"] for answer in shown)
    assert own.startswith(f"<|im_start|>system\n{SYSTEM_PROMPT}<|im_end|>")
    assert default.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")


@pytest.mark.parametrize(
    "name,parser",
    [
        ("Qwen 2.5", ""),
        ("Qwen 3", "passthrough"),
        ("Llama 3.2", "passthrough"),
        ("Gemma 2", ""),
        ("Mistral 3", ""),
    ],
)
def test_each_family_of_templates_is_served_as_it_was_trained(
    storage: str, either: OllamaDouble, journal: Journal, name: str, parser: str
) -> None:
    """Ollama prefers the file's own Jinja where that can do more, which asks for thoughts or prints today's date."""
    run = trained_run(storage)
    jinja, _ = jinja_of(name)
    leave_artefacts(run, chat_template=jinja, stop=["</s>"])
    status = trainer_at(either.url, through()).poll(run, journal)
    assert isinstance(status, JobSucceeded), status
    assert either.models[TAG].parser == parser


def test_a_template_that_cannot_be_written_is_served_by_the_file_itself_or_not_at_all(
    storage: str, journal: Journal
) -> None:
    odd = "{% for m in messages %}{{ loop.index ~ '|' ~ m.role ~ '|' ~ m.content ~ '\n' }}{% endfor %}"
    run = trained_run(storage)
    leave_artefacts(run, chat_template=odd)
    with OllamaDouble("0.34.1") as newer:
        status = trainer_at(newer.url, through()).poll(run, journal)
        assert isinstance(status, JobSucceeded), status
        assert newer.models[TAG].template == ""
    with OllamaDouble("0.29.0") as older:
        status = trainer_at(older.url, through()).poll(run, journal)
        assert isinstance(status, JobFailed)
        assert status.code == "template_unknown"
        assert "template_file" in status.message


def test_a_template_that_ollama_puts_in_place_of_the_files_own_is_noticed(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    odd = "{% for m in messages %}{{ loop.index ~ '|' ~ m.role ~ '|' ~ m.content ~ '\n' }}{% endfor %}"
    ollama_api.known_templates[odd] = "{{ range .Messages }}{{ .Role }}|{{ .Content }}\n{{ end }}"
    run = trained_run(storage)
    leave_artefacts(run, chat_template=odd)
    status = trainer_at(ollama_api.url, through()).poll(run, journal)
    assert isinstance(status, JobFailed)
    assert status.code == "template_mismatch"
    assert TAG not in ollama_api.models


def test_a_template_of_ones_own_is_used_and_compared(
    storage: str, ollama_api: OllamaDouble, journal: Journal, tmp_path: Path
) -> None:
    own = tmp_path / "plantilla.gotmpl"
    own.write_text(
        "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>{{ end }}<|im_start|>assistant\n"
    )
    run = trained_run(storage)
    leave_artefacts(run, chat_template=CHATML)
    provider = trainer_at(ollama_api.url, through(), template_file=own)
    status = provider.poll(run, journal)
    assert isinstance(status, JobFailed)
    assert status.code == "template_mismatch"
    assert "at character" in status.message
    assert SYSTEM_PROMPT not in status.message
    assert TAG not in ollama_api.models
    own.write_text(own.read_text().replace("<|im_end|>{{", "<|im_end|>\n{{"))
    assert isinstance(provider.poll(run, journal), JobSucceeded)


def test_an_ollama_that_does_not_show_its_rendering_is_asked_to_count(
    storage: str, journal: Journal, tmp_path: Path
) -> None:
    own = tmp_path / "plantilla.gotmpl"
    own.write_text("{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant:")
    run = trained_run(storage)
    leave_artefacts(run, chat_template=CHATML)
    with OllamaDouble("0.9.0") as old:
        status = trainer_at(old.url, through()).poll(run, journal)
        assert isinstance(status, JobSucceeded)
        assert "does not show" in status.detail["template"]
        folder_of(run).joinpath("Modelfile").unlink()
        del old.models[TAG]
        status = trainer_at(old.url, through(), template_file=own).poll(run, journal)
        assert isinstance(status, JobFailed)
        assert (status.code, "tokens instead of" in status.message) == ("template_mismatch", True)


@pytest.mark.parametrize("says", ["", "  \n", "<|im_end|><|im_end|>", "</s>"])
def test_a_model_that_answers_nothing_is_taken_away_again(
    storage: str, ollama_api: OllamaDouble, journal: Journal, says: str
) -> None:
    ollama_api.says = says
    run = trained_run(storage)
    leave_artefacts(run)
    status = trainer_at(ollama_api.url, through()).poll(run, journal)
    assert isinstance(status, JobFailed)
    assert status.code == "smoke_test_failed"
    assert TAG not in ollama_api.models


def test_a_file_that_a_newer_ollama_wraps_without_looking_fails_the_smoke_test(
    storage: str, journal: Journal
) -> None:
    run = trained_run(storage)
    broken = b"GGUF" + b"\x00" * 100
    converted = leave_artefacts(run)
    assert converted.merged is not None
    (folder_of(run) / MERGED).write_bytes(broken)
    text = (folder_of(run) / "conversion.json").read_text()
    text = text.replace(converted.merged.sha256, digest(broken)).replace(
        str(converted.merged.size_bytes), str(len(broken))
    )
    (folder_of(run) / "conversion.json").write_text(text)
    with OllamaDouble("0.34.1") as newer:
        status = trainer_at(newer.url, through()).poll(run, journal)
        assert isinstance(status, JobFailed)
        assert (status.code, "does not load" in status.message) == ("smoke_test_failed", True)
        assert TAG not in newer.models


@pytest.mark.parametrize(
    "change",
    [lambda b: b[:-1] + b"!", lambda b: b[:-1], lambda b: b + b"!", lambda _: b""],
    ids=["other", "shorter", "longer", "empty"],
)
def test_a_file_that_was_changed_since_is_not_registered(
    storage: str, ollama_api: OllamaDouble, journal: Journal, change: Callable[[bytes], bytes]
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    path = folder_of(run) / MERGED
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ProviderRejected) as refused:
        trainer_at(ollama_api.url, through()).poll(run, journal)
    assert refused.value.code == "artefacts_changed"
    assert ollama_api.calls("create") == []


def test_a_file_that_broke_on_its_way_is_sent_again(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run, provider = trained_run(storage), trainer_at(ollama_api.url, through())
    leave_artefacts(run)
    ollama_api.inject("corrupt", "blobs", skip=1)
    with pytest.raises(ProviderUnavailable) as failed:
        provider.poll(run, journal)
    assert failed.value.code == "blob_mismatch"
    assert isinstance(provider.poll(run, journal), JobSucceeded)


@pytest.mark.parametrize("missing", ["training.json", "conversion.json"])
def test_a_folder_that_is_not_whole_is_named(
    storage: str, ollama_api: OllamaDouble, journal: Journal, missing: str
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    (folder_of(run) / missing).unlink()
    with pytest.raises(ProviderRejected, match=missing) as refused:
        trainer_at(ollama_api.url, through()).poll(run, journal)
    assert refused.value.code == "artefacts_incomplete"


def test_a_model_whose_gates_did_not_pass_is_not_registered(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    gates = Checked([Gate("distribution_parity", False, 0.27, 0.05, "KL 0.27 is over 0.05; convert again")])
    (folder_of(run) / "gates.json").write_bytes(msgspec.json.encode(gates))
    status = trainer_at(ollama_api.url, through()).poll(run, journal)
    assert status == JobFailed("gate_failed", "KL 0.27 is over 0.05; convert again")
    assert ollama_api.journal == []


FAULTS: tuple[FaultKind, ...] = (
    "error_500",
    "drop",
    "drop_after_effect",
    "malformed",
    "disk_full",
    "no_success",
    "restart",
)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_any_call_of_a_registration_is_made_good_by_repeating(
    storage: str, journal: Journal, kind: FaultKind
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    with OllamaDouble() as calm:
        assert isinstance(trainer_at(calm.url, through()).poll(run, journal), JobSucceeded)
        calls, expected = len(calm.journal), calm.models[TAG]
    for call in range(calls):
        with OllamaDouble() as double:
            double.inject(kind, skip=call)
            provider = trainer_at(double.url, through())
            status: Any = None
            for _ in range(4):
                try:
                    status = provider.poll(run, journal)
                except ProviderUnavailable:
                    continue
                if isinstance(status, JobSucceeded):
                    break
            assert isinstance(status, JobSucceeded), (
                f"{kind} at call {call}: {double.calls()[call]}: {status}"
            )
            assert replace(double.models[TAG], modified_at=expected.modified_at) == expected


# -- adapters


def test_an_older_ollama_takes_base_and_adapter(storage: str, journal: Journal) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    with OllamaDouble("0.33.2", models=()) as older:
        base = older.put_blob(f"sha256:{digest(tiny_gguf())}", tiny_gguf())
        assert base == 201
        ollama.Client(host=older.url, trust_env=False).create(
            model=BASE, files={"base.gguf": f"sha256:{digest(tiny_gguf())}"}
        )
        provider = trainer_at(older.url, through(), ollama_artefact="adapter")
        assert isinstance(provider.poll(run, journal), JobSucceeded)
        model = older.models[TAG]
        assert model.adapters == (f"sha256:{digest(tiny_lora())}",)
        assert model.parent == BASE
        modelfile = parse((folder_of(run) / "Modelfile").read_text())
        assert (modelfile.from_, modelfile.adapter) == (BASE, f"./{ADAPTER}")


def test_a_newer_ollama_refuses_adapters_and_the_merged_file_is_the_way_out(
    storage: str, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    with OllamaDouble("0.34.1", models=(BASE,)) as newer:
        provider = trainer_at(newer.url, through(), ollama_artefact="adapter")
        assert "adapters_refused" in {
            finding.code for finding in provider.preflight(run) if finding.level == "error"
        }
        status = provider.poll(run, journal)
        assert isinstance(status, JobFailed)
        assert status.code == "adapters_refused"
        assert 'ollama_artefact = "merged"' in status.message
        assert newer.calls("create") == []
        assert isinstance(trainer_at(newer.url, through()).poll(run, journal), JobSucceeded)


def test_an_ollama_of_unknown_version_may_still_refuse_adapters(storage: str, journal: Journal) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    with OllamaDouble("0.0.0", models=(BASE,)) as development:
        provider = trainer_at(development.url, through(), ollama_artefact="adapter")
        status = provider.poll(run, journal)
        assert isinstance(status, JobFailed)
        assert status.code == "adapters_refused"
        assert len(development.calls("create")) == 1


def test_an_adapter_without_its_base_in_ollama_ends_packaged(storage: str, journal: Journal) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    with OllamaDouble("0.33.2", models=(), registry=(BASE,)) as older:
        status = trainer_at(older.url, through(), ollama_artefact="adapter").poll(run, journal)
        assert isinstance(status, JobPackaged)
        assert f"ollama pull {BASE}" in status.instructions
        assert older.calls("create", "pull") == []
        running = trainer_at(older.url, through(), ollama_artefact="adapter", pull_base=True).poll(
            run, journal
        )
        assert isinstance(running, JobRunning)


# -- what lies beside the files


def test_without_ollama_the_run_ends_packaged_with_files_and_commands(storage: str, journal: Journal) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    status = trainer_at(NOBODY, through()).poll(run, journal)
    assert isinstance(status, JobPackaged)
    assert status.instructions.splitlines()[1:] == [
        f"ollama create {TAG} -f Modelfile",
        f"ollama run {TAG}",
        f"ollama cp {TAG} historia:latest",
    ]
    modelfile = parse((folder_of(run) / "Modelfile").read_text(encoding="utf-8"))
    assert modelfile.from_ == f"./{MERGED}"
    assert modelfile.template is not None
    assert modelfile.messages == ()
    for name in ("INSTRUCTIONS.md", "INSTRUCCIONES.md"):
        text = (folder_of(run) / name).read_text(encoding="utf-8")
        for command in (
            f"ollama create {TAG} -f Modelfile",
            f"-X POST -T {MERGED} http://127.0.0.1:9/api/blobs/sha256:{digest(tiny_gguf())}",
            "/api/create --data-binary @create-request.json",
            f"llama-server -m {MERGED} --jinja",
            f"llama-server -m /modelos/SmolLM2.gguf --lora {ADAPTER} --jinja",
            "vllm serve /modelos/SmolLM2 --enable-lora --lora-modules historia=./adapter",
            "ftworker runs retry 42",
            run.dataset.train.sha256,
        ):
            assert command in text, command
        assert "Alhambra" not in text
    checked = subprocess.run(
        ["sha256sum", "-c", "SHA256SUMS"], cwd=folder_of(run), capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    assert len(checked.stdout.splitlines()) == 9


def test_the_template_that_was_trained_with_is_named_for_other_servers(
    storage: str, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    (folder_of(run) / "adapter").mkdir()
    (folder_of(run) / "adapter" / "chat_template.jinja").write_text(CHATML)
    trainer_at(NOBODY, through()).poll(run, journal)
    text = (folder_of(run) / "INSTRUCTIONS.md").read_text(encoding="utf-8")
    assert f"llama-server -m {MERGED} --jinja --chat-template-file adapter/chat_template.jinja" in text
    assert "--lora-modules historia=./adapter --chat-template adapter/chat_template.jinja" in text


def test_the_same_documents_are_written_again_and_a_packaged_run_is_registered_later(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    trainer_at(NOBODY, through()).poll(run, journal)
    before = {path.name: path.read_bytes() for path in folder_of(run).iterdir()}
    trainer_at(NOBODY, through()).poll(run, journal)
    assert {path.name: path.read_bytes() for path in folder_of(run).iterdir()} == before
    assert isinstance(trainer_at(ollama_api.url, through()).poll(run, journal), JobSucceeded)


def test_the_curl_form_makes_the_same_model(storage: str, ollama_api: OllamaDouble, journal: Journal) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    provider = trainer_at(ollama_api.url, through())
    provider.poll(run, journal)
    made = ollama_api.models.pop(TAG)
    request = json.loads((folder_of(run) / "create-request.json").read_bytes())
    assert [line["status"] for line in ollama_api.create(request)][-1] == "success"
    assert replace(ollama_api.models[TAG], modified_at=made.modified_at) == made


def test_a_base_without_a_gguf_ends_packaged_for_vllm(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run, merged=None, base_gguf=None)
    status = trainer_at(ollama_api.url, through()).poll(run, journal)
    assert isinstance(status, JobPackaged)
    assert "vllm serve" in status.instructions
    assert "base_gguf" in status.detail["not_registered"]


def test_a_persons_correction_of_the_modelfile_is_what_is_registered(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run)
    trainer_at(NOBODY, through()).poll(run, journal)
    path = folder_of(run) / "Modelfile"
    modelfile = parse(path.read_text(encoding="utf-8"))
    path.write_text(replace(modelfile, system="Corregido.").render(), encoding="utf-8")
    assert isinstance(trainer_at(ollama_api.url, through()).poll(run, journal), JobSucceeded)
    assert ollama_api.models[TAG].system == "Corregido."
    sums = (folder_of(run) / "SHA256SUMS").read_text()
    assert f"{hashlib.sha256(path.read_bytes()).hexdigest()}  Modelfile" in sums


# -- promoting


def test_promotion_moves_the_alias_and_a_cleared_name_is_made_again(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run, provider = trained_run(storage), trainer_at(ollama_api.url, through())
    leave_artefacts(run)
    provider.poll(run, journal)
    provider.promote(run, journal, previous_model=None)
    assert ollama_api.models["historia:latest"].digest == ollama_api.models[TAG].digest
    del ollama_api.models[TAG]
    provider.promote(run, journal, previous_model=None)
    assert TAG in ollama_api.models
    ollama_api.says = ""
    del ollama_api.models[TAG]
    with pytest.raises(ProviderRejected) as refused:
        provider.promote(run, journal, previous_model=None)
    assert refused.value.code == "smoke_test_failed"


def test_the_seeds_first_mistral_is_served_with_its_system_message_in_the_question(
    storage: str, ollama_api: OllamaDouble, journal: Journal
) -> None:
    run = trained_run(storage)
    leave_artefacts(run, chat_template=MISTRAL_V1, stop=["</s>"])
    assert isinstance(trainer_at(ollama_api.url, through()).poll(run, journal), JobSucceeded)
