"""Rosters: names from files and databases, for each tenant, read again in time, and never in a message."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ftworker import rosters
from ftworker.errors import ConfigurationError, NotFound, SourceRejected, SourceUnavailable
from ftworker.rosters import read_roster, scanner_for
from ftworker.settings import Settings, settings_from
from tests.sources.conftest import RagDatabase, _rag_database_url, rag

__all__ = ["_rag_database_url", "rag"]

SCHOOL = "García López, Yingjia\nOumaima El Khattabi\n# de baja\n\nSol Pérez\n"


@pytest.fixture
def school(tmp_path: Path) -> Path:
    path = tmp_path / "school.txt"
    path.write_text(SCHOOL, encoding="utf-8")
    return path


def configured(**privacy: Any) -> Settings:
    return settings_from(
        {"privacy": privacy, "pipelines": {"tutor": {}, "open": {"curation": {"personal_data": "keep"}}}}
    )


def finds(settings: Settings, text: str, tenant: str | None = "north", pipeline: str = "tutor") -> list[str]:
    return [text[find.start : find.end] for find in scanner_for(settings, pipeline, tenant).find(text)]


def test_a_file_of_names_is_looked_for(school: Path) -> None:
    settings = configured(rosters={"school": {"file": str(school)}})
    assert finds(settings, "yingjia garcia y Oumaima") == ["yingjia garcia", "Oumaima"]
    assert finds(configured(), "yingjia vino") == []


def test_a_roster_serves_its_tenant_alone_and_all_where_nobody_knows_the_tenant(school: Path) -> None:
    settings = configured(rosters={"south": {"file": str(school), "tenant": "south"}})
    assert finds(settings, "yingjia vino", "south") == finds(settings, "yingjia vino", None) == ["yingjia"]
    assert finds(settings, "yingjia vino", "north") == []


def test_a_pipeline_that_keeps_personal_data_reads_no_roster() -> None:
    settings = configured(rosters={"school": {"file": "/nowhere/names.txt"}})
    assert finds(settings, "yingjia vino", pipeline="open") == []
    with pytest.raises(NotFound, match="no pipeline named 'other'"):
        scanner_for(settings, "other", None)


def test_the_scanner_stays_the_same_until_the_names_change(
    school: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(rosters, "_kept", rosters._Kept(lambda: now[0]))
    settings = configured(rosters={"school": {"file": str(school), "refresh_seconds": 60}})
    first = scanner_for(settings, "tutor", "north")
    school.write_text("Zhenya Petrova\n", encoding="utf-8")
    now[0] = 59
    assert scanner_for(settings, "tutor", "north") is first
    now[0] = 61
    assert scanner_for(settings, "tutor", "north") is not first
    assert finds(settings, "zhenya y yingjia") == ["zhenya"]
    second = scanner_for(settings, "tutor", "north")
    now[0] = 122
    assert scanner_for(settings, "tutor", "north") is second


def test_a_roster_that_cannot_be_read_again_keeps_its_names_and_says_so(
    school: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr(rosters, "_kept", rosters._Kept(lambda: now[0]))
    settings = configured(rosters={"school": {"file": str(school), "refresh_seconds": 60}})
    assert finds(settings, "yingjia vino") == ["yingjia"]
    school.unlink()
    now[0] = 61
    with caplog.at_level(logging.WARNING, "ftworker.rosters"):
        assert finds(settings, "yingjia vino") == ["yingjia"]
        assert finds(settings, "yingjia vino") == ["yingjia"]
    [said] = caplog.messages
    assert "roster school keeps the names it had" in said
    assert "privacy.rosters.school.file" in said
    school.write_text("Zhenya Petrova\n", encoding="utf-8")
    now[0] = 122
    assert finds(settings, "zhenya vino") == ["zhenya"]


def test_terms_that_are_allowed_come_from_the_setting_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "allow.txt").write_text("Carmen Ruiz\n", encoding="utf-8")
    settings = configured(allow=["Marta Soler"], allow_file=str(tmp_path / "allow.txt"))
    assert finds(settings, "Carmen Ruiz, Marta Soler y Laura Vidal") == ["Laura Vidal"]


@pytest.mark.parametrize(
    "content,expected",
    [
        (None, "a text file that can be read"),
        (b"", "at least one name"),
        ("Yingjia\nMuñoz\n".encode("latin-1"), "line 2 is not"),
        (b"Yingjia Chen;2B\n", "entry 1 holds ';'"),
        (b"Yingjia Chen\t2B\n", "entry 1 holds a tab"),
        (b"Yingjia 12345678Z\n", "entry 1 holds a digit"),
        (b"Yingjia " * 100, "line 1 has 799 characters"),
    ],
)
def test_a_wrong_file_is_explained_without_a_name(
    tmp_path: Path, content: bytes | None, expected: str
) -> None:
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError) as raised:
        finds(configured(rosters={"school": {"file": str(path)}}), "hola")
    assert expected in str(raised.value)
    assert "privacy.rosters.school.file" in str(raised.value)
    assert "Yingjia" not in str(raised.value)


def test_a_file_with_a_byte_order_mark_and_windows_line_ends_is_read(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes(b"\xef\xbb\xbfYingjia Chen\r\nZhenya Petrova\r\n")
    assert read_roster(configured(rosters={"school": {"file": str(path)}}), "school") == [
        "Yingjia Chen",
        "Zhenya Petrova",
    ]


def in_database(rag: RagDatabase, query: str, **source: Any) -> Settings:
    return settings_from(
        {
            "sources": {"moodle": {"preset": "messages", "url": rag.url, **source}},
            "privacy": {"rosters": {"school": {"source": "moodle", "query": query}}},
            "pipelines": {"tutor": {}},
        }
    )


PEOPLE = """
CREATE TABLE people (first text, last text, age int);
INSERT INTO people VALUES ('Yingjia', 'Chen Wu', 12), ('Zhenya', 'Petrova', 13), (NULL, NULL, 14), ('', '', 15);
"""


def test_names_come_from_a_query_in_a_source(rag: RagDatabase) -> None:
    rag.run(PEOPLE)
    settings = in_database(
        rag, "SELECT last || ', ' || first FROM people WHERE last LIKE '%e%' OR last IS NULL;"
    )
    assert sorted(read_roster(settings, "school")) == ["Chen Wu, Yingjia", "Petrova, Zhenya"]
    assert finds(settings, "yingjia y zhenya petrova") == ["yingjia", "zhenya petrova"]


def test_a_query_can_change_nothing(rag: RagDatabase) -> None:
    rag.run(PEOPLE)
    for query in (
        "DELETE FROM people RETURNING first",
        "WITH gone AS (DELETE FROM people RETURNING first) SELECT * FROM gone",
    ):
        with pytest.raises(SourceRejected, match=r"privacy\.rosters\.school\.query"):
            read_roster(in_database(rag, query), "school")
    assert rag.run("SELECT count(*) FROM people") == [(4,)]


@pytest.mark.parametrize(
    "query,expected",
    [
        ("SELECT age FROM people", "its first column holds int"),
        ("SELECT first FROM pupils", 'relation "pupils" does not exist'),
        ("SELECT first::int FROM people WHERE first <> ''", "its rows cannot be read"),
        ("SELECT first FROM people WHERE age > 99", "at least one name"),
        ("SELEKT", "SyntaxError"),
    ],
)
def test_a_wrong_query_is_explained_without_a_name(rag: RagDatabase, query: str, expected: str) -> None:
    rag.run(PEOPLE)
    with pytest.raises((SourceRejected, ConfigurationError)) as raised:
        read_roster(in_database(rag, query), "school")
    assert expected in str(raised.value)
    assert "privacy.rosters.school.query" in str(raised.value)
    assert "Yingjia" not in str(raised.value)


def test_a_database_that_does_not_answer_is_worth_another_try() -> None:
    away = RagDatabase("postgresql://tester@127.0.0.1:1/none")
    with pytest.raises(SourceUnavailable):
        read_roster(in_database(away, "SELECT 'a'"), "school")
