"""Every named query is valid against the real schema; on MariaDB and MySQL its plan uses an index for every table.

Plans depend on what the tables hold, so they are asked for with some thousands of rows in place.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pymysql
import pytest
from pymysql.cursors import DictCursor

from longhaul import database
from longhaul.database import Opened, Session, queries
from longhaul.tasks import listing
from longhaul.tasks.filtering import TaskFilter
from tests.architecture.repository import ROOT
from tests.integration.rows import CHOSEN, OF_DOMAIN, OTHER, SAMPLES, fill

FILES = sorted([*ROOT.glob("functions/*/queries.sql"), *ROOT.glob("layers/**/queries.sql")])
NAME = re.compile(r"^-- name: *(\w+)", re.MULTILINE)
QUERIES = [
    pytest.param(path, name, chosen, id="-".join([f"{path.parent.name}.{name}", *chosen.get("names", {}).values()]))
    for path in FILES
    for name in NAME.findall(path.read_text(encoding="utf-8"))
    for chosen in CHOSEN.get(name, [{}])
]

# Read whole, on purpose. (Table functions and derived tables have no index to use and are not looked at.)
READ_WHOLE = {
    ("list_kinds", "lanes"): "a row a kind, and all of them are the answer",
    ("list_provinces", "provinces"): "34 rows, and all of them are the answer",
    ("lock_latency_reports", "latency_reports"): "by its key, until as many are found as are folded at once",
}

EXPLAINS = "TEST_DATABASE_URL" in os.environ
on_a_server = pytest.mark.skipif(not EXPLAINS, reason="the embedded engine's EXPLAIN has a form of its own")


@pytest.fixture(scope="module")
def rows(environment: dict[str, Any]) -> Iterator[Opened]:
    """A connection to a database with rows in every table; few, where no plan is looked at."""
    connection = pymysql.connect(
        **environment["engine"], database=environment["dbname"], charset="utf8mb4", cursorclass=DictCursor
    )
    fill(connection, 1.0 if EXPLAINS else 0.01)
    yield connection
    connection.close()


class _Undo(Exception):
    """Leaves a transaction, so that it is rolled back."""


@pytest.mark.parametrize(("path", "name", "chosen"), QUERIES)
def test_the_query_is_valid(path: Path, name: str, chosen: dict[str, Any], rows: Opened) -> None:
    query = getattr(queries.load(str(path)), name)
    with pytest.raises(_Undo), database.transaction() as tx:
        query(tx, **_parameters(path, name, query) | chosen)
        raise _Undo


@on_a_server
@pytest.mark.parametrize(("path", "name", "chosen"), QUERIES)
def test_the_plan_uses_indexes(path: Path, name: str, chosen: dict[str, Any], rows: Opened) -> None:
    query = getattr(queries.load(str(path)), name)
    sql = query.sql.format(**chosen["names"]) if chosen else query.sql
    with rows.cursor() as cursor:
        given = _parameters(path, name, query) | {key: value for key, value in chosen.items() if key != "names"}
        cursor.execute(f"EXPLAIN {sql}", given)
        plan = cursor.fetchall()
    assert [step for step in plan if _reads_whole(name, step)] == []


@on_a_server
def test_a_query_without_an_index_is_caught(rows: Opened) -> None:
    with rows.cursor() as cursor:
        cursor.execute("EXPLAIN SELECT * FROM hospitals WHERE phone = '1'")
        assert [step["table"] for step in cursor.fetchall() if _reads_whole("x", step)] == ["hospitals"]


@on_a_server
@pytest.mark.parametrize("sort", list(listing.Sort))
@pytest.mark.parametrize("status", [[], ["FAILED"]])
def test_what_is_counted_or_skipped_is_in_an_index(sort: listing.Sort, status: list[str], rows: Opened) -> None:
    """No row is read of the tasks that a count adds up or a page number leaves behind it."""
    question = listing.Question("tenant-7", TaskFilter.model_validate({"status": status} if status else {}), sort)
    explaining = Explaining(rows)
    listing.count_tasks(cast(Session, explaining), question, question.counted)
    listing.list_tasks(cast(Session, explaining), question, question.ordered, limit=20, offset=100)
    inner = [step for step in explaining.plan if step["table"] == "tasks" and step["key"] != "PRIMARY"]
    assert inner
    assert [step for step in inner if "Using index" not in step["Extra"].replace("Using index condition", "")] == []


class Explaining:
    """Stands for a session: asks for the plan of each statement, and answers it with no row."""

    def __init__(self, rows: Opened) -> None:
        self.plan: list[dict[str, Any]] = []
        self._rows = rows

    def read(self, name: str, sql: str, parameters: Any) -> Any:
        with self._rows.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}", parameters)
            self.plan += cursor.fetchall()
        return self

    def fetchall(self) -> list[Any]:
        return []

    def fetchone(self) -> dict[str, int]:
        return {"number": 0}


def _reads_whole(name: str, step: dict[str, Any]) -> bool:
    table = step["table"]
    if table is None or table.startswith("<") or step["select_type"] == "INSERT" or (name, table) in READ_WHOLE:
        return False
    if "json_table" in (step["Extra"] or ""):
        return False
    return step["key"] is None or step["type"] in ("ALL", "index")


def _parameters(path: Path, name: str, query: Any) -> dict[str, Any]:
    samples = SAMPLES | OF_DOMAIN.get(path.parent.name, {}) | OTHER.get(name, {})
    return {parameter: samples[parameter] for parameter in samples if f"%({parameter})s" in query.sql}
