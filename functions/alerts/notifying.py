"""Notifying: what happened to alerts is given to the channels that listen, and to the topic.

The events are rows, unsent until all of it was sent. One that was claimed by somebody who died is found by the next
evaluation, and keeps its id: who hears of it twice can tell. What fails holds nothing else up: it stays claimed for a
while, and later events go on.
"""

import json
from typing import Any

from alerts import store
from alerts.model import AlertEvent, AlertState
from longhaul import aws, database, lifetime, settings
from longhaul.observability import logger
from longhaul.tasks import publication
from longhaul.tasks.notices import Addressed, AlertData, alert

CLAIM_SECONDS = 50  # less than until the next evaluation
BATCH = 100
RESERVED_SECONDS = 5.0  # of the function's time
MAX_SUBJECT = 100  # characters of SNS's


def notify() -> int:
    """Notify of all that is unsent. Returns how many events. What could not be sent stays unsent.

    Raises DatabaseUnavailable.
    """
    sent, topic = 0, _Topic()
    while lifetime.seconds_left() > RESERVED_SECONDS:
        with database.connection() as session:
            claimed = store.claim_unsent(session, CLAIM_SECONDS, BATCH)
        if not claimed:
            break
        notices = [_addressed(row) for row in claimed]
        if not publication.deliver(notices):
            continue
        done = [row["id"] for row, one in zip(claimed, notices, strict=True) if topic.publish(one)]
        if done:
            with database.connection() as session:
                store.mark_sent(session, done)
        sent += len(done)
    return sent


def _addressed(row: dict[str, Any]) -> Addressed:
    event = AlertEvent(row["event"])
    data = AlertData(
        alert_id=row["alert_id"],
        rule=row["rule"],
        severity=row["severity"],
        state=AlertState.RESOLVED if event == AlertEvent.RESOLVED else AlertState.FIRING,
        message=row["message"],
        value=row["value"],
        threshold=row["threshold"],
        title=row["title"] or row["subject"] or row["rule"],
        task_id=row["task_id"],
        kind=row["kind"],
    )
    return Addressed(tenant_id=row["tenant_id"], notice=alert(row["id"], event, row["created_at"], data))


class _Topic:
    """The operator's topic, to which go the alerts of every tenant: attributes let a subscription choose."""

    def __init__(self) -> None:
        self._away = False  # one that does not answer is not asked again: each time would take seconds

    def publish(self, one: Addressed) -> bool:
        """Whether the notice was sent."""
        if self._away:
            return False
        notice, data = one.notice, one.notice.data
        if not isinstance(data, AlertData):
            raise TypeError("an alert's notice has an alert's data")
        said = {"type": notice.type, "severity": data.severity, "rule": data.rule, "tenant_id": one.tenant_id or "-"}
        attributes: Any = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        body = json.dumps(notice.model_dump(mode="json", exclude_none=True) | {"tenantid": one.tenant_id})
        arn = settings.of(settings.Alerts).alerts_topic
        try:
            aws.client("sns").publish(TopicArn=arn, Message=body, Subject=_subject(data), MessageAttributes=attributes)
        except aws.errors() as error:
            self._away = aws.is_away(error)
            logger.warning("alert not published", extra={"alert_id": data.alert_id, "reason": str(error)})
            return False
        return True


def _subject(data: AlertData) -> str:
    """SNS takes printable ASCII here, and begins with a letter or a digit."""
    return f"Longhaul {data.severity}: {data.rule} {data.state}"[:MAX_SUBJECT]
