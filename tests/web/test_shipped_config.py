"""config/: what Prometheus and Grafana are given is valid and speaks of metrics, labels and codes that exist."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftworker.providers.openai_errors import CLOSED
from ftworker.runs.states import RunState
from ftworker.web import catalogue
from tests.web.conftest import CONFIG, REPOSITORY, promtool

RULES = CONFIG / "alerts" / "ftworker.rules.yml"
DASHBOARD = CONFIG / "grafana" / "ftworker.json"
RULE_TESTS = REPOSITORY / "tests" / "web" / "alerts.test.yml"

SERIES = {name: metric for metric in catalogue.all_metrics() for name in metric.series}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def dashboard() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return loaded


def dashboard_expressions() -> list[str]:
    """Every expression of the dashboard, as Grafana would send it."""
    return [
        target["expr"].replace("$__rate_interval", "5m").replace("$__range", "1d").replace("$pipeline", ".*")
        for panel in dashboard()["panels"]
        for target in panel.get("targets", [])
    ]


def expressions() -> Iterator[str]:
    yield from (alert["expr"] for alert in alerts())
    yield from dashboard_expressions()


def test_prometheus_accepts_the_configuration_and_the_rules() -> None:
    assert "1 rule files found" in promtool("check", "config", str(CONFIG / "prometheus.yml"))
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(RULES))


def test_the_alerts_fire_when_they_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))


def test_each_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
    quiet = {check["alertname"] for check in tests[0]["alert_rule_test"] if not check["exp_alerts"]}
    firing = {
        name
        for test in tests
        for check in test.get("promql_expr_test", [])
        if check["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', check["expr"])
    }
    assert {alert["alert"] for alert in alerts()} == quiet == firing


def test_each_alert_says_what_it_means_and_where_to_read_on() -> None:
    headings = re.findall(
        r"^### (\w+)$", (REPOSITORY / "docs/METRICS.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    named = [alert["alert"] for alert in alerts()]
    assert [heading for heading in headings if heading.startswith("Ftworker")] == named
    for alert in alerts():
        notes = alert["annotations"]
        assert notes.keys() == {"summary", "description", "runbook"}
        assert notes["runbook"] == f"docs/METRICS.md#{alert['alert'].lower()}"
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}


@pytest.mark.parametrize("expression", list(expressions()))
def test_every_expression_names_metrics_and_labels_that_exist(expression: str) -> None:
    names = set(re.findall(r"\bftworker_\w+", expression))
    assert names <= SERIES.keys(), expression
    known = {"job"} | {label for name in names for label in SERIES[name].labels}
    known |= {"le"} if any(name.endswith("_bucket") for name in names) else set()
    used = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", expression))
    for grouped in re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", expression):
        used |= {label.strip() for label in grouped.split(",") if label.strip()}
    assert used <= known, expression


def test_prometheus_can_parse_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"check:{n}", "expr": text} for n, text in enumerate(dashboard_expressions())]
    file = tmp_path / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(file))


def test_the_alert_on_closed_providers_knows_the_codes_that_close_them() -> None:
    (expression,) = [alert["expr"] for alert in alerts() if alert["alert"] == "FtworkerProviderDisabled"]
    (codes,) = re.findall(r'kind=~"([^"]*)"', expression)
    assert set(codes.split("|")) == CLOSED


def test_states_and_processes_in_expressions_exist() -> None:
    for expression in expressions():
        for state in re.findall(r'state="(\w+)"', expression):
            assert state in set(RunState)
        for outcome in re.findall(r'outcome="(\w+)"', expression):
            assert outcome in set(RunState)


def test_the_dashboard_is_one_that_grafana_can_import() -> None:
    loaded = dashboard()
    assert loaded["uid"] == loaded["title"] == "ftworker"
    assert loaded["schemaVersion"] >= 36
    variables = {variable["name"]: variable for variable in loaded["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["pipeline"]["definition"] == "label_values(ftworker_examples_waiting, pipeline)"
    panels = loaded["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))


def test_the_panels_of_the_dashboard_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        )
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
