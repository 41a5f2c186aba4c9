"""The database's bad luck: deadlocks, lock waits, lost connections, a server that is away."""

import contextlib
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pymysql
import pytest

from longhaul import database as longhaul_database
from longhaul.database import Session, connection, connections, run_transaction, transaction
from longhaul.database import queries as longhaul_queries
from longhaul.errors import DatabaseUnavailable
from longhaul.tasks import lanes as lane_store
from longhaul.tasks import store

type Sql = Callable[..., list[dict[str, Any]]]


@pytest.fixture(autouse=True)
def lanes(sql: Sql) -> None:
    sql("DELETE FROM lanes")
    sql("INSERT INTO lanes (kind, max_concurrent, max_queued) VALUES ('a', 1, 1), ('b', 1, 1)")


def raise_lane(tx: Session, kind: str) -> None:
    tx.run("raise_lane", "UPDATE lanes SET max_queued = max_queued + 1 WHERE kind = %(kind)s", {"kind": kind})


def test_two_transactions_that_deadlock_both_succeed_and_count_once(sql: Sql) -> None:
    barrier = threading.Barrier(2, timeout=10)
    tries: list[str] = []
    failures: list[Exception] = []

    def work(first: str, second: str) -> None:
        def cross(tx: Session) -> None:
            tries.append(first)
            raise_lane(tx, first)
            if len(tries) <= 2:
                barrier.wait()
            raise_lane(tx, second)

        try:
            run_transaction(cross)
        except Exception as error:
            failures.append(error)
        finally:
            longhaul_database.close()

    threads = [threading.Thread(target=work, args=pair) for pair in (("a", "b"), ("b", "a"))]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert failures == []
    assert len(tries) >= 3  # one was the victim; an engine may choose both
    assert [row["max_queued"] for row in sql("SELECT max_queued FROM lanes")] == [3, 3]


def test_a_lock_wait_keeps_no_half_of_a_transaction(sql: Sql) -> None:
    tries: list[int] = []

    def write(tx: Session) -> None:
        tries.append(1)
        raise_lane(tx, "a")
        raise_lane(tx, "b")  # waits for a row that another transaction holds

    with connection() as session:
        wait_shortly(session)
    sql("BEGIN")
    sql("UPDATE lanes SET paused = TRUE WHERE kind = 'b'")
    with pytest.raises(DatabaseUnavailable, match="1205"):
        run_transaction(write)
    sql("ROLLBACK")
    assert len(tries) == longhaul_database.TRANSACTION_TRIES
    assert {row["max_queued"] for row in sql("SELECT max_queued FROM lanes")} == {1}


def wait_shortly(session: Session) -> None:
    """A second at most for a lock, by the variable that the engine has for it."""
    for variable, second in (("innodb_lock_wait_timeout", 1), ("ob_trx_lock_timeout", 1_000_000)):
        with contextlib.suppress(pymysql.MySQLError):
            session.run("wait_shortly", f"SET {variable} = {second}", {})


def test_an_exception_rolls_back(sql: Sql) -> None:
    with pytest.raises(KeyError), transaction() as tx:
        raise_lane(tx, "a")
        raise KeyError
    assert sql("SELECT max_queued FROM lanes WHERE kind = 'a'") == [{"max_queued": 1}]


def kill_connections(sql: Sql) -> None:
    """The server closes every other connection to this database."""
    (own,) = sql("SELECT CONNECTION_ID() AS id, DATABASE() AS name")
    for row in sql("SHOW PROCESSLIST"):
        row = {key.lower(): value for key, value in row.items()}
        if row["db"] == own["name"] and row["id"] != own["id"]:
            sql(f"KILL {row['id']}")


def test_a_read_on_a_connection_the_server_closed_reconnects_once(sql: Sql) -> None:
    with connection() as session:
        store.fetch(session, "none")
        kill_connections(sql)
        assert store.fetch(session, "none") is None


