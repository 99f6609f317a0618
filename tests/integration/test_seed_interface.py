"""The interface that the RAG's own documentation promises: its snippets and commands, taken from the document and run.

Only the server's address in the snippets is replaced; the name, the password with its ñ and the database stay.
"""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import psycopg2
import pytest

from tests.doubles.ollama_api import OllamaDouble
from tests.doubles.openai_api import OpenAIDouble
from tests.integration.workbench import StartProcess
from tests.servers import PostgresServer

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENT = (REPOSITORY / "docs" / "RAG_FINE_TUNING.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
COMMANDS = [
    line
    for block in re.findall(r"```bash\n(.*?)```", DOCUMENT, re.DOTALL)
    for line in block.splitlines()
    if line[:1] == "p"
]
ADDRESS = "postgresql://usuario:contraseña@localhost:5432/basededatos"


@pytest.fixture
def rag_url(postgres_server: PostgresServer) -> str:
    """The RAG's database as the document names it, with 24 conversations in tables nobody described."""
    admin = postgres_server.create_database()
    connection = psycopg2.connect(admin)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS basededatos")
        cursor.execute("DROP ROLE IF EXISTS usuario")
        cursor.execute("CREATE ROLE usuario LOGIN PASSWORD 'contraseña'")
        cursor.execute("CREATE DATABASE basededatos OWNER usuario")
    parameters = connection.get_dsn_parameters()
    connection.close()
    place = ADDRESS.replace("localhost:5432", f"127.0.0.1:{parameters['port']}")
    with psycopg2.connect(place) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE conversaciones (id serial PRIMARY KEY, usuario_id text)")
        cursor.execute(
            "CREATE TABLE mensajes (id serial PRIMARY KEY, conversacion_id int REFERENCES conversaciones, "
            "rol text, contenido text, creado_en timestamptz DEFAULT now())"
        )
        for number in range(24):
            cursor.execute(
                "INSERT INTO conversaciones (usuario_id) VALUES (%s) RETURNING id", (f"alumno-{number % 6}",)
            )
            [key] = cursor.fetchall()[0]
            for role, text in (
                ("usuario", f"¿Cuál es la fórmula número {number} de la energía?"),
                (
                    "asistente",
                    f"La fórmula número {number} relaciona energía y masa: E=mc², explicación {number}.",
                ),
            ):
                cursor.execute(
                    "INSERT INTO mensajes (conversacion_id, rol, contenido) VALUES (%s, %s, %s)",
                    (key, role, text),
                )
    connection.close()
    return place


def environment(rag_url: str, **more: str) -> dict[str, str]:
    return {"RAG_DATABASE_URL": rag_url, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": "utf-8", **more}


def test_the_document_has_two_snippets_and_two_commands() -> None:
    assert len(SNIPPETS) == 2
    assert COMMANDS == [
        "python main.py --fine-tune --provider local",
        "python main.py --fine-tune --provider openai",
    ]


def test_the_openai_snippet_starts_a_fine_tuning(
    rag_url: str, start_process: StartProcess, openai_api: OpenAIDouble, tmp_path: Path
) -> None:
    openai_api.add_model("gpt-3.5-turbo")
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        SNIPPETS[0].replace(ADDRESS, rag_url).replace("tu_api_key_de_openai", openai_api.keys[0]),
        encoding="utf-8",
    )
    process = start_process(
        [sys.executable, str(snippet)], environment(rag_url, OPENAI_BASE_URL=openai_api.base_url)
    )
    process.wait(60)

    assert "Fine-tuning iniciado correctamente" in process.output()
    assert openai_api.jobs_created == 1
    [train] = (tmp_path / "datos_fine_tuning" / "datasets").glob("*/*/train.jsonl")
    row = json.loads(train.read_text(encoding="utf-8").split("\n")[0])
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    assert "fórmula" in train.read_text(encoding="utf-8")


def test_a_model_that_openai_shut_down_is_an_error_that_says_so(
    rag_url: str, start_process: StartProcess, openai_api: OpenAIDouble, tmp_path: Path
) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        SNIPPETS[0].replace(ADDRESS, rag_url).replace("tu_api_key_de_openai", openai_api.keys[0]),
        encoding="utf-8",
    )
    process = start_process(
        [sys.executable, str(snippet)], environment(rag_url, OPENAI_BASE_URL=openai_api.base_url)
    )
    process.wait(60)

    assert "Error al iniciar fine-tuning" in process.output()
    assert "gpt-3.5-turbo" in process.output()
    assert openai_api.jobs_created == 0


