"""Alerts on a real database: time that passes for tasks and alerts, evaluations, and a queue at the topic."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from tests.calling import call, sample
from tests.gateway import Api

type Sql = Callable[..., list[dict[str, Any]]]
type Evaluate = Callable[[], dict[str, Any]]

ALERTS, RULES, SILENCES = "/api/v1/alerts", "/api/v1/alert-rules", "/api/v1/alert-silences"
SERVED = ("alerts.serve_alerts",)


@pytest.fixture
def evaluate(database: dict[str, Any]) -> Evaluate:
    """An evaluation, as every minute."""
    return lambda: call("alerts", "evaluate_alerts", sample("alerts", "evaluate_alerts"))  # type: ignore[no-any-return]


@pytest.fixture
def api(database: dict[str, Any]) -> Api:
    return Api(functions=SERVED)


@pytest.fixture
def other(database: dict[str, Any]) -> Api:
    """Another tenant."""
    return Api("umbrella", functions=SERVED)


@pytest.fixture
def operator(database: dict[str, Any]) -> Api:
    return Api("operators", scope="tasks:read tasks:write ops", functions=SERVED)


@pytest.fixture
def pass_time(sql: Sql) -> Callable[[float], None]:
    """pass_time(seconds): all that rows say of tasks and alerts lies so much further back."""

    def pass_seconds(seconds: float) -> None:
        for table, columns in (
            ("tasks", ("created_at", "started_at", "run_after")),
            ("alerts", ("notified_at", "fired_at", "created_at", "updated_at", "resolved_at")),
            ("alert_events", ("claimed_until", "created_at")),
            ("alert_silences", ("ends_at", "created_at")),
        ):
            moved = ", ".join(f"{column} = TIMESTAMPADD(SECOND, -{seconds:g}, {column})" for column in columns)
            sql(f"UPDATE {table} SET {moved}")

    return pass_seconds


@pytest.fixture
def published(database: dict[str, Any]) -> Callable[[], list[dict[str, Any]]]:
    """What was published to the topic since the last time, as a queue that subscribes to it gets it."""
    import os

    sqs, sns, topic = boto3.client("sqs"), boto3.client("sns"), os.environ["ALERTS_TOPIC"]
    url = sqs.create_queue(QueueName="of-alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    def take() -> list[dict[str, Any]]:
        found = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                found.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return sorted(found, key=lambda notice: str(notice["sequence"]))

    return take
