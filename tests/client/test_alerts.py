"""TaskAlertSystem, `longhaul alerts` and `longhaul dead-letters`: what they ask, print and return."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from longhaul_client import TaskAlertSystem
from longhaul_client.command import longhaul
from tests.client.scripted import Reply, Scripted, problem

type Run = Callable[..., Result]

ALERT = {
    "alert_id": "alert_1", "rule": "running_long", "severity": "warning", "state": "firing",
    "message": "一: runs for 1.0 h", "created_at": "2026-11-25T01:02:03.456Z",
}  # fmt: skip
QUEUE = {"queue": "Progress", "count": 2, "oldest_at": "2026-11-25T01:02:03.456Z"}
ALL = ("--all-tenants",)


@pytest.fixture
def run(server: Scripted) -> Run:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(longhaul, arguments, catch_exceptions=False)

    return invoke


def seen(running: int = 0, ended: int = 0, rate: float | None = None, *seconds: float) -> Reply:
    longest = [
        {"task_id": f"t-{number}", "title": "全量刷新", "running_seconds": one} for number, one in enumerate(seconds)
    ]
    figures = {"ended": ended, "failure_rate": rate}
    return Reply(200, {"now": {"running": running}, "figures": figures, "longest_running": longest})


async def types(system: TaskAlertSystem) -> list[tuple[str, str | None]]:
    return [(alert["type"], alert.get("task_id")) for alert in await system.check_alerts()]


def test_an_alert_system_checks_by_its_thresholds(server: Scripted) -> None:
    asyncio.run(_check(server))


async def _check(server: Scripted) -> None:
    system = TaskAlertSystem()
    server.will(seen())
    assert await types(system) == []
    server.will(seen(9, 19, 0.5, 3_700.0, 100.0))
    assert await types(system) == [("execution_time_warning", "t-0"), ("concurrent_tasks_warning", None)]
    server.will(seen(11, 20, 0.5, 7_201.0))
    found = await system.check_alerts()
    assert [alert["severity"] for alert in found] == ["critical"] * 3
    assert found[0]["message"] == "全量刷新 has run for 2.0 hours"
    assert found[1]["type"] == "failure_rate_critical"
    assert {"type", "severity", "message", "timestamp"} <= found[2].keys()
    system.alert_thresholds |= {"execution_time_warning": 10, "execution_time_critical": 20}
    server.will(seen(0, 0, None, 15.0))
    assert await types(system) == [("execution_time_warning", "t-0")]
    await system.aclose()


def test_what_cannot_be_checked_is_an_alert_and_a_handler_that_fails_stops_no_other(server: Scripted) -> None:
    asyncio.run(_refused(server))


async def _refused(server: Scripted) -> None:
    system, told = TaskAlertSystem(), list[Any]()

    async def broken(alert: dict[str, Any]) -> None:
        raise ValueError(alert)

    async def good(alert: dict[str, Any]) -> None:
        told.append(alert)

    system.add_alert_handler(broken)
    system.add_alert_handler(good)
    server.will(problem(403, "forbidden", "no"))
    await system.send_alerts(await system.check_alerts())
    [alert] = told
    assert (alert["type"], alert["severity"]) == ("alert_system_error", "error")
    await system.aclose()


def test_alerts_are_listed(run: Run, server: Scripted) -> None:
    server.will(Reply(200, {"items": [ALERT], "next_cursor": None}))
    result = run("alerts", "list", "--state", "firing", "--rule", "running_long", *ALL)
    assert result.stdout.splitlines()[1].split()[:4] == ["alert_1", "running_long", "warning", "firing"]
    assert server.requests[-1].query == {
        "state": "firing", "rule": "running_long", "limit": "20", "all_tenants": "true",
    }  # fmt: skip
    assert json.loads(run("alerts", "list", "--json").stdout) == ALERT
    server.will(Reply(200, {"items": [], "next_cursor": None}))
    assert run("alerts", "list").stderr == "longhaul: no alerts\n"


def test_an_alert_is_shown_and_acknowledged(run: Run, server: Scripted) -> None:
    happened = {"created_at": ALERT["created_at"], "event": "firing", "severity": "warning", "message": "m"}
    server.will(Reply(200, {**ALERT, "history": [happened]}))
    assert "firing" in run("alerts", "show", "alert_1").stdout.splitlines()[-1]
    assert json.loads(run("alerts", "show", "alert_1", "--json").stdout)["history"] == [happened]
    server.will(Reply(200, ALERT))
    assert "alert_1" in run("alerts", "acknowledge", "alert_1").stdout
    assert (server.requests[-1].method, server.requests[-1].path) == ("POST", "/api/v1/alerts/alert_1/acknowledge")
    assert "idempotency-key" in server.requests[-1].headers


def test_rules_are_listed_set_and_reset(run: Run, server: Scripted) -> None:
    rule = {"rule": "budget", "warning": 0.5, "critical": None, "unit": "share", "enabled": True, "origin": "own"}
    server.will(Reply(200, {"items": [rule]}))
    assert run("alerts", "rules").stdout.splitlines()[1].split()[:3] == ["budget", "0.5", "share"]
    assert json.loads(run("alerts", "rules", "--json").stdout) == [rule]
    server.will(Reply(200, rule))
    assert json.loads(run("alerts", "set-rule", "budget", "--warning", "0.5", "--json").stdout) == rule
    assert server.requests[-1].body == {"enabled": True, "warning": 0.5, "critical": None, "hold_seconds": 0}
    run("alerts", "reset-rule", "budget")
    assert server.requests[-1].method == "DELETE"


def test_silences_are_made_listed_and_ended(run: Run, server: Scripted) -> None:
    silence = {"silence_id": "silence_1", "rule": "budget", "ends_at": "2026-11-25T01:02:03.456Z", "created_by": "ada"}
    server.will(Reply(201, silence))
    assert "silence_1" in run("alerts", "silence", "--until", "2h", "--rule", "budget").stdout
    assert server.requests[-1].body.keys() == {"ends_at", "rule"}
    server.will(Reply(200, {"items": [silence], "next_cursor": None}))
    assert run("alerts", "silences").stdout.splitlines()[1].startswith("silence_1")
    assert json.loads(run("alerts", "silences", "--json").stdout) == silence
    server.will(Reply(200, {"items": [], "next_cursor": None}))
    assert run("alerts", "silences").stderr == "longhaul: no silences\n"
    server.will(Reply(200, {"silence_id": "silence_1"}))
    assert run("alerts", "unsilence", "silence_1").stdout == "silence_1 ended\n"
    assert json.loads(run("alerts", "unsilence", "silence_1", "--json").stdout) == {"silence_id": "silence_1"}


def test_dead_letters_are_listed_shown_and_put_back(run: Run, server: Scripted) -> None:
    server.will(Reply(200, {"items": [QUEUE, {"queue": "Mail", "count": 0, "oldest_at": None}]}))
    assert [line.split()[0] for line in run("dead-letters", "list").stdout.splitlines()[1:]] == ["Progress"]
    assert len(json.loads(run("dead-letters", "list", "--all", "--json").stdout)) == 2
    letter = {
        "message_id": "m",
        "task_id": "t",
        "reason": "Its task is FAILED.",
        "body": "{}",
        "sent_at": QUEUE["oldest_at"],
    }
    server.will(Reply(200, {"items": [letter]}))
    assert "Its task is FAILED." in run("dead-letters", "show", "Progress").stdout
    assert json.loads(run("dead-letters", "show", "Progress", "--json").stdout) == [letter]
    server.will(Reply(200, {"items": []}))
    assert run("dead-letters", "list").stderr == "longhaul: no dead letters\n"
    assert run("dead-letters", "show", "Progress").stderr == "longhaul: no dead letters\n"
    server.will(Reply(200, {"moved": 2, "left": 1}))
    assert run("dead-letters", "redrive", "Progress").stdout == "2 are in Progress again, 1 are left\n"
    assert server.requests[-1].body == {"limit": 100}
    assert json.loads(run("dead-letters", "redrive", "Progress", "--json").stdout) == {"moved": 2, "left": 1}
