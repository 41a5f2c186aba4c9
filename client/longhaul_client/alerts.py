"""Alerts for programs: TaskAlertSystem checks the tenant's tasks, and hands what is wrong to the program's handlers."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

from longhaul_client.api import Api, Query
from longhaul_client.connections import Settings
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError
from longhaul_client.resources import once, segment

ALERTS, RULES, SILENCES = "/api/v1/alerts", "/api/v1/alert-rules", "/api/v1/alert-silences"
DEAD_LETTERS = "/api/v1/dead-letters"

MIN_ENDED = 20  # tasks: of fewer no rate is judged

type AlertHandler = Callable[[Document], Awaitable[object]]

logger = logging.getLogger(__name__)


class Alerts:
    """The tenant's alerts, rules and silences; with `all_tenants` (scope `ops`) those of the deployment."""

    def __init__(self, api: Api, *, all_tenants: bool = False) -> None:
        self._api = api
        self._whose: Query = {"all_tenants": "true"} if all_tenants else {}

    def pages(self, query: Query) -> AsyncIterator[list[Document]]:
        """Yield alerts, the newest first, a page at a time. `query`: state, rule, severity, limit."""
        return self._api.pages(ALERTS, {**query, **self._whose})

    async def read(self, alert_id: str) -> Document:
        """An alert with its history."""
        return await self._api.get(f"{ALERTS}/{segment(alert_id)}", self._whose, expects=("alert_id", "history"))

    async def acknowledge(self, alert_id: str) -> Document:
        """It is not repeated any more, unless it becomes critical."""
        path = f"{ALERTS}/{segment(alert_id)}/acknowledge"
        return await self._change("POST", path, expects=("alert_id", "state"))

    async def rules(self) -> list[Document]:
        items: list[Document] = (await self._api.get(RULES, self._whose, expects=("items",)))["items"]
        return items

    async def set_rule(self, rule: str, **given: Any) -> Document:
        """`given`: enabled, warning, critical (None: never), hold_seconds."""
        return await self._change("PUT", f"{RULES}/{segment(rule)}", body=given, expects=("rule",))

    async def reset_rule(self, rule: str) -> Document:
        return await self._change("DELETE", f"{RULES}/{segment(rule)}", expects=("rule",))

    def silences(self) -> AsyncIterator[list[Document]]:
        return self._api.pages(SILENCES, self._whose)

    async def silence(self, **given: Any) -> Document:
        """`given`: ends_at, rule, subject, comment."""
        return await self._change("POST", SILENCES, body=given, expects=("silence_id",))

    async def unsilence(self, silence_id: str) -> None:
        await self._change("DELETE", f"{SILENCES}/{segment(silence_id)}")

    async def _change(self, method: str, path: str, **more: Any) -> Document:
        return await self._api.send(method, path, query=self._whose, headers=once(), **more)


class DeadLetters:
    """Messages that have failed three times, for operators (scope `ops`)."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def queues(self) -> list[Document]:
        items: list[Document] = (await self._api.get(DEAD_LETTERS, expects=("items",)))["items"]
        return items

    async def look(self, queue: str, limit: int) -> list[Document]:
        """Some of a queue's, which stay where they are."""
        answer = await self._api.get(f"{DEAD_LETTERS}/{segment(queue)}", {"limit": limit}, expects=("items",))
        items: list[Document] = answer["items"]
        return items

    async def redrive(self, queue: str, limit: int) -> Document:
        """Put at most `limit` back into their queue. Returns {moved, left}."""
        path = f"{DEAD_LETTERS}/{segment(queue)}/redrive"
        return await self._api.send("POST", path, body={"limit": limit}, headers=once(), expects=("moved", "left"))


class TaskAlertSystem:
    """Checks the caller's tasks against `alert_thresholds`, which a program may change, and calls its handlers.

    The server's own alerts (`GET /api/v1/alerts`) go on whether a program checks or not: they fire once and clear.
    """

    def __init__(self, *, url: str | None = None, token: str | None = None) -> None:
        self._api = Api(Settings.of(url, token))
        self.alert_thresholds: dict[str, float] = {
            "execution_time_warning": 3600,
            "execution_time_critical": 7200,
            "failure_rate_warning": 0.1,
            "failure_rate_critical": 0.2,
            "concurrent_tasks_warning": 8,
            "concurrent_tasks_critical": 10,
        }
        self.alert_handlers: list[AlertHandler] = []

    def add_alert_handler(self, handler: AlertHandler) -> None:
        self.alert_handlers.append(handler)

    async def check_alerts(self) -> list[Document]:
        """What is wrong now, each {type, severity, message, timestamp}, and task_id of a task.

        Of a server that cannot be asked: one of type alert_system_error.
        """
        try:
            metrics = await self._api.get(
                "/api/v1/monitor/metrics", {"window": "24h"}, expects=("now", "figures", "longest_running")
            )
        except TaskError as error:
            return [_alert("alert_system_error", "error", f"the alerts cannot be checked: {error}")]
        return [*self._long_running(metrics), *self._failures(metrics["figures"]), *self._running(metrics["now"])]

    async def send_alerts(self, alerts: list[Document]) -> None:
        """Call each handler with each alert. One that raises does not stop the others."""
        for alert in alerts:
            for handler in tuple(self.alert_handlers):
                try:
                    await handler(alert)
                except Exception:
                    logger.exception("an alert handler has failed")

    async def aclose(self) -> None:
        """Close this event loop's connections unless others use them."""
        await self._api.aclose()

    def _long_running(self, metrics: Document) -> list[Document]:
        found = []
        for task in metrics["longest_running"]:
            seconds = task["running_seconds"]
            if severity := self._severity("execution_time", seconds):
                message = f"{task['title']} has run for {seconds / 3600:.1f} hours"
                found.append(_alert(f"execution_time_{severity}", severity, message, task_id=task["task_id"]))
        return found

    def _failures(self, figures: Document) -> list[Document]:
        rate = figures["failure_rate"]
        if rate is None or figures["ended"] < MIN_ENDED or not (severity := self._severity("failure_rate", rate)):
            return []
        message = f"{rate:.1%} of the tasks that ended in 24 hours have failed"
        return [_alert(f"failure_rate_{severity}", severity, message)]

    def _running(self, now: Document) -> list[Document]:
        if not (severity := self._severity("concurrent_tasks", now["running"])):
            return []
        return [_alert(f"concurrent_tasks_{severity}", severity, f"{now['running']} tasks run at once")]

    def _severity(self, of: str, value: float) -> str | None:
        return next(
            (severity for severity in ("critical", "warning") if value > self.alert_thresholds[f"{of}_{severity}"]),
            None,
        )


def _alert(kind: str, severity: str, message: str, **more: str) -> Document:
    return {
        "type": kind, "severity": severity, "message": message, "timestamp": datetime.now(UTC).isoformat(), **more,
    }  # fmt: skip
