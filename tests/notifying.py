"""Webhooks in tests: made over HTTP, told of notices, tried with an outcome that the test gives."""

from typing import Any

from longhaul import database
from longhaul.tasks import store
from longhaul.tasks.model import Task
from longhaul.tasks.notices import Addressed, Notice, NoticeData
from tests.calling import call, records
from tests.gateway import Api
from webhooks.delivery_store import Due
from webhooks.model import Outcome
from webhooks.trying import deliver

WEBHOOKS = "/api/v1/webhooks"
STARTED, SUCCEEDED = "longhaul.task.started", "longhaul.task.succeeded"
TAKEN = Outcome(204)
REFUSED = Outcome(500, "the answer's status is 500")


def make(api: Api, url: str = "https://hooks.example.com/a", **wanted: Any) -> dict[str, Any]:
    answer = api("POST", WEBHOOKS, {"url": url, **wanted})
    assert answer.status == 201, answer
    webhook: dict[str, Any] = answer.body
    return webhook


def ask(api: Api, webhook: dict[str, Any]) -> Due:
    """A delivery of a test: all are alike to who tries them."""
    answer = api("POST", f"{WEBHOOKS}/{webhook['webhook_id']}/test")
    assert answer.status == 202, answer
    return Due(answer.body["delivery_id"], "acme")


def delivery(api: Api, webhook: dict[str, Any], due: Due | None = None) -> dict[str, Any]:
    items = api.get(f"{WEBHOOKS}/{webhook['webhook_id']}/deliveries")["items"]
    found: dict[str, Any] = next(item for item in items if due is None or item["delivery_id"] == due.delivery_id)
    return found


def tried(due: Due, outcome: Outcome) -> int:
    return deliver([due], post=lambda url, body, headers: outcome)


def notice(task: Task, kind: str = SUCCEEDED, number: int = 7, **data: Any) -> dict[str, Any]:
    sequence = f"{number:016d}.00000000"
    told = NoticeData(
        task_id=task.task_id, kind=task.kind, title=task.title, status=task.status, attempt=1, progress=100, **data
    )
    found = Notice(
        id=sequence, type=kind, subject=task.task_id, time="2026-12-01T02:00:00.123Z", sequence=sequence,
        traceparent=None, data=told,
    )  # fmt: skip
    return Addressed(tenant_id=task.tenant_id, notice=found).model_dump(mode="json")


def record(*notices: dict[str, Any]) -> Any:
    answer = call("webhooks", "record_deliveries", records({"notices": list(notices)}))
    assert answer == {"batchItemFailures": []}
    return answer


def task_of(task_id: str) -> Task:
    with database.connection() as session:
        found = store.fetch(session, task_id)
    assert found is not None
    return found