def test_a_call_after_a_refused_one_tries_again_with_what_was_put_right(
    rag_url: str, start_process: StartProcess, openai_api: OpenAIDouble, tmp_path: Path
) -> None:
    openai_api.add_model("gpt-double")
    script = tmp_path / "again.py"
    script.write_text(
        "import sys\nfrom fine_tuning.manager import FineTuningManager\n"
        "for key, model in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    manager = FineTuningManager(provider='openai', openai_api_key=key, openai_model=model)\n"
        "    print(manager.run_fine_tuning().state)\n",
        encoding="utf-8",
    )
    calls = ["sk-refused", "gpt-double", openai_api.keys[0], "gpt-gone", openai_api.keys[0], "gpt-double"]
    process = start_process(
        [sys.executable, str(script), *calls], environment(rag_url, OPENAI_BASE_URL=openai_api.base_url)
    )
    assert process.wait(60) == 0, process.output()
    assert re.findall(r"^(?:failed|submitted)$", process.output(), re.MULTILINE) == [
        "failed",
        "failed",
        "submitted",
    ]
    assert openai_api.jobs_created == 1


def test_a_local_call_registers_what_waited_for_ollama(
    rag_url: str, start_process: StartProcess, ollama_api: OllamaDouble, tmp_path: Path
) -> None:
    command = [sys.executable, str(REPOSITORY / "main.py"), "--fine-tune", "--provider", "local"]
    first = start_process(command, environment(rag_url, OLLAMA_HOST="127.0.0.1:9"), cwd=tmp_path)
    assert first.wait(60) == 0, first.output()
    second = start_process(command, environment(rag_url, OLLAMA_HOST=ollama_api.url), cwd=tmp_path)
    assert second.wait(60) == 0, second.output()
    assert "Fine-tuning terminado" in second.output()


def test_the_local_snippet_prepares_data_and_instructions(
    rag_url: str, start_process: StartProcess, tmp_path: Path
) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        SNIPPETS[1].replace(ADDRESS, rag_url) + "\nprint(resultado)\nassert resultado\n", encoding="utf-8"
    )
    process = start_process([sys.executable, str(snippet)], environment(rag_url, OLLAMA_HOST="127.0.0.1:9"))

    assert process.wait(60) == 0, process.output()
    assert "ollama create" in process.output()
    [train] = (tmp_path / "datos_fine_tuning" / "datasets").glob("*/*/train.json")
    rows = json.loads(train.read_text(encoding="utf-8"))
    assert set(rows[0]) == {"instruction", "response"}
    assert list((tmp_path / "datos_fine_tuning").glob("runs/*/Modelfile"))


