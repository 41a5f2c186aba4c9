"""Databases of their own: an upgrade with rows in it, two migrations at once, a server that is not set up. (migrate)"""

import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from database import schema, server
from longhaul import database as longhaul_database
from longhaul.database import connections
from tests.integration.conftest import READ_COMMITTED

type Sql = Callable[..., list[dict[str, Any]]]

LOOK_ALIKES = ["acme ", " acme", "Acme", "acme\u00a0", "acme\u200b", "ａｃｍｅ", "acme\0", "acme\t", "acme\n", "", " "]
TASK = """INSERT INTO tasks (
    task_id, tenant_id, user_id, kind, title, params, status, priority, max_retries, idempotency_key, request_digest,
    run_after, created_at, updated_at
) VALUES (%s, %s, 'ada', 'k', '标题', '{}', 'PENDING', 1, 3, %s, 'd', '2026-11-01', '2026-11-01', '2026-11-01')"""
JOBS = [("b", "1", "j1"), ("省", "客户", "j2"), ("省", "3", ""), ("省", "4", "j4"), ("b", "5", None), ("省", "6", "j6")]
# Production's own, older than ours, in another character set.
LEGACY = """CREATE TABLE leads_task_list (
    id BIGINT NOT NULL AUTO_INCREMENT, task_id VARCHAR(96) NOT NULL, leads_id VARCHAR(64) NOT NULL,
    call_job_id VARCHAR(64), call_status VARCHAR(32), planed_time DATETIME(3), call_task_id VARCHAR(64),
    call_conversation MEDIUMTEXT, calling_number VARCHAR(32), recording_url VARCHAR(1024), is_interested TINYINT,
    leads_follow_id BIGINT, PRIMARY KEY (id)
) CHARACTER SET {charset}"""


@pytest.fixture
def sql(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sql]:
    """Statements in a new, empty database, which `migrate` is given too."""
    engine, name = environment["engine"], f"longhaul_test_{secrets.token_hex(4)}"
    options = {**engine, "charset": "utf8mb4", "autocommit": True, "conv": connections.CONVERSIONS}
    connection = pymysql.connect(**options, cursorclass=pymysql.cursors.DictCursor)

    def run(statement: str, *parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters or None)
            return list(cursor.fetchall())

    longhaul_database.close()
    secret = connections._credentials() | {"dbname": name}
    monkeypatch.setattr(connections, "_credentials", lambda **_: secret)
    run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    run(f"USE {name}")
    yield run
    longhaul_database.close()
    run(f"DROP DATABASE {name}")
    connection.close()


def up_to(number: str, folder: Path) -> Path:
    folder.mkdir()
    for path in schema.MIGRATIONS.glob("*.sql"):
        if path.name[:4] <= number:
            shutil.copy(path, folder)
    return folder


def described(sql: Sql) -> dict[str, list[str]]:
    """Each table's columns, keys and constraints, in any order."""
    tables = [next(iter(row.values())) for row in sql("SHOW TABLES")]
    found = {}
    for table in tables:
        text = re.sub(r"`\w+`\.(?=`)", "", sql(f"SHOW CREATE TABLE {table}")[0]["Create Table"])  # the database's name
        lines = (line.strip().rstrip(",") for line in text.splitlines()[1:-1])
        found[table] = sorted(line for line in lines if "yoyo" not in table)
    return found


