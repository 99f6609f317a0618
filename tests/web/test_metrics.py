"""The series against a real PostgreSQL with rows of every kind."""

from __future__ import annotations

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from ftworker.runs.states import RunState
from ftworker.settings import Settings, settings_from
from ftworker.store import Store, metrics, runs, totals
from ftworker.web import catalogue
from ftworker.web.metrics import MAX_LABEL_VALUES, stored_labels, transport_of
from tests.web.conftest import REPOSITORY, StartWeb, Web, promtool
from tests.web.rows import SECRETS, fill

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]
PROMETHEUS_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def series_of(text: str) -> Series:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(text)
        for sample in family.samples
    }


def value(series: Series, name: str, /, **labels: str) -> float:
    return series[name, frozenset(labels.items())]


@pytest.fixture(scope="module")
def series(web: Web) -> Series:
    return series_of(web.get("/metrics").text)


def test_the_inbox_shows_what_waits_and_since_when(series: Series) -> None:
    assert value(series, "ftworker_inbox_waiting_events") == 2
    assert value(series, "ftworker_inbox_postponed_events") == 1
    assert value(series, "ftworker_inbox_oldest_age_seconds") == pytest.approx(1_200, abs=30)


def test_examples_show_their_distance_to_each_threshold(series: Series) -> None:
    tutor = {"pipeline": "tutor"}
    assert value(series, "ftworker_examples_waiting", **tutor) == 8
    assert value(series, "ftworker_examples_waiting_tokens", **tutor) == 800
    assert value(series, "ftworker_examples_oldest_age_seconds", **tutor) == pytest.approx(38 * 3600, abs=30)
    assert value(series, "ftworker_trigger_min_examples", **tutor) == 10
    assert value(series, "ftworker_trigger_min_tokens", **tutor) == 2_000
    assert value(series, "ftworker_trigger_max_wait_seconds", **tutor) == 604_800
    assert value(series, "ftworker_trigger_examples_ratio", **tutor) == pytest.approx(0.8)
    assert value(series, "ftworker_trigger_tokens_ratio", **tutor) == pytest.approx(0.4)


def test_trainings_show_how_far_they_are_and_what_waits(series: Series) -> None:
    tutor = {"pipeline": "tutor", "provider": "openai"}
    assert value(series, "ftworker_trainings_running", **tutor) == 1
    assert value(series, "ftworker_training_progress_ratio", **tutor) == pytest.approx(0.25)
    assert value(series, "ftworker_training_loss", **tutor) == 1.5
    assert value(series, "ftworker_training_tokens_per_second", **tutor) == 200
    assert value(series, "ftworker_training_memory_bytes", **tutor) == 2e9
    assert value(series, "ftworker_training_crashes_total", **tutor) == 2
    waiting = {"pipeline": "other", "provider": "local"}
    assert value(series, "ftworker_trainings_waiting", **waiting) == 1
    # Of one that waits, the figures of its last process say nothing.
    assert ("ftworker_training_progress_ratio", frozenset(waiting.items())) not in series


def test_a_pipeline_without_a_threshold_has_no_distance_to_it(series: Series) -> None:
    names = {name for name, labels in series if ("pipeline", "other") in labels}
    assert "ftworker_examples_waiting" in names
    assert not {name for name in names if name.startswith("ftworker_trigger_")}


def test_examples_of_a_pipeline_that_is_no_longer_configured_are_shown(series: Series) -> None:
    assert value(series, "ftworker_examples_waiting", pipeline="retired") == 2


def test_kept_and_dropped_come_from_the_totals(series: Series) -> None:
    assert value(series, "ftworker_examples_kept_total", pipeline="tutor") == 38
    assert value(series, "ftworker_examples_dropped_total", pipeline="tutor", reason="too_short") == 7
    assert value(series, "ftworker_redactions_total", pipeline="tutor", kind="name") == 7
    assert value(series, "ftworker_examples_left_out_total", pipeline="tutor", reason="near_duplicate") == 4


def test_datasets_show_their_number_and_the_newest(series: Series) -> None:
    assert value(series, "ftworker_datasets_total", pipeline="tutor") == 2
    assert value(series, "ftworker_datasets_total", pipeline="other") == 0
    assert value(series, "ftworker_last_dataset_examples", pipeline="tutor") == 10
    assert value(series, "ftworker_last_dataset_own_model_ratio", pipeline="tutor") == 0.25
    cut = value(series, "ftworker_last_dataset_timestamp_seconds", pipeline="tutor")
    assert value(series, "ftworker_sweep_timestamp_seconds") - cut == pytest.approx(86_400, abs=30)


