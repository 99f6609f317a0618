"""Our client of Ollama: what it asks, how it reads long answers, and which errors mean what."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ftworker.errors import PermanentError
from ftworker.providers.contract import ProviderRejected, ProviderUnavailable
from ftworker.providers.modelfile import Modelfile, ModelfileMessage
from ftworker.providers.ollama import OllamaClient
from ftworker.providers.ollama_names import (
    full_name,
    is_model_name,
    parse_host,
    parse_version,
    runs_elsewhere,
)
from ftworker.providers.ollama_wire import (
    CreateRequest,
    ModelNotFound,
    OllamaUnreachable,
    Progress,
)
from tests.doubles.ollama_api import ADAPTERS_REFUSED, OllamaDouble

TUTOR = Modelfile(
    from_="llama3.2:3b",
    system="Eres un tutor.",
    parameters={"num_ctx": 4096, "stop": ("FIN",)},
    messages=(ModelfileMessage("user", "¿2+2?"), ModelfileMessage("assistant", "Son 4.")),
)


def client_of(double: OllamaDouble, **seconds: float) -> OllamaClient:
    return OllamaClient(
        double.url, **{"request_timeout_seconds": 5.0, "create_timeout_seconds": 5.0, **seconds}
    )


@pytest.fixture
def client(ollama_api: OllamaDouble) -> OllamaClient:
    return client_of(ollama_api)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize(
    "value,expected",
    [
        # First as the official client reads them (its _parse_host), then as the server reads OLLAMA_HOST.
        ("", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        (":56789", "http://127.0.0.1:56789"),
        ("1.2.3.4:56789", "http://1.2.3.4:56789"),
        ("http://1.2.3.4", "http://1.2.3.4:80"),
        ("https://1.2.3.4", "https://1.2.3.4:443"),
        ("https://example.com:56789/path/", "https://example.com:56789/path"),
        ("example.com/", "http://example.com:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:56789", "http://[::1]:56789"),
        ("::1", "http://[::1]:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("[::]:11434", "http://[::1]:11434"),
        (' "127.0.0.1:11434" ', "http://127.0.0.1:11434"),
        ("https://ana:secreto@gpu.lan", "https://ana:secreto@gpu.lan:443"),
    ],
)
def test_every_form_of_ollama_host_becomes_one_address(value: str, expected: str) -> None:
    assert parse_host(value) == expected


@pytest.mark.parametrize("value", ["ftp://host", "host:port", "host:99999", "ho st", "file:///etc/passwd"])
def test_an_ollama_host_that_is_no_address_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"OLLAMA_HOST|[Pp]ort"):
        parse_host(value)


def test_the_address_for_people_holds_no_password() -> None:
    client = OllamaClient("https://ana:secreto@gpu.lan", request_timeout_seconds=1, create_timeout_seconds=1)
    assert client.shown_url == "https://gpu.lan:443"


@pytest.mark.parametrize(
    "name,valid",
    [
        ("llama3.2:3b", True),
        ("tutor", True),
        ("usuario/tutor:v1", True),
        ("hf.co/usuario/modelo-GGUF:Q8_0", True),
        ("", False),
        ("tutor:", False),
        ("tutor con espacio", False),
        ("../tutor", False),
        ("tutor\nFROM evil", False),
        ("tutor:" + "x" * 81, False),
        ("niño", False),
    ],
)
def test_a_models_name_is_checked_as_ollama_checks_it(name: str, valid: bool) -> None:
    assert is_model_name(name) is valid


def test_names_are_compared_as_ollama_lists_them() -> None:
    assert full_name("Llama3.2") == "llama3.2:latest"
    assert full_name("registry.ollama.ai/library/llama3.2:3b") == full_name("library/llama3.2:3B")
    assert full_name("host.lan:5000/ana/tutor") == "host.lan:5000/ana/tutor:latest"


@pytest.mark.parametrize(
    "name,remote",
    [("gpt-oss:120b-cloud", True), ("gpt-oss:cloud", True), ("llama3.2:3b", False), ("cloud", False)],
)
def test_a_name_that_runs_at_ollama_com_is_recognised(name: str, remote: bool) -> None:
    assert runs_elsewhere(name) is remote


@pytest.mark.parametrize(
    "version,parsed",
    [("0.34.1", (0, 34, 1)), ("0.35.0-rc2", (0, 35, 0)), ("v1.2", (1, 2, 0)), ("0.0.0", None), ("dev", None)],
)
def test_a_version_is_read_as_far_as_it_says_something(version: str, parsed: tuple[int, ...] | None) -> None:
    assert parse_version(version) == parsed


def test_a_model_is_created_shown_copied_asked_and_deleted(client: OllamaClient) -> None:
    heard: list[Progress] = []
    client.create(CreateRequest.of_modelfile("tutor:1", TUTOR), on_progress=heard.append)
    assert [progress.status for progress in heard][-1] == "success"
    shown = client.show("tutor:1")
    assert shown.system == TUTOR.system
    assert shown.messages == (("user", "¿2+2?"), ("assistant", "Son 4."))
    assert shown.parent_model == "llama3.2:3b"
    client.copy("tutor:1", "tutor:latest")
    installed = {model.name: model for model in client.installed()}
    assert installed["tutor:latest"].digest == installed["tutor:1"].digest
    assert installed["tutor:1"].modified_at is not None
    assert client.chat("tutor", [("user", "¿2+2?")], options={"seed": 1}).content == "Son 4."
    client.delete("tutor:latest")
    with pytest.raises(ModelNotFound):
        client.show("tutor:latest")
    with pytest.raises(ModelNotFound):
        client.delete("tutor:latest")
    with pytest.raises(ModelNotFound):
        client.copy("tutor:9", "tutor:latest")


def test_what_is_created_by_json_is_what_the_modelfile_says(
    client: OllamaClient, ollama_api: OllamaDouble
) -> None:
    client.create(CreateRequest.of_modelfile("tutor:1", TUTOR))
    body = ollama_api.calls("create")[0].body
    assert body == {
        "model": "tutor:1",
        "stream": True,
        "from": "llama3.2:3b",
        "system": "Eres un tutor.",
        "parameters": {"num_ctx": 4096, "stop": ["FIN"]},
        "messages": [{"role": "user", "content": "¿2+2?"}, {"role": "assistant", "content": "Son 4."}],
    }


def test_a_blob_is_sent_once_and_in_blocks(client: OllamaClient, ollama_api: OllamaDouble) -> None:
    content = b"GGUF" + b"\x00" * 2_500_000
    heard: list[Progress] = []
    sent = client.push_blob(
        io.BytesIO(content), digest=digest_of(content), size_bytes=len(content), on_progress=heard.append
    )
    again = client.push_blob(io.BytesIO(content), digest=digest_of(content), size_bytes=len(content))
    assert (sent, again) == (True, False)
    assert [progress.completed for progress in heard] == [1 << 20, 2 << 20, len(content)]
    assert [call.method for call in ollama_api.calls("blobs")] == ["HEAD", "POST", "HEAD"]
    assert ollama_api.blobs[digest_of(content)] == content


def test_a_blob_of_the_wrong_content_or_size_is_no_success(client: OllamaClient) -> None:
    with pytest.raises(ProviderRejected, match="digest mismatch"):
        client.push_blob(io.BytesIO(b"this"), digest=digest_of(b"that"), size_bytes=4)
    with pytest.raises(PermanentError, match="4 bytes instead of 9"):
        client.push_blob(io.BytesIO(b"this"), digest=digest_of(b"this"), size_bytes=9)
    with pytest.raises(ProviderRejected, match="400"):
        client.has_blob("sha256:1")


def test_a_pull_reports_bytes_and_a_wrong_name_is_permanent() -> None:
    with OllamaDouble(registry=("qwen3:4b",)) as double:
        client = client_of(double)
        heard: list[Progress] = []
        client.pull("qwen3:4b", on_progress=heard.append)
        assert (heard[-4].completed, heard[-4].total) == (1024, 1024)
        with pytest.raises(ModelNotFound, match="is the name right"):
            client.pull("nobody:1")


def test_what_ollama_refuses_is_permanent_and_in_its_own_words(client: OllamaClient) -> None:
    request = CreateRequest(model="m", from_="llama3.2:3b", adapters={"a.gguf": digest_of(b"a")})
    with pytest.raises(ProviderRejected, match=ADAPTERS_REFUSED) as refused:
        client.create(request)
    assert refused.value.code == "http_400"


@pytest.mark.parametrize(
    "fault,code",
    [
        ("error_500", "http_500"),
        ("drop", "connection_lost"),
        ("drop_after_effect", "connection_lost"),
        ("disk_full", "disk_full"),
        ("malformed", "malformed_answer"),
        ("no_success", "no_success"),
    ],
)
def test_a_creation_that_did_not_say_success_may_be_repeated(
    client: OllamaClient, ollama_api: OllamaDouble, fault: str, code: str
) -> None:
    ollama_api.inject(fault, "create")  # type: ignore[arg-type]
    with pytest.raises(ProviderUnavailable) as failed:
        client.create(CreateRequest.of_modelfile("tutor:1", TUTOR))
    assert failed.value.code == code
    assert not isinstance(failed.value, OllamaUnreachable)
    assert "Son 4" not in str(failed.value)
    client.create(CreateRequest.of_modelfile("tutor:1", TUTOR))


def test_ollamas_reason_for_a_late_failure_is_told(client: OllamaClient, ollama_api: OllamaDouble) -> None:
    ollama_api.inject("disk_full", "create")
    with pytest.raises(ProviderUnavailable, match="no space left on device"):
        client.create(CreateRequest.of_modelfile("tutor:1", TUTOR))


def test_a_silent_ollama_is_given_up_on(ollama_api: OllamaDouble) -> None:
    ollama_api.inject("slow", "tags", seconds=0.6)
    with pytest.raises(ProviderUnavailable) as failed:
        client_of(ollama_api, request_timeout_seconds=0.1).installed()
    assert failed.value.code == "timeout"


def test_a_creation_has_a_time_limit_as_a_whole(ollama_api: OllamaDouble) -> None:
    client = client_of(ollama_api, create_timeout_seconds=1.0)
    with pytest.raises(ProviderUnavailable, match="create_timeout_seconds") as failed:
        client.create(CreateRequest.of_modelfile("tutor:1", TUTOR), on_progress=lambda _: time.sleep(1.05))
    assert failed.value.code == "timeout"


def test_an_address_where_nobody_answers_is_told_apart_from_a_failure() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        client = OllamaClient(address, request_timeout_seconds=1, create_timeout_seconds=1)
        with pytest.raises(OllamaUnreachable, match="ollama serve"):
            client.version()


@contextmanager
def another_server(content: bytes, status: int = 200) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("content", [b"<html>Bienvenido</html>", b"[]", b'{"hello": "world"}', b"\xff"])
def test_somebody_else_at_the_address_is_not_taken_for_ollama(content: bytes) -> None:
    with another_server(content) as address:
        client = OllamaClient(address, request_timeout_seconds=5, create_timeout_seconds=5)
        with pytest.raises(OllamaUnreachable, match="OLLAMA_HOST"):
            client.version()


def test_a_redirect_is_refused_and_not_followed() -> None:
    with another_server(b"", status=301) as address:
        client = OllamaClient(address, request_timeout_seconds=5, create_timeout_seconds=5)
        with pytest.raises(ProviderRejected) as refused:
            client.version()
    assert refused.value.code == "http_301"


def test_a_proxy_in_the_environment_does_not_see_the_conversations(
    client: OllamaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert client.version() == "0.34.1"
