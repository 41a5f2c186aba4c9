"""Recording: which address is to be told of which notice, one row each. What comes twice is recorded once.

A notice goes to the endpoints of its tenant that want it, and a task's to its callbacks. The rows are the truth; the
messages behind them only make it quick.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from longhaul import database, settings
from longhaul.aws import sqs
from longhaul.database import Session
from longhaul.observability import logger
from longhaul.tasks.notices import Addressed, AlertData
from webhooks import delivery_store, store
from webhooks.delivery_store import Due, Target
from webhooks.signing import new_secret


class Message(BaseModel):
    """To `deliver_webhook`: this delivery may be due."""

    model_config = ConfigDict(frozen=True)

    tenant_id: str
    delivery_id: str


def record(notices: Sequence[Addressed]) -> int:
    """How many deliveries are new. Raises DatabaseUnavailable; then nothing of it was recorded, or all."""
    alerts = [_row(one) for one in notices if isinstance(one.notice.data, AlertData)]
    rows = [_row(one) for one in notices if not isinstance(one.notice.data, AlertData)]
    task_ids = sorted({row["task_id"] for row in rows})
    with database.connection() as session:
        called = {row["task_id"]: row for row in delivery_store.list_callbacks(session, task_ids)}

    def write(tx: Session) -> int:
        new = delivery_store.record(tx, rows) + delivery_store.record_alerts(tx, alerts)
        if called:
            for tenant_id in sorted({task["tenant_id"] for task in called.values()}):
                store.ensure_tenant(tx, tenant_id, new_secret())
            delivery_store.insert_callbacks(tx, _targets(called))
            new += delivery_store.record_callbacks(tx, _called(rows, called))
        return new

    new = database.run_transaction(write)
    with database.connection() as session:
        due = delivery_store.list_recorded(session, task_ids, sorted({row["notice_id"] for row in rows}))
        due += delivery_store.list_recorded_alerts(session, alerts)
    send(due)
    logger.info("deliveries recorded", extra={"notices": len(notices), "new": new})
    return new


def send(due: Sequence[Due], *, delay: float = 0.0) -> None:
    """Have these deliveries tried. Never raises: the sweep finds them."""
    url = settings.of(settings.DeliverQueue).deliver_queue_url
    sqs.send(url, [Message(tenant_id=one.tenant_id, delivery_id=one.delivery_id) for one in due], delay=delay)


def _row(addressed: Addressed) -> dict[str, Any]:
    notice = addressed.notice
    return {
        "tenant_id": addressed.tenant_id,
        "task_id": notice.data.task_id,
        "notice_id": notice.id,
        "event": notice.type,
        "kind": notice.data.kind,
        "body": notice.model_dump_json(exclude_none=True),
    }


def _targets(called: dict[str, dict[str, Any]]) -> Iterator[Target]:
    for task in called.values():
        for callback in json.loads(task["callbacks"]):
            webhook_id = store.callback_id(task["tenant_id"], callback["url"])
            yield Target(webhook_id, task["tenant_id"], callback["url"], task["created_at"])


def _called(rows: Sequence[dict[str, Any]], called: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each notice that a callback of its task wants."""
    for row in rows:
        if (task := called.get(row["task_id"])) is None:
            continue
        for callback in json.loads(task["callbacks"]):
            if callback.get("events") is None or row["event"] in callback["events"]:
                yield row | {"webhook_id": store.callback_id(task["tenant_id"], callback["url"])}