def test_every_configured_pipeline_shows_every_state(series: Series) -> None:
    both = {"pipeline": "tutor", "provider": "openai"}
    for state in RunState:
        expected = 1 if state in (RunState.SUBMITTED, RunState.PROMOTED) else 0
        assert value(series, "ftworker_runs", **both, state=state.value) == expected
    assert value(series, "ftworker_runs", pipeline="retired", provider="openai", state="failed") == 1


def test_a_run_in_flight_shows_how_long_it_is_there_overdue_and_silent(series: Series) -> None:
    tutor = {"pipeline": "tutor", "provider": "openai", "state": "submitted"}
    other = {"pipeline": "other", "provider": "local", "state": "parked"}
    assert value(series, "ftworker_run_state_seconds", **tutor) == pytest.approx(8 * 3600, abs=30)
    assert value(series, "ftworker_run_overdue_seconds", **tutor) == pytest.approx(900, abs=30)
    assert value(series, "ftworker_run_stalled", **tutor) == 1
    assert value(series, "ftworker_run_state_seconds", **other) == pytest.approx(3_600, abs=30)
    assert value(series, "ftworker_run_overdue_seconds", **other) == 0
    assert value(series, "ftworker_run_stalled", **other) == 0
    assert sum(name == "ftworker_run_state_seconds" for name, _ in series) == 2


def test_a_step_that_somebody_works_on_is_not_overdue(
    start_web: StartWeb, settings: Settings, filled: Store
) -> None:
    with filled.transaction() as cursor:
        cursor.execute(
            "UPDATE ftworker.runs SET lease_token = gen_random_uuid(), "
            "lease_expires_at = now() + interval '1 minute' WHERE state = 'submitted'"
        )
    now = series_of(start_web(settings, filled).get("/metrics").text)
    assert (
        value(now, "ftworker_run_overdue_seconds", pipeline="tutor", provider="openai", state="submitted")
        == 0
    )


def test_money_and_tokens_count_by_pipeline_and_provider(series: Series) -> None:
    both = {"pipeline": "tutor", "provider": "openai"}
    assert value(series, "ftworker_trained_tokens_total", **both) == 60_000
    assert value(series, "ftworker_estimated_cost_dollars", **both) == pytest.approx(2.25)
    assert value(series, "ftworker_runs_finished_total", **both, outcome="promoted") == 1
    assert value(series, "ftworker_runs_finished_total", **both, outcome="failed") == 0
    errors = {"provider": "openai", "kind": "rate_limit_exceeded", "step": "create_job"}
    assert value(series, "ftworker_provider_errors_total", **errors) == 3


def test_the_present_promotion_shows_its_time(series: Series) -> None:
    promoted = value(series, "ftworker_promotion_timestamp_seconds", pipeline="tutor")
    assert value(series, "ftworker_sweep_timestamp_seconds") - promoted == pytest.approx(86_400, abs=30)


def test_parked_messages_are_counted_by_reason(series: Series) -> None:
    assert value(series, "ftworker_parked_messages", reason="malformed_json") == 2
    assert value(series, "ftworker_parked_messages", reason="too_large") == 1
    assert value(series, "ftworker_parked_oldest_age_seconds", reason="malformed_json") == pytest.approx(
        7_200, abs=30
    )


def test_what_waits_in_quarantine_is_counted_by_pipeline(series: Series) -> None:
    assert value(series, "ftworker_quarantined_conversations", pipeline="tutor") == 2
    assert value(series, "ftworker_quarantined_conversations", pipeline="other") == 1
    oldest = value(series, "ftworker_quarantined_oldest_age_seconds", pipeline="tutor")
    assert oldest == pytest.approx(3 * 3_600, abs=30)


def test_ingest_adds_up_the_shards_of_its_totals(series: Series) -> None:
    assert value(series, "ftworker_ingest_events_total", transport="amqp") == 1_000
    assert value(series, "ftworker_ingest_events_total", transport="stream") == 5
    assert value(series, "ftworker_ingest_duplicates_total", transport="amqp") == 20
    assert value(series, "ftworker_ingest_parked_total", transport="amqp", reason="malformed_json") == 3
    assert value(series, "ftworker_ingest_batches_total", transport="amqp") == 4


