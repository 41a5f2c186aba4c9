"""Notifying: what happened to alerts is given to the channels that listen, and to the topic.

The events are rows, unsent until all of it was sent. One that was claimed by somebody who died is found by the next
evaluation, and keeps its id: who hears of it twice can tell.
"""

import json
from collections.abc import Sequence
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
    sent = 0
    while lifetime.seconds_left() > RESERVED_SECONDS:
        with database.connection() as session:
            claimed = store.claim_unsent(session, CLAIM_SECONDS, BATCH)
        if not claimed:
            break
        notices = [_addressed(row) for row in claimed]
        if not (publication.deliver(notices) and _publish(notices)):
            return sent
        with database.connection() as session:
            store.mark_sent(session, [row["id"] for row in claimed])
        sent += len(claimed)
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


def _publish(notices: Sequence[Addressed]) -> bool:
    """To the operator's topic, those of every tenant: attributes let a subscription choose. Whether all were sent."""
    topic = settings.of(settings.Alerts).alerts_topic
    for one in notices:
        notice, data = one.notice, one.notice.data
        if not isinstance(data, AlertData):
            raise TypeError("an alert's notice has an alert's data")
        said = {"type": notice.type, "severity": data.severity, "rule": data.rule, "tenant_id": one.tenant_id or "-"}
        attributes: Any = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        body = json.dumps(notice.model_dump(mode="json", exclude_none=True) | {"tenantid": one.tenant_id})
        try:
            aws.client("sns").publish(
                TopicArn=topic, Message=body, Subject=_subject(data), MessageAttributes=attributes
            )
        except aws.errors() as error:
            logger.warning("alert not published", extra={"alert_id": data.alert_id, "reason": str(error)})
            return False
    return True


def _subject(data: AlertData) -> str:
    """SNS takes printable ASCII here, and begins with a letter or a digit."""
    return f"Longhaul {data.severity}: {data.rule} {data.state}"[:MAX_SUBJECT]