def test_the_two_commands_run_one_after_the_other(
    rag_url: str,
    start_process: StartProcess,
    openai_api: OpenAIDouble,
    ollama_api: OllamaDouble,
    tmp_path: Path,
) -> None:
    """Each provider gets every conversation once, and a second call begins nothing new."""
    (tmp_path / "main.py").write_text((REPOSITORY / "main.py").read_text(encoding="utf-8"), encoding="utf-8")
    variables = environment(
        rag_url,
        OPENAI_BASE_URL=openai_api.base_url,
        OPENAI_API_KEY=openai_api.keys[0],
        OLLAMA_HOST=ollama_api.url,
    )

    def run(command: str) -> str:
        words = shlex.split(command)
        process = start_process([sys.executable, *words[1:]], variables, cwd=tmp_path)
        assert process.wait(60) == 0, process.output()
        return process.output()

    assert "Fine-tuning terminado" in run(COMMANDS[0])
    assert "Fine-tuning iniciado" in run(COMMANDS[1])
    assert openai_api.jobs_created == 1
    [job] = openai_api.account.jobs
    openai_api.finish(job)
    with psycopg2.connect(rag_url) as connection, connection.cursor() as cursor:
        cursor.execute("UPDATE ftworker.runs SET next_action_at = now() WHERE state = 'submitted'")
    connection.close()
    again = run(COMMANDS[1] + " --wait")
    assert "modelo ft:" in again
    assert "No hay conversaciones nuevas" in run(COMMANDS[1])
    assert openai_api.jobs_created == 1


def test_names_of_the_configured_list_are_replaced_and_the_allowed_ones_stay(
    rag_url: str, start_process: StartProcess, tmp_path: Path
) -> None:
    """The settings that the document shows, taken from it; what waits for a person is found by its commands."""
    [settings] = re.findall(r"```toml\n(.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "ftworker.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "alumnado.txt").write_text("Urrutia Peral, Candela\n", encoding="utf-8")
    said = (
        ("usuario", "lo he hecho con candela urrutia. ¿qué descubrió Marie Curie?"),
        (
            "asistente",
            "Marie Curie descubrió el polonio y el radio, y estudió la radiactividad toda su vida.",
        ),
        ("usuario", "mi teléfono es el 612 345 678, ¿me llamas?"),
        ("asistente", "No puedo llamar por teléfono, pero aquí puedes preguntarme lo que necesites."),
    )
    with psycopg2.connect(rag_url) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO conversaciones (usuario_id) VALUES ('alumno-0') RETURNING id")
        [[first]] = cursor.fetchall()
        cursor.execute("INSERT INTO conversaciones (usuario_id) VALUES ('alumno-1') RETURNING id")
        [[second]] = cursor.fetchall()
        rows = [(first, *line) for line in said]
        rows += [(second, "usuario", "me siento muy sola y no quiero vivir"), (second, *said[3])]
        for row in rows:
            cursor.execute("INSERT INTO mensajes (conversacion_id, rol, contenido) VALUES (%s, %s, %s)", row)
    connection.close()
    variables = environment(rag_url, OLLAMA_HOST="127.0.0.1:9", FTWORKER_DATABASE_URL=rag_url)
    process = start_process(
        [sys.executable, str(REPOSITORY / "main.py"), "--fine-tune", "--provider", "local"],
        variables,
        cwd=tmp_path,
    )

    assert process.wait(60) == 0, process.output()
    files = (tmp_path / "datos_fine_tuning" / "datasets").glob("*/*/*.json")
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert "[NOMBRE_1]. ¿qué descubrió Marie Curie?" in text
    assert "[TELEFONO_1]" in text
    for word in ("urrutia", "612 345", "muy sola"):
        assert word not in text.lower()
    listed = start_process(
        [sys.executable, "-m", "ftworker.cli", "quarantine", "list"], variables, cwd=tmp_path
    )
    assert listed.wait(30) == 0
    assert "quarantined_wellbeing" in listed.output()


def test_trouble_is_a_false_result_that_says_what_to_do(start_process: StartProcess, tmp_path: Path) -> None:
    process = start_process(
        [sys.executable, str(REPOSITORY / "main.py"), "--fine-tune", "--provider", "local"],
        {"PYTHONPATH": str(REPOSITORY), "RAG_DATABASE_URL": "postgresql://u:secreta@127.0.0.1:9/x"},
    )
    assert process.wait(60) == 1
    assert "does not accept a connection" in process.output() or "does not answer" in process.output()
    assert "secreta" not in process.output()
    assert "Traceback" not in process.output()
