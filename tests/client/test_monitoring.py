"""TaskMonitor, TaskPerformanceAnalyzer, `longhaul monitor`: figures as dictionaries and on a screen."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longhaul_client import TaskExecutionError, TaskMonitor, TaskPerformanceAnalyzer
from longhaul_client.command import longhaul, monitoring
from tests.client.scripted import Document, Reply, Request, Scripted, problem, task

type Run = Callable[..., Result]

STEERING = "\x1b[2J[red]"
DURATIONS = {"count": 4, "mean": 90.0, "p50": 80.0, "p95": 4000.0, "min": 10.0, "max": 5000.0}
NOTHING = {"count": 0, "mean": None, "p50": None, "p95": None, "min": None, "max": None}
FIGURES = {
    "submitted": 9,
    "ended": 6,
    "succeeded": 4,
    "failed": 2,
    "success_rate": 0.6667,
    "units": 300,
    "units_per_second": 0.83,
    "running": DURATIONS,
}
IDLE = {**FIGURES, "submitted": 0, "ended": 0, "succeeded": 0, "failed": 0, "success_rate": None,
        "units": 0, "units_per_second": None, "running": NOTHING}  # fmt: skip
NOW = {"waiting": 2, "scheduled": 0, "running": 1, "oldest_waiting_seconds": 5}
LONG = {
    "task_id": "t-1",
    "kind": "hospital_full_refresh",
    "title": "全量刷新",
    "progress": 40,
    "current_step": f"越秀区{STEERING}",
    "running_seconds": 7260.5,
}
METRICS = {
    "as_of": "2026-11-25T01:02:03.456Z",
    "figures": FIGURES,
    "now": NOW,
    "kinds": [{"kind": "hospital_full_refresh", "figures": FIGURES, "now": NOW}],
    "longest_running": [LONG],
}
ISSUE = {"type": "long_running", "severity": "critical", "message": f"task t-1 has run for 2.0 h{STEERING}",
         "value": 7260.5, "threshold": 7200.0, "kind": "hospital_full_refresh", "task_id": "t-1"}  # fmt: skip
HEALTH = {"status": "critical", "issues": [ISSUE]}
KINDS = [
    {"kind": "hospital_full_refresh", "count": 5, "succeeded": 4, "success_rate": 0.8, "running": DURATIONS,
     "units": 300, "units_per_second": 0.83, "best_units_per_second": 2.5},
    {"kind": "call_campaign", "count": 2, "succeeded": 1, "success_rate": 0.5,
     "running": {**DURATIONS, "count": 1, "mean": 40.0}, "units": 70, "units_per_second": None,
     "best_units_per_second": 0.0},
    {"kind": "brand_diagnosis", "count": 1, "succeeded": 0, "success_rate": 0.0, "running": NOTHING, "units": 0,
     "units_per_second": None, "best_units_per_second": 0.0},
]  # fmt: skip
SLOW = {**ISSUE, "type": "slow_execution", "severity": "warning", "task_id": None, "message": "slow"}
QUEUE = {"kind": "hospital_full_refresh", "waiting": 2, "running": 1, "max_concurrent": 5, "max_queued": 100}
ALERT = {
    "severity": "critical",
    "rule": "running_long",
    "subject": f"t-1{STEERING}",
    "state": "firing",
    "value": 7260.5,
}


def answers(request: Request) -> Reply:
    bodies: dict[str, Document] = {
        "/api/v1/monitor/metrics": METRICS,
        "/api/v1/monitor/health": HEALTH,
        "/api/v1/monitor/performance": {"kinds": KINDS},
        "/api/v1/monitor/issues": {"issues": [SLOW]},
        "/api/v1/tasks": {"items": [task("PENDING", task_id="t-2", progress=0, current_step=None)],
                          "page": 1, "pages": 1, "total": 1},
        "/api/v1/queue": {"items": [QUEUE, {**QUEUE, "kind": "call_campaign"}]},
        "/api/v1/alerts": {"items": [ALERT], "next_cursor": None},
    }  # fmt: skip
    return Reply(200, bodies[request.path])


@pytest.fixture
def run(server: Scripted) -> Run:
    server.will(does=answers)
    return lambda *arguments: CliRunner().invoke(longhaul, ["monitor", *arguments], catch_exceptions=False)


def asked(server: Scripted, path: str) -> dict[str, str]:
    return next(dict(request.query) for request in server.requests if request.path.endswith(path))


def test_metrics_are_what_programs_know(server: Scripted) -> None:
    server.will(does=answers)
    monitor = TaskMonitor(window="7d", all_tenants=True)
    found = asyncio.run(monitor.collect_metrics())
    assert found.pop("timestamp")[:5] in ("2026-", "2025-")
    assert found == {
        "total_tasks": 9,
        "running_tasks": 1,
        "completed_tasks": 4,
        "failed_tasks": 2,
        "success_rate": pytest.approx(66.67),
        "total_processed_hospitals": 300,
        "average_execution_time": 80.0,  # of four tasks 90 s each, and of one 40 s
        "active_task_details": [
            {"task_id": "t-1", "status": "RUNNING", "progress": 40, "current_step": LONG["current_step"],
             "duration": 7260.5},
            {"task_id": "t-2", "status": "PENDING", "progress": 0, "current_step": "", "duration": 0.0},
        ],
    }  # fmt: skip
    assert monitor.metrics["total_tasks"] == 9
    assert asked(server, "/metrics") == {"window": "7d", "all_tenants": "true"}


def test_where_nothing_has_happened_there_are_zeros(server: Scripted) -> None:
    idle = {**METRICS, "figures": IDLE, "kinds": [], "longest_running": []}
    empty = {"items": [], "page": 1, "pages": 0, "total": 0, "kinds": []}
    server.will(does=lambda request: Reply(200, idle if request.path.endswith("metrics") else empty))
    found = asyncio.run(TaskMonitor().collect_metrics())
    assert (found["success_rate"], found["average_execution_time"], found["total_processed_hospitals"]) == (0, 0, 0)
    assert found["active_task_details"] == []
    assert asyncio.run(TaskPerformanceAnalyzer().analyze_execution_performance()) == {}


def test_health_is_a_status_with_its_reasons(server: Scripted) -> None:
    server.will(does=answers)
    health = asyncio.run(TaskMonitor().health_check(running_critical_seconds=7200))
    assert health.keys() == {"status", "issues", "metrics", "timestamp"}
    assert (health["status"], health["issues"]) == ("critical", [ISSUE["message"]])
    assert asked(server, "/health") == {"window": "24h", "running_critical_seconds": "7200"}


@pytest.mark.parametrize(("options", "lang"), [({}, "zh"), ({"language": "en"}, "en")])
def test_the_report_is_the_servers_text(server: Scripted, options: dict[str, Any], lang: str) -> None:
    server.will(Reply(200, "任务监控报告\n", headers={"X-Odd": "1"}, media_type="text/plain"))
    assert asyncio.run(TaskMonitor(**options).generate_report()) == "任务监控报告\n"
    assert asked(server, "/report") == {"window": "24h", "lang": lang}


def test_a_report_that_is_refused_or_no_text_is_an_error(server: Scripted) -> None:
    for reply in (problem(403, "forbidden", "It needs ops."), Reply(200, {"odd": 1})):
        server.will(reply)
        with pytest.raises(TaskExecutionError):
            asyncio.run(TaskMonitor().generate_report())


def test_performance_is_of_each_kind_that_succeeded(server: Scripted) -> None:
    server.will(does=answers)
    found = asyncio.run(TaskPerformanceAnalyzer(window="90d").analyze_execution_performance())
    assert found.keys() == {"hospital_full_refresh", "call_campaign"}
    assert found["hospital_full_refresh"] == {
        "total_tasks": 5,
        "successful_tasks": 4,
        "success_rate": 80.0,
        "avg_execution_time": 90.0,
        "min_execution_time": 10.0,
        "max_execution_time": 5000.0,
        "avg_hospitals_per_second": 0.83,
        "best_hospitals_per_second": 2.5,
    }
    assert found["call_campaign"]["avg_hospitals_per_second"] == 0
    assert asked(server, "/performance") == {"window": "90d"}


def test_performance_issues_are_of_kinds(server: Scripted) -> None:
    server.will(does=answers)
    (issue,) = asyncio.run(TaskPerformanceAnalyzer().detect_performance_issues(min_ended=1))
    assert issue == {
        "type": "slow_execution",
        "task_type": "hospital_full_refresh",
        "message": "slow",
        "severity": "warning",
    }
    assert asked(server, "/issues") == {"window": "24h", "min_ended": "1"}


def test_the_screen_shows_rates_queues_tasks_and_alerts(run: Run, server: Scripted) -> None:
    result = run("--once", "--window", "1h", "--kind", "hospital_full_refresh")
    assert result.exit_code == 1, "it is not healthy"
    for text in (
        "critical",
        "has run for 2.0 h",
        "Rates",
        "66.7%",
        "1.5 min",
        "1.1 h",
        "Queues",
        "t-1",
        "running_long",
    ):
        assert text in result.stdout
    assert "call_campaign" not in result.stdout
    assert not set(result.output) & set("\x1b\x07")
    assert asked(server, "/metrics") == {"window": "1h", "kind": "hospital_full_refresh"}
    assert asked(server, "/alerts")["state"] == "firing"


def test_json_is_one_document(run: Run) -> None:
    found = json.loads(run("--once", "--json").stdout)
    assert found.keys() == {"metrics", "health", "queues", "alerts"}
    assert (found["metrics"], found["alerts"]) == (METRICS, [ALERT])


def test_all_is_well_is_0_also_on_a_stack_without_alerts(run: Run, server: Scripted) -> None:
    def well(request: Request) -> Reply:
        if request.path.endswith("/alerts"):
            return problem(404, "not_found", "There is no GET /api/v1/alerts.")
        return Reply(200, {"status": "healthy", "issues": []}) if request.path.endswith("health") else answers(request)

    server.will(does=well)
    result = run("--once")
    assert result.exit_code == 0
    assert "Alerts" not in result.stdout
    assert json.loads(run("--once", "--json").stdout)["alerts"] is None


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_it_looks_again_until_it_is_interrupted(
    run: Run, server: Scripted, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(monitoring, "pause", pause)
    result = run("--interval", "2", *options)
    assert result.exit_code == 130
    assert pauses == [2.0] * 3
    assert sum(request.path.endswith("/metrics") for request in server.requests) == 3
    if options:
        assert [json.loads(line)["health"] for line in result.stdout.splitlines()] == [HEALTH] * 3