def test_the_batch_sizes_are_a_histogram_whose_buckets_add_up(series: Series) -> None:
    def bucket(bound: str) -> float:
        return value(series, "ftworker_ingest_batch_size_bucket", transport="amqp", le=bound)

    assert [bucket(le) for le in ("5.0", "10.0", "250.0", "500.0", "10000.0", "+Inf")] == [0, 1, 1, 3, 3, 4]
    assert value(series, "ftworker_ingest_batch_size_count", transport="amqp") == 4
    assert value(series, "ftworker_ingest_batch_size_sum", transport="amqp") == 1_023


def test_processes_are_counted_alive_and_missing_ones_show_as_zero(series: Series) -> None:
    alive = {
        dict(labels)["name"]: count
        for (name, labels), count in series.items()
        if name == "ftworker_processes"
    }
    assert alive == {"ingest": 1, "worker": 2, "beat": 1, "web": 1, "trainer": 0}


def test_the_scrape_speaks_of_itself(series: Series) -> None:
    assert value(series, "ftworker_scrape_success") == 1
    assert 0 < value(series, "ftworker_scrape_duration_seconds") < 5
    (build,) = [labels for name, labels in series if name == "ftworker_build_info"]
    assert dict(build).keys() == {"version", "python"}


def test_filled_tables_give_every_metric_of_the_catalogue_and_no_other(web: Web) -> None:
    parsed = parse_openmetrics(_openmetrics(web))  # type: ignore[no-untyped-call]
    families = {family.name: family for family in parsed}
    assert {metric.family: metric.type for metric in catalogue.all_metrics()} == {
        name: family.type for name, family in families.items()
    }
    for metric in catalogue.all_metrics():
        used = {label for sample in families[metric.family].samples for label in sample.labels}
        assert used == set(metric.labels) | ({"le"} if metric.type == "histogram" else set()), metric.name
        assert used <= set(catalogue.LABELS)


def _openmetrics(web: Web) -> str:
    answer = web.get("/metrics", headers={"Accept": PROMETHEUS_ACCEPT})
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    return answer.text


def test_promtool_finds_nothing_to_say_about_the_metrics(web: Web) -> None:
    assert promtool("check", "metrics", text=web.get("/metrics").text) == ""


def test_an_empty_database_gives_zeros_for_what_the_configuration_expects(
    start_web: StartWeb, settings: Settings, store: Store
) -> None:
    series = series_of(start_web(settings, store).get("/metrics").text)
    assert value(series, "ftworker_scrape_success") == 1
    # The broker is amqp, so the first event will be counted under amqp.
    assert value(series, "ftworker_ingest_events_total", transport="amqp") == 0
    assert value(series, "ftworker_examples_kept_total", pipeline="tutor") == 0
    assert value(series, "ftworker_inbox_oldest_age_seconds") == 0
    assert value(series, "ftworker_processes", name="beat") == 0
    assert "ftworker_inbox_last_received_timestamp_seconds" not in {name for name, _ in series}


def test_what_is_written_by_the_store_is_what_is_read(
    start_web: StartWeb, settings: Settings, filled: Store
) -> None:
    with filled.transaction() as cursor:
        metrics.record_sweep(cursor)
        (parked,) = [run for run in runs.list_runs(cursor) if run.state is RunState.PARKED]
        runs.move_run(cursor, parked, RunState.FAILED, message="given up", delay_seconds=None)
        totals.add(cursor, {("examples_kept", totals.label_text(pipeline="other")): 3})
    series = series_of(start_web(settings, filled).get("/metrics").text)
    given_up = {"outcome": "failed", "pipeline": "other", "provider": "local"}
    assert value(series, "ftworker_runs_finished_total", **given_up) == 1
    assert value(series, "ftworker_examples_kept_total", pipeline="other") == 3


def test_two_sweeps_leave_the_later_time_in_one_row(store: Store) -> None:
    for _ in range(2):
        with store.transaction() as cursor:
            metrics.record_sweep(cursor)
    with store.transaction() as cursor:
        cursor.execute(
            "SELECT count(*), extract(epoch FROM now()) - max(value) FROM ftworker.totals WHERE name = %s",
            (metrics.SWEEP_TOTAL,),
        )
        row = cursor.fetchone()
    assert row is not None
    assert row[0] == 1
    assert row[1] < 30


@pytest.mark.parametrize("path", ["/metrics", "/", "/?still", "/healthz", "/conversations", "/me%20llamo"])
def test_nothing_that_anybody_said_or_is_called_leaves_the_database(web: Web, path: str) -> None:
    for accept in ("text/html", PROMETHEUS_ACCEPT):
        answer = web.get(path, headers={"Accept": accept})
        everything = answer.text + str(answer.headers)
        assert [
            secret for secret in (*SECRETS, "Lucía", "hunter2", "secret-bucket") if secret in everything
        ] == []


