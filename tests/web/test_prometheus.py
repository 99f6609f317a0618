"""The real process, scraped by a real Prometheus, with the rules and the dashboard that are shipped."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftworker.store import Store
from ftworker.web import catalogue
from tests.conftest import StartProcess
from tests.servers import OwnProcess, PostgresServer, free_port, wait_until
from tests.web.conftest import CONFIG, PrometheusServer, request
from tests.web.rows import SECRETS, fill
from tests.web.test_shipped_config import alerts, dashboard_expressions


def start_ftworker_web(
    start_process: StartProcess, tmp_path: Path, database_url: str
) -> tuple[OwnProcess, str]:
    configuration = tmp_path / "ftworker.toml"
    configuration.write_text(
        "[web]\ncache_seconds = 0.2\n[pipelines.tutor]\nprovider = 'openai'\n"
        "[pipelines.tutor.trigger]\nmin_examples = 10\nmin_tokens = 2000\nmax_wait_seconds = 604800\n",
        encoding="utf-8",
    )
    port = free_port()
    process = start_process(
        ["ftworker", "web", "--port", str(port)],
        {
            "FTWORKER_CONFIG": str(configuration),
            "FTWORKER_DATABASE_URL": database_url,
            "FTWORKER_BROKER_URL": "amqp://guest:guest@127.0.0.1/",
        },
    )
    process.wait_for_output(f"http://127.0.0.1:{port}")
    return process, f"127.0.0.1:{port}"


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[PrometheusServer]:
    directory = tmp_path / "prometheus"
    directory.mkdir()
    server = PrometheusServer(directory)
    yield server
    server.stop()


def test_prometheus_scrapes_every_metric_and_the_rules_and_the_dashboard_work_on_them(
    start_process: StartProcess,
    tmp_path: Path,
    database_url: str,
    prometheus: PrometheusServer,
    postgres_server: PostgresServer,
) -> None:
    store = Store(database_url)
    fill(store)
    store.close()
    process, address = start_ftworker_web(start_process, tmp_path, database_url)
    shipped = (CONFIG / "prometheus.yml").read_text(encoding="utf-8")
    for ours, theirs in (
        ("web:9464", address),
        ("_interval: 15s", "_interval: 1s"),
        ("alerts/*.rules.yml", f"{CONFIG}/alerts/*.rules.yml"),
    ):
        assert ours in shipped
        shipped = shipped.replace(ours, theirs)
    prometheus.configure(shipped)
    prometheus.start()

    def scraped() -> bool:
        return [sample["value"][1] for sample in prometheus.query("ftworker_scrape_success")] == ["1"]

    wait_until(scraped, 30)
    names = set(prometheus.api("label/__name__/values"))
    assert {name for metric in catalogue.all_metrics() for name in metric.series} <= names
    assert [s["value"][1] for s in prometheus.query('ftworker_trigger_examples_ratio{pipeline="tutor"}')] == [
        "0.8"
    ]
    # Metadata comes from TYPE, HELP and UNIT of the answer.
    metadata = prometheus.api("metadata")
    for metric in catalogue.all_metrics():
        (said,) = metadata[metric.family]
        assert said["type"] == metric.type
        assert said["help"] == metric.meaning
    for expression in dashboard_expressions():
        prometheus.query(expression)
    # All series together, so that a label or a value cannot hide from the search.
    everything = json.dumps(prometheus.query('{job="ftworker"}'), ensure_ascii=False)
    assert [secret for secret in SECRETS if secret in everything] == []

    def rules() -> dict[str, str]:
        (group,) = prometheus.api("rules")["groups"]
        assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
        return {rule["name"]: rule["state"] for rule in group["rules"]}

    wait_until(lambda: rules().get("FtworkerRunParked") == "firing", 30)
    states = rules()
    assert set(states) == {alert["alert"] for alert in alerts()}
    # 20 minutes of waiting, a job that is silent for 7 hours, a due step: wait for their `for`.
    for name in (
        "FtworkerConversationWaiting",
        "FtworkerRunStalled",
        "FtworkerRunOverdue",
        "FtworkerProcessMissing",
    ):
        assert states[name] == "pending"
    for name in ("FtworkerWebDown", "FtworkerScrapeFailing", "FtworkerProviderDisabled", "FtworkerRunFailed"):
        assert states[name] == "inactive"

    postgres_server.stop()
    wait_until(lambda: prometheus.query("ftworker_scrape_success == 0 and up == 1"), 30)
    wait_until(lambda: rules()["FtworkerScrapeFailing"] == "pending", 30)
    # Nothing pretends to be known while the database is away.
    assert prometheus.query("ftworker_examples_waiting") == []
    postgres_server.start()
    wait_until(scraped, 30)

    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    wait_until(lambda: prometheus.query('up{job="ftworker"} == 0'), 30)


def test_the_process_says_where_it_is_answers_and_ends_in_order(
    start_process: StartProcess, tmp_path: Path, database_url: str
) -> None:
    process, address = start_ftworker_web(start_process, tmp_path, database_url)
    assert request(f"http://{address}", "/healthz").status == 200
    assert request(f"http://{address}", "/").status == 200
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0
    assert "Traceback" not in process.output()


def test_the_process_starts_and_answers_before_its_database_does(
    start_process: StartProcess, tmp_path: Path
) -> None:
    nowhere = f"postgresql://ftworker:hunter2@127.0.0.1:{free_port()}/nothing"
    process, address = start_ftworker_web(start_process, tmp_path, nowhere)
    assert "ftworker_scrape_success 0.0" in request(f"http://{address}", "/metrics").text
    assert request(f"http://{address}", "/healthz").status == 503
    assert process.terminate() == 0
    assert "hunter2" not in process.output()


def test_a_port_in_use_is_an_answer_and_not_a_traceback(
    start_process: StartProcess, tmp_path: Path, database_url: str
) -> None:
    _, address = start_ftworker_web(start_process, tmp_path, database_url)
    second = start_process(
        ["ftworker", "web", "--port", address.rpartition(":")[2]],
        {"FTWORKER_DATABASE_URL": database_url, "FTWORKER_BROKER_URL": "amqp://127.0.0.1/"},
    )
    assert second.wait() == 1
    assert "cannot listen on 127.0.0.1" in second.output()
    assert "Traceback" not in second.output()


def test_a_port_that_is_none_is_wrong_usage(start_process: StartProcess) -> None:
    process = start_process(["ftworker", "web", "--port", "70000"])
    assert process.wait() == 2
    assert "70000" in process.output()
