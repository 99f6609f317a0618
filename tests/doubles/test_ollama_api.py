"""The double of Ollama's API satisfies the official client and behaves as the versions it stands for."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal

import ollama
import pytest
import requests

from tests.doubles.ollama_api import ADAPTERS_REFUSED, QUANTIZE_REFUSED, OllamaDouble
from tests.doubles.tiny_gguf import write_tiny_gguf

JINJA = "{% for m in messages %}{% if m.role == 'user' %}{{ 'Jinja: ' + m.content }}{% endif %}{% endfor %}"


def official(double: OllamaDouble) -> ollama.Client:
    return ollama.Client(host=double.url, trust_env=False)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def post(double: OllamaDouble, path: str, body: dict[str, object]) -> requests.Response:
    return requests.post(double.url + path, json=body, timeout=10)


def test_the_official_client_creates_shows_copies_asks_and_deletes(ollama_api: OllamaDouble) -> None:
    client = official(ollama_api)
    lines = list(
        client.create(
            model="tutor:1",
            from_="llama3.2:3b",
            system="Eres un tutor.",
            parameters={"num_ctx": 4096, "stop": ["FIN"]},
            messages=[
                {"role": "user", "content": "¿Capital de Francia?"},
                {"role": "assistant", "content": "París."},
            ],
            stream=True,
        )
    )
    assert lines[-1].status == "success"
    shown = client.show("tutor:1")
    assert shown.details is not None
    assert shown.details.parent_model == "llama3.2:3b"
    assert "num_ctx" in (shown.parameters or "")
    client.copy("tutor:1", "tutor")
    listed = {model.model: model.digest for model in client.list().models}
    assert listed["tutor:latest"] == listed["tutor:1"]
    asked = [{"role": "user", "content": "¿Capital de Francia?"}]
    assert client.chat("tutor", messages=asked).message.content == "París."
    assert client.chat("llama3.2:3b", messages=asked).message.content == "No lo sé."
    assert client.delete("tutor").status == "success"
    assert [model.model for model in client.list().models] == ["tutor:1", "llama3.2:3b"]


def test_creating_over_a_name_replaces_it_and_inherits_from_the_base(ollama_api: OllamaDouble) -> None:
    client = official(ollama_api)
    client.create(model="a", from_="llama3.2:3b", system="uno", parameters={"top_k": 1, "seed": 7})
    client.create(model="b", from_="a", parameters={"top_k": 2})
    assert ollama_api.models["b:latest"].system == "uno"
    assert ollama_api.models["b:latest"].parameters == {"top_k": 2, "seed": 7}
    client.create(model="b", from_="llama3.2:3b", system="dos")
    assert ollama_api.models["b:latest"].parameters == {}


def test_a_pushed_blob_is_kept_only_while_a_model_uses_it(ollama_api: OllamaDouble, tmp_path: Path) -> None:
    client = official(ollama_api)
    (tmp_path / "used.gguf").write_bytes(b"GGUF used")
    (tmp_path / "unused.gguf").write_bytes(b"GGUF unused")
    used, unused = (client.create_blob(tmp_path / name) for name in ("used.gguf", "unused.gguf"))
    client.create(model="m", files={"merged.gguf": used})
    ollama_api.restart()
    assert ollama_api.has_blob(used)
    assert not ollama_api.has_blob(unused)


@pytest.mark.parametrize("digest", ["sha256:12", "md5:" + "0" * 64, "sha256:" + "z" * 64])
def test_a_malformed_digest_is_refused(ollama_api: OllamaDouble, digest: str) -> None:
    assert requests.head(f"{ollama_api.url}/api/blobs/{digest}", timeout=10).status_code == 400


def test_a_blob_that_is_not_what_its_digest_says_is_refused(ollama_api: OllamaDouble) -> None:
    answer = requests.post(f"{ollama_api.url}/api/blobs/{digest_of(b'other')}", data=b"this", timeout=10)
    assert answer.status_code == 400
    assert "digest mismatch" in answer.json()["error"]
    assert ollama_api.blobs == {}


def test_since_0_34_1_adapters_and_quantisation_are_refused_with_ollamas_own_words() -> None:
    with OllamaDouble("0.34.1") as newer:
        body: dict[str, object] = {"model": "m", "from": "llama3.2:3b"}
        adapted = post(newer, "/api/create", body | {"adapters": {"a.gguf": digest_of(b"a")}})
        assert (adapted.status_code, adapted.json()["error"]) == (400, ADAPTERS_REFUSED)
        quantised = post(newer, "/api/create", body | {"quantize": "q4_K_M"})
        assert (quantised.status_code, quantised.json()["error"]) == (400, QUANTIZE_REFUSED)
        assert "m:latest" not in newer.models


def test_0_33_takes_adapters_and_looks_into_what_it_imports() -> None:
    with OllamaDouble("0.33.0") as older:
        adapter = digest_of(b"GGUF lora")
        older.put_blob(adapter, b"GGUF lora")
        official(older).create(model="m", from_="llama3.2:3b", adapters={"a.gguf": adapter})
        assert older.models["m:latest"].adapters == (adapter,)
        older.put_blob(digest_of(b"no"), b"no")
        answer = post(older, "/api/create", {"model": "n", "files": {"x.bin": digest_of(b"no")}})
        assert (answer.status_code, answer.json()["error"]) == (400, "unknown type")
        answer = post(older, "/api/create", {"model": "n", "files": {"x.gguf": digest_of(b"no")}})
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert lines[-1] == {"error": "supplied file was not in GGUF format"}


def test_a_gguf_answers_through_llama_cpp_as_the_official_client_asks(tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    asked = [{"role": "user", "content": "Hola"}]
    with OllamaDouble("0.34.1", models=()) as newer:
        client = official(newer)
        client.create(model="tiny", files={"tiny.gguf": client.create_blob(path)}, system="Eres un tutor.")
        first = client.chat("tiny", messages=asked, options={"temperature": 0, "num_predict": 5})
        assert first.message.content
        assert first.eval_count == 5
        again = client.chat("tiny", messages=asked, options={"temperature": 0, "num_predict": 5})
        assert again.message.content == first.message.content


CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)
BARE = "<|im_start|>user\nHola<|im_end|>\n<|im_start|>assistant\n"
WITH_DEFAULT = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    + BARE
)


@pytest.mark.parametrize(
    "version,jinja,create,rendered",
    [
        ("0.34.1", None, {}, WITH_DEFAULT),  # the file's own Jinja
        ("0.34.1", None, {"template": CHATML}, BARE),
        ("0.29.0", None, {}, "Hola"),  # nothing is inherited, and no Jinja
        ("0.34.1", "{# tools #}" + JINJA, {"template": CHATML}, "Jinja: Hola"),  # the Jinja can do more
        ("0.34.1", "{# tools #}" + JINJA, {"template": CHATML, "parser": "passthrough"}, BARE),
    ],
)
def test_a_conversation_is_rendered_as_the_version_does(
    tmp_path: Path, version: str, jinja: str | None, create: dict[str, object], rendered: str
) -> None:
    content = write_tiny_gguf(tmp_path / "tiny.gguf", chat_template=jinja).read_bytes()
    with OllamaDouble(version, models=()) as double:
        double.put_blob(digest_of(content), content)
        post(double, "/api/create", {"model": "tiny", "files": {"tiny.gguf": digest_of(content)}, **create})
        body = {"model": "tiny", "stream": False, "messages": [{"role": "user", "content": "Hola"}]}
        shown = post(double, "/api/chat", {**body, "_debug_render_only": True}).json()
        assert shown["_debug_info"] == {"rendered_template": rendered}


def test_before_0_11_nothing_is_shown_and_tokens_are_counted(tmp_path: Path) -> None:
    content = write_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    with OllamaDouble("0.9.0", models=()) as old:
        old.put_blob(digest_of(content), content)
        post(old, "/api/create", {"model": "t", "files": {"t.gguf": digest_of(content)}, "template": CHATML})
        body = {
            "model": "t",
            "messages": [{"role": "user", "content": "Hola"}],
            "options": {"num_predict": 1},
        }
        answer = post(old, "/api/chat", {**body, "_debug_render_only": True}).json()
        raw = {"model": "t", "prompt": BARE, "raw": True, "options": {"num_predict": 1}}
        counted = post(old, "/api/generate", raw).json()
        assert "_debug_info" not in answer
        assert answer["prompt_eval_count"] == counted["prompt_eval_count"] > 5


def test_a_file_that_is_no_model_is_wrapped_by_newer_versions_and_fails_when_it_is_asked() -> None:
    content = b"GGUF and nothing more"
    with OllamaDouble("0.34.1", models=()) as newer:
        newer.put_blob(digest_of(content), content)
        assert post(newer, "/api/create", {"model": "t", "files": {"t.gguf": digest_of(content)}}).ok
        with pytest.raises(ollama.ResponseError, match="unable to load model"):
            official(newer).chat("t", messages=[{"role": "user", "content": "Hola"}])


def test_creating_from_an_unknown_base_fetches_it_without_asking() -> None:
    with OllamaDouble("0.33.0", registry=("qwen3:4b",)) as older:
        client = official(older)
        statuses = [line.status for line in client.create(model="m", from_="qwen3:4b", stream=True)]
        assert "pulling manifest" in statuses
        assert "qwen3:4b" in older.models
        with pytest.raises(ollama.ResponseError, match="file does not exist"):
            list(client.create(model="n", from_="nobody:1", stream=True))
        assert "n:latest" not in older.models


@pytest.mark.parametrize(
    "body,error",
    [
        ({"from": "llama3.2:3b"}, "invalid model name"),
        ({"model": "a b", "from": "llama3.2:3b"}, "invalid model name"),
        ({"model": "m", "from": "../evil"}, "invalid model name"),
        ({"model": "m"}, "neither 'from' or 'files' was specified"),
        ({"model": "m", "files": {"/etc/passwd": "sha256:1"}}, "file path must be relative"),
        ({"model": "m", "files": {"a:b": "sha256:1"}}, "file path must be relative"),
        ({"model": "m", "from": "llama3.2:3b", "messages": {}}, "json: cannot unmarshal"),
    ],
)
def test_a_wrong_request_is_refused_before_the_first_line(
    ollama_api: OllamaDouble, body: dict[str, object], error: str
) -> None:
    answer = post(ollama_api, "/api/create", body)
    assert answer.status_code == 400
    assert error in answer.json()["error"]


def test_an_error_after_the_first_line_comes_inside_a_200(ollama_api: OllamaDouble) -> None:
    ollama_api.inject("disk_full", "create")
    answer = post(ollama_api, "/api/create", {"model": "m", "from": "llama3.2:3b"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert answer.status_code == 200
    assert "status" in lines[0]
    assert "no space left on device" in lines[-1]["error"]
    assert "m:latest" not in ollama_api.models


@pytest.mark.parametrize("kind,done", [("drop", False), ("drop_after_effect", True)])
def test_a_dropped_answer_may_or_may_not_have_done_its_work(
    ollama_api: OllamaDouble, kind: Literal["drop", "drop_after_effect"], done: bool
) -> None:
    ollama_api.inject(kind, "create")
    with pytest.raises(requests.exceptions.RequestException):
        post(ollama_api, "/api/create", {"model": "m", "from": "llama3.2:3b"})
    assert ("m:latest" in ollama_api.models) is done


def test_a_fault_waits_for_its_turn(ollama_api: OllamaDouble) -> None:
    ollama_api.inject("error_500", "tags", skip=1, times=2)
    statuses = [requests.get(f"{ollama_api.url}/api/tags", timeout=10).status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]


def test_it_runs_as_a_program_and_ends_on_sigterm() -> None:
    command = [sys.executable, "-m", "tests.doubles.ollama_api", "--port", "0", "--model", "qwen3:4b"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        first = program.stdout.readline()
        address = next(word for word in first.split() if word.startswith("http"))
        listed = requests.get(f"{address}/api/tags", timeout=10).json()["models"]
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=10) == 0
    assert [row["name"] for row in listed] == ["qwen3:4b"]
