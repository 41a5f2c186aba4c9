"""Real parts for the integration tests: a MySQL-protocol engine and AWS's services over HTTP.

The engine is the embedded one, or the server that TEST_DATABASE_URL names (in a database of its own, dropped at the
end). AWS is moto's server; the functions' own boto3 clients reach it through AWS_ENDPOINT_URL.
"""

import json
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import moto.dynamodb.models
import moto.sqs.models
import pymysql
import pytest
from moto.server import ThreadedMotoServer

from database import schema
from local.aws import make_dynamodb_atomic
from longhaul import aws
from longhaul import database as longhaul_database
from longhaul import settings as longhaul_settings
from longhaul.http import limits
from longhaul.observability import logger
from longhaul.tasks import kinds as longhaul_kinds
from longhaul.tasks.model import Task

TESTS = Path(__file__).parent
QUEUES = ("dispatch", "progress", "steer", "assign", "sync", "analyse", "recordings", "actions")
TABLES = {"live": "task_id", "cache": "pk", "breaker": "circuit"}
READ_COMMITTED = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another engine, only what asks an engine: the rest has run on the embedded one."""
    if "TEST_DATABASE_URL" not in os.environ:
        return
    kept = [item for item in items if "engine" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """PyMySQL's connection options of the engine under test."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        parts = urlsplit(url)
        yield {
            "host": parts.hostname,
            "port": parts.port or 3306,
            "user": parts.username or "root",
            "password": parts.password or "",
        }
        return
    state = tmp_path_factory.mktemp("engine")
    server = subprocess.Popen(
        [sys.executable, TESTS / "embedded_server.py", state / "db"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        yield json.loads(server.stdout.readline())
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stdin.close()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The URL of a moto server; nothing leaves the machine."""
    make_dynamodb_atomic()
    os.environ["MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR"] = "false"  # a queue may be purged for each test
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def environment(engine: dict[str, Any], moto_server: str) -> Iterator[dict[str, Any]]:
    """The functions' environment, with the schema migrated; yields {dbname, engine, endpoint}."""
    dbname = f"longhaul_test_{secrets.token_hex(4)}"
    _administer(engine, f"CREATE DATABASE {dbname} CHARACTER SET utf8mb4")
    os.environ.update(
        AWS_ENDPOINT_URL=moto_server,
        AWS_DEFAULT_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        POWERTOOLS_SERVICE_NAME="longhaul",
        POWERTOOLS_METRICS_NAMESPACE="Longhaul",
        DATABASE_TLS="off",
        KIND_MODULES="hospitals.kinds,calls.kinds,diagnosis.kinds,roles.kinds,tasks.kinds",
        LIVE_TABLE="live",
        CACHE_TABLE="cache",
        WRITES_PER_MINUTE="60000",
        BULK_PER_MINUTE="6000",
        READS_PER_MINUTE="0",
        BREAKER_TABLE="breaker",
        MAX_DISTRICTS_IN_FLIGHT="5",
        HOSPITALS_BATCH_SIZE="20",
        CALL_SYNC_SECONDS="30",
        CALL_LEASE_SECONDS="60",
        TASK_RETENTION_DAYS="30",
    )
    secret = {
        "host": engine.get("host", "localhost"),
        "port": engine.get("port", 3306),
        "username": engine["user"],
        "password": engine.get("password", ""),
        "unix_socket": engine.get("unix_socket"),
        "dbname": dbname,
        "init_command": READ_COMMITTED if "host" in engine else None,
    }
    secrets_manager = boto3.client("secretsmanager")
    created = secrets_manager.create_secret(Name=dbname, SecretString=json.dumps(secret))
    os.environ["DATABASE_SECRET_ARN"] = created["ARN"]
    os.environ["CURSOR_SECRET_ARN"] = secrets_manager.create_secret(Name=f"{dbname}-cursors", SecretString="sealed")[
        "ARN"
    ]
    sqs = boto3.client("sqs")
    for name in QUEUES:
        os.environ[f"{name.upper()}_QUEUE_URL"] = sqs.create_queue(QueueName=name)["QueueUrl"]
    dynamodb = boto3.client("dynamodb")
    for name, key in TABLES.items():
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    os.environ["WORKFLOW_ARNS"] = json.dumps(
        {
            "RefreshHospitals": _idle_machine("RefreshHospitals"),
            "DiagnoseBrand": _idle_machine("DiagnoseBrand"),
            "CreateRole": _idle_machine("CreateRole"),
            "SteerQueue": os.environ["STEER_QUEUE_URL"],
            "ActionsQueue": os.environ["ACTIONS_QUEUE_URL"],
        }
    )
    forget()
    schema.migrate()
    yield {"dbname": dbname, "engine": engine, "endpoint": moto_server}
    longhaul_database.close()
    _administer(engine, f"DROP DATABASE {dbname}")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is not what the tests are about: DynamoDB may take its time, where it is not to be slow."""
    monkeypatch.setitem(aws._TIMEOUTS, "dynamodb", (10, 30, 1))


@pytest.fixture
def database(environment: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An empty, migrated database with its lanes; queues and tables empty too."""
    _empty(environment)
    schema.create_lanes()
    yield environment
    longhaul_database.close()


@pytest.fixture
def sql(database: dict[str, Any]) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Runs a statement on a connection of its own, beside the code under test."""
    connection = _connect(database["engine"], database["dbname"])

    def run(statement: str, *parameters: Any) -> list[dict[str, Any]]:
        with connection.cursor(pymysql.cursors.DictCursor) as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    yield run
    connection.close()


@pytest.fixture
def sent(database: dict[str, Any]) -> Callable[[str], list[dict[str, Any]]]:
    """Takes what was sent to a queue: `dispatch`, `progress`, `steer`, ..."""
    return lambda name: drain(f"{name.upper()}_QUEUE_URL")


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the code under test warns of."""
    seen: list[str] = []

    def emit(record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            seen.append(record.getMessage())

    monkeypatch.setattr(logger.handlers[0], "emit", emit)
    return seen


@pytest.fixture
def running_task(database: dict[str, Any]) -> Callable[..., Task]:
    """Makes RUNNING tasks: submitted and started, as the dispatcher would."""
    from longhaul.tasks import dispatch, store
    from longhaul.tasks.submission import Submission, submit

    def make(kind: str = "hospital_province_refresh", tenant_id: str = "acme", **params: Any) -> Task:
        if kind == "hospital_province_refresh":
            params.setdefault("province", "广东省")
        task = submit(Submission(tenant_id, "ada", kind, params))
        dispatch.dispatch([kind])
        with longhaul_database.connection() as session:
            found = store.fetch(session, task.task_id)
        assert found is not None
        return found

    return make


def forget() -> None:
    """What an execution environment remembers, forgotten: settings, clients, the connection."""
    longhaul_settings.of.cache_clear()
    longhaul_kinds.kinds.cache_clear()
    aws._client.cache_clear()
    limits._Memory.arrivals.clear()
    limits._Memory.rest_until = 0.0
    longhaul_database.close()


def drain(variable: str) -> list[dict[str, Any]]:
    """The messages waiting in the queue that this variable names, taken off it."""
    sqs, url, messages = boto3.client("sqs"), os.environ[variable], []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in received:
            messages.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return messages


def _idle_machine(name: str) -> str:
    definition = {"StartAt": "Idle", "States": {"Idle": {"Type": "Succeed"}}}
    states = boto3.client("stepfunctions")
    machine = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/idle"
    )
    return machine["stateMachineArn"]


def _connect(engine: dict[str, Any], dbname: str | None = None) -> Any:
    return pymysql.connect(**engine, database=dbname, charset="utf8mb4", autocommit=True)


def _administer(engine: dict[str, Any], statement: str) -> None:
    connection = _connect(engine)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _empty(environment: dict[str, Any]) -> None:
    connection = _connect(environment["engine"], environment["dbname"])
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
            for table in _filled(cursor):
                cursor.execute(f"DELETE FROM {table}")
    finally:
        connection.close()
    # moto runs in this process: what its services hold is at hand, and thirty requests for each test are not.
    account = "123456789012"
    sqs = moto.sqs.models.sqs_backends[account]["us-east-1"]
    for name in sqs.queues:  # draining would leave the messages that are delayed
        sqs.purge_queue(name)
    for table in moto.dynamodb.models.dynamodb_backends[account]["us-east-1"].tables.values():
        table.items.clear()


def _filled(cursor: Any) -> list[str]:
    """The tables that hold rows of a test; provinces come with the schema."""
    cursor.execute("SHOW TABLES")
    tables = [name for (name,) in cursor.fetchall() if "yoyo" not in name and name != "provinces"]
    cursor.execute(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in tables))
    return [name for (name,) in cursor.fetchall()]
