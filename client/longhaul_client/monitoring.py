"""The monitor for programs: what happened to tasks in a window, as plain dictionaries.

monitor = TaskMonitor()
print(await monitor.generate_report())
health = await monitor.health_check()

The server counts, so a figure costs the same however many tasks there are. A success rate is of the tasks that ended in
the window, and a duration is the time that a task ran, without its waiting.
"""

import asyncio
from typing import Any

from longhaul_client.api import Api, Query
from longhaul_client.connections import Settings
from longhaul_client.documents import Document, local_time
from longhaul_client.manager import TaskManager
from longhaul_client.resources import Tasks

MONITOR = "/api/v1/monitor"
HOSPITALS = "hospital_"  # what the names of the kinds begin with whose units are hospitals
WAITING_SHOWN = 100

_METRICS = {
    "total_tasks": 0,
    "running_tasks": 0,
    "completed_tasks": 0,
    "failed_tasks": 0,
    "total_processed_hospitals": 0,
    "average_execution_time": 0,
}


class Monitor:
    """The monitor's resources. `query`: window, until, kind, all_tenants, and thresholds."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def metrics(self, query: Query) -> Document:
        return await self._api.get(f"{MONITOR}/metrics", query, expects=("figures", "now", "kinds", "longest_running"))

    async def health(self, query: Query) -> Document:
        return await self._api.get(f"{MONITOR}/health", query, expects=("status", "issues"))

    async def performance(self, query: Query) -> list[Document]:
        kinds: list[Document] = (await self._api.get(f"{MONITOR}/performance", query, expects=("kinds",)))["kinds"]
        return kinds

    async def issues(self, query: Query) -> list[Document]:
        issues: list[Document] = (await self._api.get(f"{MONITOR}/issues", query, expects=("issues",)))["issues"]
        return issues

    async def report(self, query: Query) -> str:
        return await self._api.text(f"{MONITOR}/report", query)


class _Watching:
    """Whose figures, and of when. `window`: `15m` to `90d`; `all_tenants` needs the scope `ops`."""

    def __init__(
        self,
        *,
        window: str = "24h",
        all_tenants: bool = False,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        api = Api(Settings.of(url, token))
        self.manager = TaskManager(url=url, token=token)
        self._query: Query = {"window": window, "all_tenants": "true" if all_tenants else None}
        self._monitor, self._tasks = Monitor(api), Tasks(api)


class TaskMonitor(_Watching):
    """A panel of the tasks of a window: numbers, a report, and whether all is well."""

    def __init__(self, *, language: str = "zh", **watched: Any) -> None:
        """`language` of the report: `zh` or `en`. `watched`: window, all_tenants, url, token."""
        super().__init__(**watched)
        self._language = language
        self.metrics: Document = dict(_METRICS)

    async def collect_metrics(self) -> Document:
        """Return the figures of the window, and of each task that waits or runs now its progress.

        {timestamp, total_tasks (submitted), running_tasks (now), completed_tasks, failed_tasks, success_rate (per cent
        of what ended; 0 of nothing), total_processed_hospitals, average_execution_time (seconds that tasks ran which
        succeeded), active_task_details: [{task_id, status, progress, current_step, duration}]}. The 100 that have run
        longest and the 100 newest that wait are named; the `duration` of one that waits is 0.
        """
        waiting = {"status": "PENDING", "page_size": WAITING_SHOWN}
        found, kinds, pending = await asyncio.gather(
            self._monitor.metrics(self._query), self._monitor.performance(self._query), self._tasks.page(waiting)
        )
        figures = found["figures"]
        ran = sum(kind["running"]["count"] for kind in kinds)
        total = sum((kind["running"]["mean"] or 0) * kind["running"]["count"] for kind in kinds)
        self.metrics = {
            "total_tasks": figures["submitted"],
            "running_tasks": found["now"]["running"],
            "completed_tasks": figures["succeeded"],
            "failed_tasks": figures["failed"],
            "total_processed_hospitals": sum(
                kind["units"] for kind in kinds if str(kind["kind"]).startswith(HOSPITALS)
            ),
            "average_execution_time": total / ran if ran else 0,
        }
        return {
            "timestamp": local_time(found["as_of"]).replace(tzinfo=None).isoformat(),
            **self.metrics,
            "success_rate": 100 * (figures["success_rate"] or 0),
            "active_task_details": [
                *(_detail(task, "RUNNING", task["running_seconds"]) for task in found["longest_running"]),
                *(_detail(task, "PENDING", 0.0) for task in pending["items"]),
            ],
        }

    async def generate_report(self) -> str:
        """Return the figures of the window as a text for people."""
        return await self._monitor.report({**self._query, "lang": self._language})

    async def health_check(self, **thresholds: float) -> Document:
        """Return {status: healthy, warning or critical; issues: texts; metrics, timestamp}.

        `thresholds`: those of `GET /api/v1/monitor/health`, such as `running_warning_seconds=600`.
        """
        health = await self._monitor.health({**self._query, **thresholds})
        metrics = await self.collect_metrics()
        return {
            "status": health["status"],
            "issues": [issue["message"] for issue in health["issues"]],
            "metrics": metrics,
            "timestamp": metrics["timestamp"],
        }


class TaskPerformanceAnalyzer(_Watching):
    """How each kind of task does."""

    def __init__(self, **watched: Any) -> None:
        """`watched`: window, all_tenants, url, token."""
        super().__init__(**watched)

    async def analyze_execution_performance(self) -> dict[str, Document]:
        """Return of each kind of which a task succeeded, by its name:

        {total_tasks (ended), successful_tasks, success_rate (per cent), avg_, min_ and max_execution_time (seconds),
        avg_ and best_hospitals_per_second (units, where a kind has no hospitals)}.
        """
        return {
            kind["kind"]: {
                "total_tasks": kind["count"],
                "successful_tasks": kind["succeeded"],
                "success_rate": 100 * (kind["success_rate"] or 0),
                "avg_execution_time": kind["running"]["mean"],
                "min_execution_time": kind["running"]["min"],
                "max_execution_time": kind["running"]["max"],
                "avg_hospitals_per_second": kind["units_per_second"] or 0,
                "best_hospitals_per_second": kind["best_units_per_second"],
            }
            for kind in await self._monitor.performance(self._query)
            if kind["succeeded"] and kind["running"]["count"]
        }

    async def detect_performance_issues(self, **thresholds: float) -> list[Document]:
        """Return [{type, task_type, message, severity}]: the kinds that are slow, fail or get little done.

        A kind is judged when 20 of its tasks have ended. `thresholds`: those of `GET /api/v1/monitor/issues`, such as
        `max_mean_seconds=600` or `min_ended=1`.
        """
        found = await self._monitor.issues({**self._query, **thresholds})
        return [
            {
                "type": issue["type"],
                "task_type": issue["kind"],
                "message": issue["message"],
                "severity": issue["severity"],
            }
            for issue in found
        ]


def _detail(task: Document, status: str, seconds: float) -> Document:
    return {
        "task_id": task["task_id"],
        "status": status,
        "progress": task["progress"],
        "current_step": task.get("current_step") or "",
        "duration": seconds,
    }
