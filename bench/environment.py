"""The functions' surroundings: their settings, moto's AWS in a process of its own, the database's secret."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local.machine import free_port
from local.options import ROOT

READY_SECONDS = 60.0
SETTINGS = {
    "KIND_MODULES": "hospitals.kinds,calls.kinds,diagnosis.kinds,roles.kinds,tasks.kinds",
    "DATABASE_TLS": "off",
    "CACHE_TABLE": "cache",
    "WRITES_PER_MINUTE": "1000000",
    "BULK_PER_MINUTE": "1000000",
    "WAITS_PER_TENANT": "10",
    "WAITS_AT_ONCE": "50",
    "LLM_BASE_URL": "http://127.0.0.1:9",  # no bench asks a model by it
    "LLM_MODEL": "none",
    "LLM_SECRET_ARN": "unused",
    "LLM_TIMEOUT_SECONDS": "1",
    "LLM_RESPONSE_FORMAT": "none",
    "AI_MODELS": "[]",
    "READS_PER_MINUTE": "0",
    "LIVE_TABLE": "live",
    "BREAKER_TABLE": "breaker",
    "CALL_SYNC_SECONDS": "30",
    "CALL_LEASE_SECONDS": "120",
    "WEBHOOK_LOOPBACK": "false",
    "RECORDINGS_BUCKET": "recordings",
    "RECORDING_HOSTS": "recordings.example.com",
    "OUTBOUND_ENDPOINT": "127.0.0.1:9",
    "OUTBOUND_PROTOCOL": "http",
    "OUTBOUND_INSTANCE_ID": "bench",
    "OUTBOUND_SECRET_ARN": "unused",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "POWERTOOLS_SERVICE_NAME": "longhaul",
    "POWERTOOLS_METRICS_NAMESPACE": "Longhaul",
    "POWERTOOLS_LOG_LEVEL": "ERROR",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}
QUEUES = ("sync", "recordings", "analyse", "dispatch", "progress")


@contextmanager
def environment(database: dict[str, Any]) -> Iterator[None]:
    """Put the functions' environment into os.environ until the block ends. `database`: the content of its secret."""
    port = free_port()
    command = [sys.executable, "-m", "local.aws", "--port", str(port), "--runtime", "http://127.0.0.1:9"]
    with tempfile.TemporaryDirectory() as folder:  # these callers have no role, so no policy is read
        command += ["--iam", folder, "--mail", folder]
        aws = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        try:
            os.environ.update(SETTINGS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
            _create(database)
            yield
        finally:
            aws.kill()
            aws.wait()


def _create(database: dict[str, Any]) -> None:
    import boto3
    from botocore.exceptions import EndpointConnectionError

    secrets_manager, deadline = boto3.client("secretsmanager"), time.monotonic() + READY_SECONDS
    while "DATABASE_SECRET_ARN" not in os.environ:
        try:
            made = secrets_manager.create_secret(Name="database", SecretString=json.dumps(database))
            os.environ["DATABASE_SECRET_ARN"] = made["ARN"]
        except EndpointConnectionError:
            if time.monotonic() > deadline:
                raise SystemExit("bench: moto does not start") from None
            time.sleep(0.1)
    os.environ["CURSOR_SECRET_ARN"] = secrets_manager.create_secret(Name="cursors", SecretString="bench")["ARN"]
    sqs, dynamodb = boto3.client("sqs"), boto3.client("dynamodb")
    for name in QUEUES:
        os.environ[f"{name.upper()}_QUEUE_URL"] = sqs.create_queue(QueueName=name)["QueueUrl"]
    for name, key in {"cache": "pk", "live": "task_id", "breaker": "circuit"}.items():
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