def test_the_rows_of_the_tests_hold_personal_data_in_every_table_that_could(filled: Store) -> None:
    names_and_codes_alone = {"migrations", "pipelines", "drops"}
    # Ids, codes and hashes alone.
    names_and_codes_alone |= {"dataset_left_out", "golden_examples", "quarantine_reviews"}
    with filled.transaction() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'ftworker'")
        tables = {name for (name,) in cursor.fetchall()}
        for table in sorted(tables - names_and_codes_alone):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM ftworker.\"{table}\" AS t")
            row = cursor.fetchone()
            assert row is not None
            assert row[0], f"tests/web/rows.py puts nothing into {table}"
            # bytea shows as hexadecimal digits
            hidden = [secret.encode().hex() for secret in SECRETS]
            assert any(secret in row[0] for secret in (*SECRETS, *hidden)), table


def test_a_label_takes_codes_alone_and_not_without_end(
    start_web: StartWeb, settings: Settings, store: Store
) -> None:
    with store.transaction() as cursor:
        totals.add(
            cursor,
            {
                ("provider_errors", totals.label_text(provider="openai", kind=f"code_{n}", step="upload")): 1
                for n in range(MAX_LABEL_VALUES + 50)
            },
        )
        totals.add(
            cursor, {("examples_dropped", totals.label_text(pipeline="tutor", reason="me llamo Lucía")): 2}
        )
    series = series_of(start_web(settings, store).get("/metrics").text)
    kinds = {dict(labels)["kind"] for name, labels in series if name == "ftworker_provider_errors_total"}
    assert len(kinds) == MAX_LABEL_VALUES + 1
    assert (
        value(series, "ftworker_provider_errors_total", provider="openai", kind="other", step="upload") == 50
    )
    assert value(series, "ftworker_examples_dropped_total", pipeline="tutor", reason="other") == 2


def test_every_pipeline_is_shown_however_many_there_are(start_web: StartWeb, store: Store) -> None:
    names: dict[str, dict[str, str]] = {f"course-{n}": {} for n in range(MAX_LABEL_VALUES + 50)}
    fill(store)
    web = start_web(settings_from({"web": {"cache_seconds": 0}, "pipelines": names}), store)
    series = series_of(web.get("/metrics").text)
    shown = {dict(labels)["pipeline"] for name, labels in series if name == "ftworker_examples_waiting"}
    assert set(names) <= shown


@pytest.mark.parametrize(
    "text,labels",
    [
        ("", {}),
        ("pipeline=tutor", {"pipeline": "tutor"}),
        ("pipeline=tutor,reason=too_short", {"pipeline": "tutor", "reason": "too_short"}),
        ("le=+Inf,transport=amqp", {"le": "+Inf", "transport": "amqp"}),
        ("=x,broken", {"broken": ""}),
    ],
)
def test_stored_labels_are_read_as_they_are_written(text: str, labels: dict[str, str]) -> None:
    assert stored_labels(text) == labels


@pytest.mark.parametrize(
    "url,transport",
    [
        (None, None),
        ("amqp://h/", "amqp"),
        ("amqps://h/", "amqp"),
        ("redis://h/0", "stream"),
        ("rediss://h", "stream"),
    ],
)
def test_the_transport_follows_from_the_url_of_the_events(url: str | None, transport: str | None) -> None:
    assert transport_of(url) == transport


def test_the_documentation_is_what_the_catalogue_writes() -> None:
    text = (REPOSITORY / "docs" / "METRICS.md").read_text(encoding="utf-8")
    assert catalogue.with_written_part(text) == text, "run: python -m ftworker.web.catalogue docs/METRICS.md"


def test_the_documentation_is_not_written_where_its_marks_are_missing() -> None:
    with pytest.raises(ValueError, match="no marks"):
        catalogue.with_written_part("# Metrics")


def test_each_metric_has_a_name_a_unit_and_labels_by_the_rules() -> None:
    metrics_ = list(catalogue.all_metrics())
    assert len({metric.name for metric in metrics_}) == len(metrics_)
    for metric in metrics_:
        assert re.fullmatch(r"ftworker_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.name.endswith("_seconds") == metric.unit.startswith("seconds"), metric.name
        assert metric.meaning.endswith(".")
        assert list(metric.labels) == sorted(metric.labels) or metric is catalogue.BUILD
        assert not {"user", "conversation", "conversation_id", "tenant", "course"} & set(metric.labels)