def test_an_idle_connection_is_checked_before_a_transaction(sql: Sql, monkeypatch: pytest.MonkeyPatch) -> None:
    with connection() as session:
        store.fetch(session, "none")
    kill_connections(sql)
    monkeypatch.setattr(longhaul_database, "IDLE_SECONDS", -1.0)
    run_transaction(lambda tx: raise_lane(tx, "a"))
    assert sql("SELECT max_queued FROM lanes WHERE kind = 'a'") == [{"max_queued": 2}]


def test_a_transaction_that_finds_its_connection_gone_begins_on_a_new_one(sql: Sql) -> None:
    with connection() as session:
        store.fetch(session, "none")
    kill_connections(sql)
    run_transaction(lambda tx: raise_lane(tx, "a"))
    assert sql("SELECT max_queued FROM lanes WHERE kind = 'a'") == [{"max_queued": 2}]


def test_a_transaction_whose_connection_is_lost_is_never_replayed_blindly(sql: Sql) -> None:
    tries: list[int] = []

    def write(tx: Session) -> None:
        tries.append(1)
        raise_lane(tx, "a")
        kill_connections(sql)
        raise_lane(tx, "b")

    with pytest.raises(DatabaseUnavailable):
        run_transaction(write)
    assert len(tries) == 1
    assert {row["max_queued"] for row in sql("SELECT max_queued FROM lanes")} == {1}
    run_transaction(lambda tx: raise_lane(tx, "a"))


def test_a_server_that_is_away_is_a_transient_error(database: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    longhaul_database.close()
    secret = {"username": "root", "dbname": "longhaul", "host": "127.0.0.1", "port": 9}
    monkeypatch.setattr(connections, "_credentials", lambda **_: secret)
    with pytest.raises(DatabaseUnavailable, match="2003"), connection():
        pass


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM no_such_table",
        "SELECT no_such_column FROM tasks",
    ],
)
def test_a_schema_that_is_older_than_the_code_is_a_database_that_is_away(
    database: dict[str, Any], statement: str
) -> None:
    """Code goes live some minutes before its migrations have run."""
    with pytest.raises(DatabaseUnavailable), connection() as session:
        session.run("later", statement, {})


def test_a_wrong_statement_is_not_taken_for_a_database_that_is_away(database: dict[str, Any]) -> None:
    with pytest.raises(pymysql.ProgrammingError), connection() as session:
        session.run("broken", "SELECT FROM", {})


@pytest.mark.parametrize("fraction", ["", ".5", ".123", ".123456"])
def test_a_time_is_read_with_its_fraction(database: dict[str, Any], fraction: str) -> None:
    sql = f"SELECT CAST('2026-11-30 23:59:59{fraction}' AS DATETIME({len(fraction[1:])})) AS at"
    with connection() as session:
        (row,) = session.run("time", sql, None).fetchall()
    assert row["at"] == datetime.fromisoformat(f"2026-11-30T23:59:59{fraction}")


def test_a_time_that_is_none_leaves_its_connection_as_it_was(database: dict[str, Any]) -> None:
    with connection() as session:
        (row,) = session.run("time", "SELECT CAST('0000-00-00 00:00:00' AS DATETIME) AS at", None).fetchall()
        assert row["at"] in (None, "0000-00-00 00:00:00")
        assert session.run("one", "SELECT 1 AS one", None).fetchall() == [{"one": 1}]


def test_queries_give_dicts_and_counts(database: dict[str, Any]) -> None:
    lanes, tasks = longhaul_queries.load(lane_store.__file__), longhaul_queries.load(store.__file__)
    with connection() as session:
        assert lanes.count_running(session, kind="a") == 0
        assert lanes.lock_lane(session, kind="a") == {"kind": "a", "max_concurrent": 1, "paused": 0, "turn": 0.0}
        assert lanes.create_lane(session, kind="a", max_concurrent=9, max_queued=9) == 0
        assert tasks.list_failed_steps(session, task_id="none", limit=1) == []
