"""A task that runs over its limit: one alert, one webhook, one e-mail, and it clears. With each channel's functions."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.aws import mailbox
from local.options import MAIL_FROM
from longhaul import database as longhaul_database
from longhaul.tasks import publication
from longhaul.tasks.model import Task
from longhaul.tasks.notices import Addressed, AlertData, Channel
from sockets.delivery import _addresses
from sockets.model import Topic
from tests.calling import call, records
from tests.chatting import StandIn
from tests.gateway import Api
from tests.integration.alerts.conftest import ALERTS, RULES
from tests.receiving import Receiver, verified

type Sql = Callable[..., list[dict[str, Any]]]
type Sent = Callable[[str], list[dict[str, Any]]]


@pytest.fixture
def receiver(served: StandIn) -> Iterator[Receiver]:
    receiver = Receiver(served.url)
    receiver.reset()
    yield receiver
    receiver.reset()


@pytest.fixture
def mails(database: dict[str, Any], tmp_path: Path) -> Callable[[], list[str]]:
    """The mails that were sent, as text."""
    mailbox.keep(tmp_path)
    boto3.client("sesv2").create_email_identity(EmailIdentity=MAIL_FROM)
    return lambda: [path.read_text(encoding="utf-8") for path in sorted(tmp_path.glob("*.eml"))]


@pytest.fixture
def deliver(sent: Sent) -> Callable[[], None]:
    """Hands each channel's messages to its functions, until there are none."""

    def hand_over() -> None:
        for queue, domain, function in (
            ("webhooks", "webhooks", "record_deliveries"),
            ("deliver", "webhooks", "deliver_webhook"),
            ("mail", "mail", "collect_notices"),
            ("outbox", "mail", "send_mail"),
        ):
            if messages := sent(queue):
                assert call(domain, function, records(*messages)) == {"batchItemFailures": []}

    return hand_over


def test_a_task_over_its_limit_makes_one_alert_one_webhook_and_one_mail_and_clears(
    api: Api,
    evaluate: Callable[[], dict[str, Any]],
    running_task: Callable[..., Task],
    pass_time: Callable[[float], None],
    receiver: Receiver,
    mails: Callable[[], list[str]],
    deliver: Callable[[], None],
    sql: Sql,
) -> None:
    # GIVEN a limit of seconds, a webhook of alerts, one of other things, and a recipient who has confirmed
    assert api("PUT", f"{RULES}/running_long", {"warning": 2, "critical": 7_200}).status == 200
    webhooks = Api(scope="notices:read notices:write", functions=("webhooks.serve_webhooks",))
    events = ["longhaul.alert.firing", "longhaul.alert.resolved"]
    hook = webhooks("POST", "/api/v1/webhooks", {"url": receiver.url("alerts"), "events": events}).body
    other = {"url": receiver.url("others"), "events": ["longhaul.task.failed"]}
    assert webhooks("POST", "/api/v1/webhooks", other).status == 201
    sql(
        "INSERT INTO mail_recipients (recipient_id, tenant_id, address, address_key, language, status, confirmed_at,"
        " created_at) VALUES (%s, 'acme', 'ada@example.com', 'ada@example.com', 'en', 'confirmed',"
        " '2026-01-01', '2026-01-01')", "recipient_" + "1" * 32,
    )  # fmt: skip
    with longhaul_database.connection() as session:
        publication.listen(session, "acme", Channel.MAIL)

    # WHEN a task runs for longer, and it is evaluated more than once
    task = running_task()
    pass_time(3)
    for _ in range(3):
        evaluate()
        deliver()

    # THEN there is one alert, one webhook with its signature, and one mail
    [alert] = api.get(ALERTS)["items"]
    assert (alert["state"], alert["task_id"]) == ("firing", task.task_id)
    [posted] = receiver.posted("alerts")
    notice = verified(posted, hook["secret"])
    assert (notice["type"], notice["data"]["alert_id"]) == ("longhaul.alert.firing", alert["alert_id"])
    assert receiver.posted("others") == []
    [mail] = mails()
    assert f"/api/v1/alerts/{alert['alert_id']}" in mail.replace("=\n", "")

    # WHEN the task ends, THEN it clears, which the webhook hears once; the next mail waits for its quarter of an hour
    sql("UPDATE tasks SET status = 'SUCCEEDED'")
    for _ in range(2):
        evaluate()
        deliver()
    assert api.get(f"{ALERTS}/{alert['alert_id']}")["state"] == "resolved"
    assert [json.loads(one["body"])["type"] for one in receiver.posted("alerts")] == events
    assert len(mails()) == 1
    assert sql("SELECT COUNT(*) AS number FROM mail_news WHERE unsent = 1") == [{"number": 1}]


def test_webhooks_of_kinds_hear_of_alerts_of_these_only(
    api: Api,
    evaluate: Callable[[], dict[str, Any]],
    running_task: Callable[..., Task],
    pass_time: Callable[[float], None],
    deliver: Callable[[], None],
    sql: Sql,
) -> None:
    webhooks = Api(scope="notices:read notices:write", functions=("webhooks.serve_webhooks",))
    task = running_task()
    made = [
        webhooks("POST", "/api/v1/webhooks", {"url": "https://hooks.example.com/a"} | chosen).body["webhook_id"]
        for chosen in ({}, {"kinds": [task.kind]}, {"kinds": ["role_creation"]})
    ]
    assert webhooks("PATCH", f"/api/v1/webhooks/{made[0]}", {"paused": True}).status == 200
    assert webhooks("PATCH", f"/api/v1/webhooks/{made[1]}", {"paused": True}).status == 200
    pass_time(3_601)
    evaluate()
    deliver()
    rows = sql("SELECT webhook_id, event, task_id FROM webhook_deliveries ORDER BY id")
    assert sorted(row["webhook_id"] for row in rows) == sorted(made[:2])
    assert {(row["event"], row["task_id"]) for row in rows} == {("longhaul.alert.firing", None)}


def test_sockets_hear_of_alerts_where_they_subscribe_to_them(
    evaluate: Callable[[], dict[str, Any]],
    running_task: Callable[..., Task],
    pass_time: Callable[[float], None],
    sent: Sent,
) -> None:
    running_task()
    with longhaul_database.connection() as session:
        publication.listen(session, "acme", Channel.SOCKETS, seconds=60)
    pass_time(3_601)
    evaluate()
    [message] = sent("sockets")
    [one] = [Addressed.model_validate(one) for one in message["notices"]]
    assert isinstance(one.notice.data, AlertData)
    assert list(_addresses(one)) == [("acme", Topic("alerts"))]
    assert one.notice.sequence < "0000000000000001.00000000"  # it hides no notice of a task
