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
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import moto.dynamodb.models
import moto.sqs.models
import pymysql
import pytest
from botocore.awsrequest import AWSPreparedRequest

from database import schema
from deployment.bundle import Bundle
from deployment.template import ROOT
from local.aws.http import AwsServer
from local.aws.server import make_dynamodb_atomic
from local.options import MAIL_FROM
from longhaul import aws
from longhaul import database as longhaul_database
from longhaul import settings as longhaul_settings
from longhaul.aws import dynamodb
from longhaul.database import connections
from longhaul.http import limits, waiting
from longhaul.observability import logger
from longhaul.tasks import kinds as longhaul_kinds
from longhaul.tasks.model import Task
from longhaul.timing import timings
from tests import deployed, serving
from tests.chatting import API_KEY, StandIn
from tests.requesting import watched
from tests.rights import Rights, keep

TESTS = Path(__file__).parent
DEPLOYED = Bundle.read(ROOT / "functions")
QUEUES = tuple(name.removesuffix("Queue").lower() for name in DEPLOYED.queues)
TABLES = {"live": ("task_id",), "cache": ("pk",), "breaker": ("circuit",), "sockets": ("pk", "sk")}
NO_TABLE = "table/no-such-table"  # stands for DynamoDB being away
BUSY_SECONDS = 120  # how long a statement may take: a busy machine is not what the tests are about
timings.reported_at = float("inf")  # no report, whenever a minute of testing has passed, but where a test wants one
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
            "ssl_disabled": True,
        }
        return
    state = tmp_path_factory.mktemp("engine")
    server = subprocess.Popen(
        [sys.executable, TESTS / "embedded_server.py", state / "db"], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        options = json.loads(server.stdout.readline()) | {"ssl_disabled": True}  # TLS loads the CA bundle each time
        _administer(options, f"SET GLOBAL ob_query_timeout = {BUSY_SECONDS * 1_000_000}")
        yield options
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
        server.stdin.close()


@pytest.fixture
def on_boto3(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every call of AWS is boto3's, whose answers can be made up."""
    monkeypatch.setenv("AWS_TRANSPORT", "boto3")
    aws._client.cache_clear()
    yield
    aws._client.cache_clear()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """The URL of a moto server; nothing leaves the machine."""
    make_dynamodb_atomic()
    os.environ["MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR"] = "false"  # a queue may be purged for each test
    server = AwsServer()
    server.start()
    yield server.url
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
        KIND_MODULES=",".join(DEPLOYED.kind_modules.values()),
        LIVE_TABLE="live",
        CACHE_TABLE="cache",
        WRITES_PER_MINUTE="60000",
        BULK_PER_MINUTE="6000",
        READS_PER_MINUTE="0",
        WAITS_PER_TENANT="10",
        WAITS_AT_ONCE="50",
        BREAKER_TABLE="breaker",
        SOCKETS_TABLE="sockets",
        SOCKETS_ENDPOINT="http://127.0.0.1:9/live",
        MAX_DISTRICTS_IN_FLIGHT="5",
        HOSPITALS_BATCH_SIZE="20",
        CALL_SYNC_SECONDS="30",
        CALL_LEASE_SECONDS="60",
        TASK_RETENTION_DAYS="30",
        MAIL_FROM=MAIL_FROM,
        PUBLIC_URL="https://api.example.com",
        TASK_PAGE_URL="",
        WEBHOOK_LOOPBACK="true",
        STEP_FUNCTIONS=json.dumps(
            {name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in DEPLOYED.step_functions}
        ),
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
    os.environ["DEAD_LETTERS"] = json.dumps(
        {name.removesuffix("Queue"): _dead_letters(name) for name in DEPLOYED.queues}
    )
    os.environ["ALERTS_TOPIC"] = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
    for name, keys in TABLES.items():
        make_table(name, *keys)
    os.environ["WORKFLOW_ARNS"] = json.dumps(
        {name: _idle_machine(name) for name in DEPLOYED.machines}
        | {name: os.environ[f"{name.removesuffix('Queue').upper()}_QUEUE_URL"] for name in DEPLOYED.workflow_queues}
    )
    forget()
    schema.migrate()
    yield {"dbname": dbname, "engine": engine, "endpoint": moto_server}
    longhaul_database.close()
    _administer(engine, f"DROP DATABASE {dbname}")


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB and the database may take their time, where they are not to be slow."""
    monkeypatch.setattr(connections, "READ_SECONDS", BUSY_SECONDS)
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
    """What the code under test warns of, but for a machine that is slow."""
    seen: list[str] = []

    def emit(record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and record.getMessage() != "slow statement":
            seen.append(record.getMessage())

    monkeypatch.setattr(logger.handlers[0], "emit", emit)
    return seen


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the statements that are run."""
    run, seen = longhaul_database.Session.run, list[str]()

    def counted(session: longhaul_database.Session, name: str, sql: str, parameters: Any) -> Any:
        seen.append(name)
        return run(session, name, sql, parameters)

    monkeypatch.setattr(longhaul_database.Session, "run", counted)
    return seen


@pytest.fixture(scope="session")
def served() -> Iterator[StandIn]:
    """The language models' stand-in as it is served locally, in a thread of this process."""
    with serving.served(StandIn, api_key=API_KEY) as stand_in:
        yield stand_in


@pytest.fixture
def stand_in(served: StandIn) -> StandIn:
    """The stand-in without faults and without memory of earlier calls."""
    served.reset()
    return served


@pytest.fixture
def model(database: dict[str, Any], stand_in: StandIn) -> Iterator[StandIn]:
    """The functions' environment with the stand-in as its first model, at 2 and 8 yuan for a million tokens."""
    name = f"llm-{os.urandom(4).hex()}"  # failures are counted under it
    secret = boto3.client("secretsmanager").create_secret(Name=name, SecretString=API_KEY)["ARN"]
    priced = {"name": "first", "base_url": stand_in.base_url, "model": name, "secret_arn": secret}
    os.environ.update(
        AI_MODELS=json.dumps([priced | {"prompt_price": "2", "completion_price": "8"}]),
        LLM_BASE_URL=stand_in.base_url,
        LLM_MODEL=name,
        LLM_SECRET_ARN=secret,
        LLM_TIMEOUT_SECONDS="5",
        LLM_RESPONSE_FORMAT="auto",
    )
    longhaul_settings.of.cache_clear()
    yield stand_in
    del os.environ["AI_MODELS"]
    longhaul_settings.of.cache_clear()


@pytest.fixture
def running_task(database: dict[str, Any]) -> Callable[..., Task]:
    """Makes RUNNING tasks: submitted and started, as the dispatcher would."""
    from longhaul.tasks import dispatch, store
    from longhaul.tasks.submission import Submission
    from tests.submitting import submit

    def make(kind: str = "hospital_province_refresh", tenant_id: str = "acme", **params: Any) -> Task:
        if kind == "hospital_province_refresh":
            params.setdefault("province", "广东省")
        task = submit(Submission(tenant_id, "ada", kind, params))
        for _ in range(3):  # the embedded engine's clock may be set back by some milliseconds: then it is not due yet
            if dispatch.dispatch([kind]):
                break
            time.sleep(0.02)
        with longhaul_database.connection() as session:
            found = store.fetch(session, task.task_id)
        assert found is not None
        return found

    return make


@pytest.fixture(autouse=True)
def as_deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that is called reads the settings that it requires, and no others."""
    monkeypatch.setattr(longhaul_settings, "of", deployed.guarded)


@pytest.fixture(scope="session")
def rights() -> Iterator[Rights]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        rights = Rights()
    yield rights
    keep("\t".join(grant) for grant in rights.used)


@pytest.fixture(autouse=True)
def within_its_rights(rights: Rights) -> Iterator[None]:
    """A function that is called asks of AWS what its role allows, and nothing else."""
    refused = list[str]()

    def check(request: AWSPreparedRequest, send: Callable[[], Any]) -> Any:
        function = deployed.running()
        message = rights.refusal(function, request) if function is not None else None
        if message is not None and NO_TABLE not in message:
            refused.append(message)
        return send()

    with watched(check):
        yield
    assert not refused, "\n".join(refused)


@pytest.fixture(autouse=True)
def rested() -> None:
    """No table is left alone because a test before has cut DynamoDB off."""
    dynamodb._Memory.rests.clear()


def make_table(name: str, key: str, sort: str = "", **options: Any) -> None:
    """A table of DynamoDB with this key, or these two; `options` are those of the client."""
    keys = {key: "HASH"} | ({sort: "RANGE"} if sort else {})
    boto3.client("dynamodb", region_name="us-east-1", **options).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def forget() -> None:
    """What an execution environment remembers, forgotten: settings, clients, the connection."""
    longhaul_settings.of.cache_clear()
    longhaul_kinds.kinds.cache_clear()
    aws._client.cache_clear()
    limits._Memory.arrivals.clear()
    waiting._Memory.full_until.clear()
    dynamodb._Memory.rests.clear()
    longhaul_database.close()


@pytest.fixture
def dynamodb_at(environment: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """dynamodb_at(url) points the functions' client there.

    The environment is as it was before the client is forgotten: a thread that still tries would keep the wrong one.
    """
    with monkeypatch.context() as patch:

        def point(url: str) -> None:
            patch.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
            aws._client.cache_clear()

        yield point
    aws._client.cache_clear()


def drain(variable: str) -> list[dict[str, Any]]:
    """The messages waiting in the queue that this variable names, taken off it.

    A message takes longer than the embedded engine's clock may go back by (7 ms, from one connection to another), so
    that what is due now is due for who gets it.
    """
    sqs, url, messages = boto3.client("sqs"), os.environ[variable], []
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in received:
            messages.append(json.loads(message["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    if messages:
        time.sleep(0.02)
    return messages


def _idle_machine(name: str) -> str:
    definition = {"StartAt": "Idle", "States": {"Idle": {"Type": "Succeed"}}}
    states = boto3.client("stepfunctions")
    machine = states.create_state_machine(
        name=name, definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/idle"
    )
    return machine["stateMachineArn"]


def _connect(engine: dict[str, Any], dbname: str | None = None) -> Any:
    return pymysql.connect(**engine, database=dbname, charset="utf8mb4", autocommit=True, conv=connections.CONVERSIONS)


def _administer(engine: dict[str, Any], statement: str) -> None:
    connection = _connect(engine)
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def _dead_letters(queue: str) -> str:
    """Make what holds a queue's dead letters; what it is called."""
    name, sqs = queue.removesuffix("Queue").lower(), boto3.client("sqs")
    url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 1_000})
    sqs.set_queue_attributes(QueueUrl=os.environ[f"{name.upper()}_QUEUE_URL"], Attributes={"RedrivePolicy": rule})
    return f"{name}-dead"


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
