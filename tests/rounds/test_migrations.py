"""Ledgers of every earlier schema open, and hold what they held.

``data/ledger_schema_1.*.sql`` were written by labelkit at schema 1, on each database: a closed
round whose answers were changed, withdrawn and skipped, one that is collecting, and one that is
planned.
"""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import labelkit as lk
from labelkit.errors import RoundError
from labelkit.platforms import ScriptedAnnotator
from labelkit.rounds import counters, migrate, tables
from labelkit.rounds.database import Database

DATA = Path(__file__).parent / "data"


def write_schema_1(url: str) -> None:
    if url.startswith("sqlite"):
        script = (DATA / "ledger_schema_1.sqlite.sql").read_text()
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(script)
        return
    psycopg = pytest.importorskip("psycopg")
    script = (DATA / "ledger_schema_1.postgresql.sql").read_text()
    with psycopg.connect(url) as connection:
        connection.execute(script)


@pytest.fixture
def old_url(url: str) -> str:
    write_schema_1(url)
    return url


def test_a_ledger_of_schema_1_opens_with_all_that_it_held(old_url, platform):
    with lk.Ledger(old_url) as ledger:
        first, second, third = ledger.rounds()
        assert (first.state, second.state, third.state) == ("closed", "collecting", "planned")
        assert (first.n_tasks, first.n_on_platform, first.n_answered_tasks) == (12, 12, 10)
        assert (first.n_annotations, first.n_skipped, first.n_annotators) == (10, 1, 1)
        assert (second.n_tasks, second.n_answered_tasks, third.n_on_platform) == (8, 3, 0)
        gold = ledger.gold().sort("item")
        assert gold["item"].to_list() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 105, 106, 107]
        assert gold["label"].to_list() == [i % 2 for i in gold["item"]]
        assert ledger.model_versions() == ("run-1",)
        assert ledger.annotators()["annotator"].to_list() == ["anna", "ben"]
        assert ledger.events()["kind"].to_list()[:3] == ["planned", "project", "sent"]


def test_a_round_that_was_begun_under_schema_1_goes_on_under_todays(old_url, platform):
    with lk.Ledger(old_url) as ledger:
        round_ = ledger.round("third", platform=platform)
        assert round_.push().n_pushed == 5
        rest = {(f"q{i // 3}", 200 + i): 1 for i in range(5)}
        ScriptedAnnotator(rest).answer(round_)
        assert round_.pull().n_new_annotations == 5
        assert round_.close().is_complete
        assert len(ledger.gold(round="third")) == len(ledger.gold_sources(round="third")) == 5


def difference(url: str) -> list[object]:
    """What Alembic would still change to come to today's tables."""
    engine = sa.create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            # SQLite keeps the widths that it was once told, and heeds none.
            opts={"compare_type": not url.startswith("sqlite")},
        )
        return list(compare_metadata(context, tables.metadata))


def schema(rows, url: str) -> set[tuple[str, ...]]:
    """Tables, indexes and triggers by name."""
    if url.startswith("sqlite"):
        return set(rows("SELECT type, name, tbl_name FROM sqlite_master WHERE sql IS NOT NULL"))
    found = set(rows("SELECT 'index', indexname, tablename FROM pg_indexes"))
    found |= set(rows("SELECT 'trigger', tgname, tgrelid::regclass::text FROM pg_trigger"))
    return {row for row in found if not row[1].startswith(("pg_", "RI_"))}


def test_a_migrated_ledger_and_a_new_one_have_the_same_schema(old_url, rows, tmp_path, request):
    new_url = f"sqlite:///{tmp_path}/new.db"
    if not old_url.startswith("sqlite"):
        new_url = request.getfixturevalue("postgresql_server").new_database()
    lk.Ledger(old_url).close()
    lk.Ledger(new_url).close()
    assert difference(old_url) == difference(new_url) == []
    migrated = schema(rows, old_url)
    engine = sa.create_engine(new_url.replace("postgresql:", "postgresql+psycopg:"))

    def ask_new(query: str) -> list[tuple[object, ...]]:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]

    assert schema(ask_new, new_url) == migrated
    assert ("trigger", "events_no_update", "events") in migrated
    engine.dispose()


def test_the_steps_alone_make_todays_schema(url):
    """An empty database taken through every step is what the steps say that schema 1 was."""
    engine = sa.create_engine(
        url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool
    )
    with engine.begin() as connection:
        migrate.upgrade(connection, 0)
        assert migrate.schema_version(connection) == tables.SCHEMA_VERSION
    assert difference(url) == []


def test_a_copy_of_the_file_as_it_was_is_made_first(sqlite_url, caplog):
    write_schema_1(sqlite_url)
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        before = list(connection.iterdump())
    with caplog.at_level(logging.WARNING, logger="labelkit"):
        lk.Ledger(sqlite_url).close()
        lk.Ledger(sqlite_url).close()
    with closing(sqlite3.connect(f"{path}.schema-1.bak")) as connection:
        assert list(connection.iterdump()) == before
    (message,) = [record.getMessage() for record in caplog.records if record.name == "labelkit"]
    assert "from schema 1 to 2" in message
    assert "rounds.db.schema-1.bak" in message


def test_a_migration_that_fails_half_way_leaves_the_ledger_as_it_was(old_url, rows, monkeypatch):
    before = rows("SELECT name, value FROM meta"), rows("SELECT * FROM tasks ORDER BY id")

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("power cut")

    # The last thing that the second step does.
    monkeypatch.setattr("labelkit.rounds.guards._update", fails)
    with pytest.raises(RuntimeError, match="power cut"):
        lk.Ledger(old_url)
    assert (rows("SELECT name, value FROM meta"), rows("SELECT * FROM tasks ORDER BY id")) == before
    monkeypatch.undo()
    with lk.Ledger(old_url) as ledger:
        assert len(ledger.rounds()) == 3


def test_processes_that_open_an_old_ledger_at_once_migrate_it_once(old_url):
    code = "import sys, labelkit as lk; print(len(lk.Ledger(sys.argv[1]).rounds()))"
    command = [sys.executable, "-W", "error", "-c", code, old_url]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    said = [process.communicate() for process in running]
    assert [(out, process.returncode) for (out, _), process in zip(said, running, strict=True)] == [
        ("3\n", 0)
    ] * 3
    assert sum("from schema 1 to 2" in err for _, err in said) == 1


def test_processes_that_make_a_ledger_at_once_make_one(url):
    code = "import sys, labelkit as lk; print(len(lk.Ledger(sys.argv[1]).rounds()))"
    command = [sys.executable, "-W", "error", "-c", code, url]
    running = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]


def test_a_ledger_of_a_later_schema_is_left_alone(url, rows):
    lk.Ledger(url).close()
    rows("UPDATE meta SET value = '99'")
    with pytest.raises(RoundError, match=r"has schema 99, .* up to 2: .*Update labelkit"):
        lk.Ledger(url)
    assert rows("SELECT value FROM meta") == [("99",)]


def test_the_counts_of_a_migrated_ledger_are_those_of_its_answers(old_url):
    lk.Ledger(old_url).close()
    database = Database(old_url)
    with database.read() as connection:
        found = connection.execute(sa.select(tables.rounds)).all()
        for row in found:
            true = counters.recounted(connection, row.id)
            assert {name: row._mapping[name] for name in true} == true
    database.close()