@pytest.mark.timeout(900)  # the embedded engine rebuilds every table
def test_a_database_with_rows_is_brought_up_to_date(
    environment: dict[str, Any], sql: Sql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN a database as it was before ids were exact, with rows, and with production's table in another character set
    charsets = {row["Charset"] for row in sql("SHOW CHARACTER SET")}
    sql(LEGACY.format(charset="gbk" if "gbk" in charsets else "utf8mb4"))
    for job in JOBS:
        sql("INSERT INTO leads_task_list (task_id, leads_id, call_job_id) VALUES (%s, %s, %s)", *job)
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", up_to("0006", tmp_path / "before"))
        assert schema.migrate()[-1] == "0006_diagnosis"
    sql(TASK, "省_1", "acme", "key")
    sql("INSERT INTO task_steps VALUES ('省_1', 's', 'l', '标', 'PENDING', 1, 0, NULL, NULL, NULL, '2026-11-01', NULL)")
    assert sql("SELECT 1 FROM tasks WHERE tenant_id = 'acme '"), "the engine pads"

    # WHEN it is migrated, and again as if the first had been killed before it was noted
    with monkeypatch.context() as exact:
        exact.setattr(schema, "MIGRATIONS", up_to("0007", tmp_path / "exact"))
        assert schema.migrate() == ["0007_exact_ids"]
        sql("ALTER TABLE task_events DROP FOREIGN KEY events_of_task")
        sql("DELETE FROM _yoyo_migration WHERE migration_id = '0007_exact_ids'")
        assert schema.migrate() == ["0007_exact_ids"]
    schema.migrate()

    # THEN the rows are what they were, each id is itself and no other
    (task,) = sql("SELECT task_id, tenant_id, user_id, idempotency_key, title FROM tasks")
    assert task == {
        "task_id": "省_1", "tenant_id": "acme", "user_id": "ada", "idempotency_key": "key", "title": "标题"
    }  # fmt: skip
    jobs = sql("SELECT task_id, leads_id, call_job_id, job_seq FROM leads_task_list ORDER BY id")
    assert [(row["task_id"], row["leads_id"], row["call_job_id"]) for row in jobs] == JOBS
    assert [row["job_seq"] for row in jobs] == [1, 1, None, 2, None, 3], "dense in each task, in the rows' order"
    for number, alike in enumerate(LOOK_ALIKES):
        assert not sql("SELECT 1 FROM tasks WHERE tenant_id = %s", alike), repr(alike)
        sql(TASK, f"t{number}", "acme", f"key{alike}") if alike else None
        assert sql("UPDATE tasks SET tenant_id = %s WHERE task_id = %s", alike, f"t{number}") == []
    assert {row["tenant_id"] for row in sql("SELECT DISTINCT tenant_id FROM tasks")} == {*LOOK_ALIKES, "acme"} - {""}
    sql("DELETE FROM tasks WHERE task_id = '省_1'")
    assert sql("SELECT * FROM task_steps") == [], "foreign keys are there"

    # AND it is the schema that an empty database was given, for all the other tests
    upgraded = described(sql)
    sql(f"USE {environment['dbname']}")
    begun = described(sql)
    assert upgraded.keys() == begun.keys()
    of_production = ("leads_task_list",)
    assert {name: lines for name, lines in upgraded.items() if name not in of_production} == {
        name: lines for name, lines in begun.items() if name not in of_production
    }


def test_every_id_compares_byte_by_byte(environment: dict[str, Any], sql: Sql) -> None:
    """Also of tables to come: a column of such a name that pads is a tenant that is taken for another."""
    sql(f"USE {environment['dbname']}")
    found = [
        f"{table}: {line}"
        for table, lines in described(sql).items()
        for line in lines
        if re.match(r"`(tenant_id|user_id|task_id|leads_id|strategy_id|role_id|idempotency_key|\w+_by)` ", line)
        and "varbinary" not in line
    ]
    assert found == []


def test_no_two_migrations_have_one_number() -> None:
    numbers = [path.name.partition("_")[0] for path in schema.MIGRATIONS.glob("*.sql")]
    assert sorted(numbers) == sorted(set(numbers))


def test_two_at_once_apply_each_migration_once(sql: Sql) -> None:
    applied: list[list[str]] = []
    errors: list[Exception] = []

    def migrate() -> None:
        try:
            applied.append(schema.migrate())
        except Exception as error:
            errors.append(error)
        finally:
            longhaul_database.close()

    workers = [threading.Thread(target=migrate) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    assert sorted(map(bool, applied)) == [False, True]


HOLDER = """
import json, sys
from database import server
from longhaul.database import connections
from longhaul import database as longhaul_database

secret = json.loads(sys.argv[1])
connections._credentials = lambda **_: secret
with server.locked():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(sql: Sql, environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock of this database, which holds nothing else yet."""
    with monkeypatch.context() as before:
        before.setattr(schema, "_apply", lambda backend: [])
        schema.migrate()
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, json.dumps(connections._credentials())],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    assert process.stdin is not None
    yield process
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def test_a_migration_that_is_under_way_is_never_pushed_aside(
    sql: Sql, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "WAIT_SECONDS", 1.0)
    with pytest.raises(server.MigrationUnderWay, match="another migration of longhaul_test"):
        schema.migrate()
    assert holder.poll() is None
    assert sql("SHOW TABLES LIKE 'tasks'") == [], "nothing was touched"


def test_a_holder_that_was_killed_is_waited_for_no_longer(sql: Sql, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    started = time.monotonic()
    with server.locked():
        assert time.monotonic() - started < server.WAIT_SECONDS


def test_one_that_waits_goes_on_when_the_other_has_ended(sql: Sql, holder: subprocess.Popen[str]) -> None:
    applied: list[list[str]] = []

    def migrate() -> None:
        applied.append(schema.migrate())
        longhaul_database.close()

    waiting = threading.Thread(target=migrate)
    waiting.start()
    waiting.join(1.5)
    assert waiting.is_alive()
    assert holder.stdin is not None
    holder.stdin.close()
    waiting.join()
    assert applied[0]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ", "set READ-COMMITTED"),
        ("SET SESSION sql_mode = 'NO_ENGINE_SUBSTITUTION'", "add STRICT_TRANS_TABLES"),
        ("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ANSI_QUOTES'", "sql_mode has ANSI_QUOTES, remove it"),
        ("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,NO_BACKSLASH_ESCAPES'", "sql_mode has NO_BACKSLASH_ESCAPES"),
        ("SET SESSION sql_mode = 'STRICT_TRANS_TABLES,PAD_CHAR_TO_FULL_LENGTH'", "sql_mode has PAD_CHAR_TO_FULL"),
    ],
)
def test_a_server_that_is_not_set_up_is_refused(
    sql: Sql, monkeypatch: pytest.MonkeyPatch, setting: str, said: str
) -> None:
    command = setting if "ISOLATION" in setting else READ_COMMITTED
    opened = connections.open_connection

    def with_setting(**overrides: Any) -> Any:
        connection = opened(**overrides | {"init_command": command})
        with connection.cursor() as cursor:
            cursor.execute(setting)
        return connection

    monkeypatch.setattr(connections, "open_connection", with_setting)
    with pytest.raises(server.ServerUnfit, match=said):
        schema.migrate()
    assert sql("SHOW TABLES") == []
