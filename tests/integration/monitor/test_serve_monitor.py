"""The monitor over HTTP: figures of a window, what is wrong, and whose. (serve_monitor)"""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from longhaul.tasks import lifecycle, rollups
from longhaul.tasks.figures import LAST_BUCKET
from longhaul.tasks.lifecycle import Outcome
from longhaul.tasks.model import Task, TaskError
from longhaul.tasks.rollups import DAY
from monitor.openmetrics import CONTENT_TYPE
from tests.calling import call, sample
from tests.submitting import asking, submit

type Sql = Callable[..., list[dict[str, Any]]]
type Running = Callable[..., Task]
type Put = Callable[..., None]

KIND, GONE = "hospital_province_refresh", "kind_that_is_gone"
ROUTES = ("metrics", "report", "health", "performance", "issues", "timeseries")


def request(
    route: str,
    query: dict[str, str] | None = None,
    *,
    tenant_id: str = "acme",
    scope: str = "tasks:read",
    **headers: str,
) -> dict[str, Any]:
    event = sample("monitor", "serve_monitor")
    path = f"/api/v1/monitor/{route}"
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["queryStringParameters"] = query
    event["headers"] |= {name.replace("_", "-"): value for name, value in headers.items()}
    event["requestContext"]["authorizer"]["jwt"]["claims"] |= {"tenant_id": tenant_id, "scope": scope}
    answer: dict[str, Any] = call("monitor", "serve_monitor", event)
    return answer


def read(route: str, query: dict[str, str] | None = None, **options: str) -> dict[str, Any]:
    """Past the cache, unless it is meant."""
    answer = request(route, query, **({"cache_control": "no-cache"} | options))
    assert answer["statusCode"] == 200, answer["body"]
    found: dict[str, Any] = json.loads(answer["body"])
    return found


@pytest.fixture
def put(database: dict[str, Any], sql: Sql) -> Put:
    """Counts `number` events, `minutes` ago, that took so many seconds each, as a fold leaves them."""

    def make(
        event: str,
        number: int = 1,
        *,
        minutes: int = 5,
        seconds: float | None = None,
        units: int = 0,
        kind: str = KIND,
        tenant_id: str = "acme",
    ) -> None:
        took = None if seconds is None else int(seconds * 1e6)
        bucket = "-1" if took is None else f"GREATEST(0, CEIL(2 * LOG2({took} / 100000e0)))"
        sql(
            "INSERT INTO task_counts (tenant_id, kind, minute, event, bucket, writer, number, microseconds, shortest,"
            " longest, units, best)"
            f" SELECT %s, %s, TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - %s, %s, {bucket},"
            " 1, %s, %s, %s, %s, %s, %s",
            *(tenant_id, kind, minutes, event, number, number * (took or 0), took, took),
            *(number * units, units / seconds if seconds else 0),
        )
        rollups.fold(seconds=10)

    return make


@pytest.mark.parametrize("query", [{}, {"until": "2099-01-01T00:00:00Z"}, {"until": "2001-01-01T00:00:00Z"}])
@pytest.mark.parametrize("window", ["15m", "24h", "90d"])
def test_where_nothing_has_happened_nothing_is_wrong(
    database: dict[str, Any], window: str, query: dict[str, str]
) -> None:
    # GIVEN no task, now, long ago, or in a time to come
    asked = {"window": window, **query}
    # THEN numbers are 0, and rates and durations are not told
    figures = read("metrics", asked)["figures"]
    assert {name: value for name, value in figures.items() if isinstance(value, int) and value} == {}
    assert (figures["success_rate"], figures["units_per_second"], figures["running"]["p95"]) == (None, None, None)
    health = read("health", asked)
    assert (health["status"], health["issues"]) == ("healthy", [])
    assert read("performance", asked)["kinds"] == []
    assert read("issues", asked)["issues"] == []
    assert "Success rate: n/a" in request("report", asked)["body"]
    if not query:
        series = read("timeseries", asked | {"step": "15m" if window == "15m" else "1d"})["series"]
        assert [set(line["values"]) for line in series] == [{0.0}]


def test_one_task_that_failed_is_counted_and_not_judged(running_task: Running) -> None:
    # GIVEN one task, and it failed
    task = running_task()
    lifecycle.close(task.task_id, 1, Outcome(error=TaskError("bad_answer", "no JSON")))
    # WHEN it is looked at, before anything is folded
    figures = read("metrics")["figures"]
    # THEN
    assert (figures["submitted"], figures["started"], figures["ended"], figures["failed"]) == (1, 1, 1, 1)
    assert (figures["success_rate"], figures["failure_rate"]) == (0.0, 1.0)
    assert figures["running"]["count"] == 1
    assert read("health")["status"] == "healthy"
    assert read("issues")["issues"] == []
    assert read("health", {"min_ended": "1"})["status"] == "critical"


@pytest.mark.parametrize(("failed", "status"), [(0, "healthy"), (2, "healthy"), (3, "warning"), (5, "critical")])
def test_health_judges_success_from_twenty_ends_on(put: Put, failed: int, status: str) -> None:
    put("succeeded", 20 - failed, seconds=10)
    if failed:
        put("failed", failed, seconds=1)
    found = read("health")
    assert found["status"] == status
    assert [(issue["type"], issue["value"]) for issue in found["issues"]] == (
        [] if status == "healthy" else [("low_success_rate", (20 - failed) * 5)]
    )


def test_nineteen_ends_are_not_judged(put: Put) -> None:
    put("failed", 19, seconds=1)
    assert read("health")["status"] == "healthy"
    assert read("issues")["issues"] == []


@pytest.mark.parametrize(("seconds", "severity"), [(3_500, None), (3_700, "warning"), (7_300, "critical")])
def test_a_task_that_runs_long_is_named(running_task: Running, sql: Sql, seconds: int, severity: str | None) -> None:
    task = running_task()
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(SECOND, -%s, UTC_TIMESTAMP(6))", seconds)
    for options in ({}, {"all_tenants": "true"}):
        found = read("health", options, scope="tasks:read ops")
        assert found["status"] == (severity or "healthy")
        assert [(issue["task_id"], issue["severity"]) for issue in found["issues"]] == (
            [(task.task_id, severity)] if severity else []
        )
    # AND the threshold is the caller's to set
    assert read("health", {"running_warning_seconds": "100000", "running_critical_seconds": "100000"})["issues"] == []
    assert read("health", tenant_id="other")["issues"] == []


def test_many_that_run_at_once_are_an_issue(running_task: Running) -> None:
    for province in ("广东省", "海南省", "江苏省"):
        running_task(province=province)
    assert read("health")["status"] == "healthy"
    (issue,) = read("health", {"concurrent_warning": "2"})["issues"]
    assert (issue["type"], issue["severity"], issue["value"], issue["threshold"]) == ("many_running", "warning", 3, 2)
    (issue,) = read("health", {"concurrent_warning": "2", "concurrent_critical": "2"})["issues"]
    assert issue["severity"] == "critical"


def test_kinds_that_are_slow_fail_or_do_little_are_issues(put: Put) -> None:
    put("succeeded", 18, seconds=4_000, units=8_000)
    put("failed", 2, seconds=1)
    put("succeeded", 20, seconds=100, units=90, kind=GONE)
    put("failed", 19, seconds=9_000, kind="call_campaign")
    issues = read("issues")["issues"]
    assert [(issue["kind"], issue["type"], issue["severity"]) for issue in issues] == [
        (KIND, "slow_execution", "warning"),
        (KIND, "low_success_rate", "error"),
        (GONE, "low_efficiency", "warning"),
    ]
    assert [(issue["value"], issue["threshold"]) for issue in issues] == [(4000.0, 3600.0), (90.0, 95.0), (0.9, 1.0)]
    lenient = {"max_mean_seconds": "4000", "min_success": "90", "min_units_per_second": "0.9", "min_ended": "20"}
    assert read("issues", lenient)["issues"] == []


def test_performance_is_told_by_kind(put: Put) -> None:
    put("succeeded", 9, seconds=10, units=20)
    put("succeeded", 1, seconds=100, units=500)
    put("cancelled", 2, seconds=3)
    put("cancelled", 1)  # it never ran
    put("succeeded", 1, seconds=7, kind=GONE)
    gone, found = read("performance")["kinds"][::-1]
    assert (gone["kind"], gone["count"], gone["success_rate"]) == (GONE, 1, 1.0)
    running = found.pop("running")
    assert found == {
        "kind": KIND,
        "count": 13,
        "succeeded": 10,
        "success_rate": pytest.approx(10 / 13, abs=1e-6),
        "units": 680,
        "units_per_second": pytest.approx(680 / 190, abs=1e-6),
        "best_units_per_second": 5.0,
    }
    assert (running["count"], running["mean"], running["min"], running["max"]) == (10, 19.0, 10.0, 100.0)
    assert running["p50"] == pytest.approx(10, rel=0.19)
    assert running["p95"] == pytest.approx(100, rel=0.19)


def test_a_tenant_sees_its_own_and_operators_all(put: Put) -> None:
    put("submitted", 3)
    put("submitted", 4, tenant_id="other")
    assert read("metrics")["figures"]["submitted"] == 3
    assert read("metrics", tenant_id="other")["figures"]["submitted"] == 4
    assert read("metrics", tenant_id="third")["figures"]["submitted"] == 0
    all_tenants = {"all_tenants": "true"}
    assert read("metrics", all_tenants, scope="tasks:read ops")["figures"]["submitted"] == 7
    for route in ROUTES:
        assert request(route, all_tenants)["statusCode"] == 403
        assert request(route, scope="notices:read")["statusCode"] == 403


def test_a_cached_answer_is_no_other_tenants(put: Put) -> None:
    put("submitted", 3)
    put("submitted", 4, tenant_id="other")
    for _ in range(2):
        for tenant_id, number in (("acme", 3), ("other", 4)):
            assert json.loads(request("metrics", tenant_id=tenant_id)["body"])["figures"]["submitted"] == number
    mine = json.loads(request("metrics", {"all_tenants": "true"}, scope="tasks:read ops")["body"])
    assert mine["figures"]["submitted"] == 7


@pytest.mark.parametrize("route", ROUTES)
def test_an_answer_is_cached_and_conditional(put: Put, route: str) -> None:
    # GIVEN an answer
    put("submitted", 3)
    first = request(route)
    assert first["headers"]["Cache-Control"] == "private, no-cache"
    # WHEN more happens, and it is asked for again
    put("submitted", 2, minutes=6)
    again = request(route)
    # THEN it is the same for a minute, by its tag without a body, and anew for who wants no cache
    assert again["body"] == first["body"]
    assert request(route, if_none_match=first["headers"]["ETag"])["statusCode"] == 304
    assert request(route, cache_control="no-cache")["body"] != first["body"]


@pytest.mark.parametrize("route", ROUTES)
def test_an_answer_that_only_grew_older_is_304(put: Put, running_task: Running, sql: Sql, route: str) -> None:
    # GIVEN an answer, with a task that runs too long and one that waits
    running_task()
    submit(asking(params={"province": "海南省"}))
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(HOUR, -3, UTC_TIMESTAMP(6)) WHERE status = 'RUNNING'")
    put("succeeded", 3, seconds=10)
    tag = request(route, {"window": "48h"})["headers"]["ETag"]
    assert tag.startswith('W/"')
    # WHEN it is read anew, some seconds later
    sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, -7, run_after)")
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(SECOND, -7, started_at) WHERE status = 'RUNNING'")
    rollups.fold(seconds=10)
    # THEN nobody is sent it again
    again = request(route, {"window": "48h"}, if_none_match=tag, cache_control="no-cache")
    assert (again["statusCode"], again["headers"]["ETag"]) == (304, tag)
    # AND what has happened is, where it shows
    put("succeeded", 1, seconds=10)
    status = request(route, {"window": "48h"}, if_none_match=tag, cache_control="no-cache")["statusCode"]
    assert status == (304 if route == "issues" else 200)


def test_openmetrics_and_json_have_tags_of_their_own(put: Put) -> None:
    tags = {request("metrics", accept=accept)["headers"]["ETag"] for accept in ("*/*", "application/openmetrics-text")}
    assert len(tags) == 2


def test_a_window_holds_what_is_in_it(put: Put) -> None:
    # GIVEN something in each of many ages
    ages = {5: 1, 100: 2, 30 * 60: 4, 6 * DAY: 8, 60 * DAY: 16, 99 * DAY: 32}
    for minutes, number in ages.items():
        put("submitted", number, minutes=minutes)
    # THEN each window has those that are not older, however its roll-ups are read
    for window, number in {"15m": 1, "3h": 3, "4h": 3, "48h": 7, "7d": 15, "8d": 15, "90d": 31}.items():
        found = read("metrics", {"window": window})
        assert found["figures"]["submitted"] == number, window
        assert found["resolution_seconds"] == {"15m": 60, "3h": 60, "8d": 86_400, "90d": 86_400}.get(window, 3_600)
    # AND one that ended before has what was then
    until = (datetime.now(UTC) - timedelta(days=50)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert read("metrics", {"window": "20d", "until": until})["figures"]["submitted"] == 16
    until = (datetime.now(UTC) - timedelta(minutes=80)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert read("metrics", {"window": "1h", "until": until})["figures"]["submitted"] == 2


@pytest.mark.parametrize(
    ("route", "query"),
    [
        ("metrics", {"window": "14m"}),
        ("metrics", {"window": "91d"}),
        ("metrics", {"window": "0h"}),
        ("metrics", {"window": "1w"}),
        ("metrics", {"window": "１h"}),
        ("metrics", {"until": "1999-12-31T00:00:00Z"}),
        ("metrics", {"until": "9999-12-31T23:59:59Z"}),
        ("metrics", {"until": "yesterday"}),
        ("metrics", {"unknown": "1"}),
        ("metrics", {"kind": GONE}),
        ("timeseries", {"kind": f"hospital_full_refresh,{GONE}"}),
        ("health", {"min_ended": "2_0"}),
        ("health", {"success_warning": "9_0"}),
        ("health", {"success_warning": "101"}),
        ("report", {"lang": "fr"}),
        ("timeseries", {"figure": "happiness"}),
        ("timeseries", {"step": "2m"}),
        ("timeseries", {"window": "7d", "step": "1m"}),  # more than 1,000 steps
        ("timeseries", {"window": "1h", "step": "1m", "until": "2026-01-01T00:00:00Z"}),  # minutes are not kept so long
    ],
)
def test_what_cannot_be_asked_is_refused(database: dict[str, Any], route: str, query: dict[str, str]) -> None:
    answer = request(route, query)
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["errors"][0]["pointer"].startswith("query/")


def test_metrics_tell_what_there_is_now(running_task: Running, sql: Sql) -> None:
    # GIVEN a task that runs, one that waits since a minute, and one that may start only later
    task = running_task()
    waiting, later = (submit(asking(params={"province": name})) for name in ("海南省", "江苏省"))
    for row, seconds in ((waiting, -60), (later, 600)):
        sql("UPDATE tasks SET run_after = TIMESTAMPADD(SECOND, %s, UTC_TIMESTAMP(6)) WHERE id = %s", seconds, row.id)
    # WHEN
    found = read("metrics")
    # THEN
    assert 60 <= found["now"].pop("oldest_waiting_seconds") <= 70
    assert found["now"] == {"waiting": 1, "scheduled": 1, "running": 1}
    (kind,) = found["kinds"]
    assert (kind["kind"], kind["now"]["running"], kind["figures"]["submitted"]) == (KIND, 1, 3)
    (running,) = found["longest_running"]
    assert (running["task_id"], running["kind"], running["progress"]) == (task.task_id, KIND, 0)
    assert read("metrics", {"kind": "role_creation"})["kinds"] == []
    assert read("metrics", tenant_id="other")["now"]["running"] == 0


def test_prometheus_reads_the_metrics(put: Put, running_task: Running) -> None:
    # GIVEN what happened today, and yesterday, and a task that runs
    running_task()
    minutes_today = (datetime.now(UTC).hour * 60) + datetime.now(UTC).minute
    put("succeeded", 3, minutes=0 if minutes_today < 5 else 5, seconds=10, units=4)
    put("failed", 1, minutes=1 if minutes_today else 0, seconds=0.15, kind='odd "kind"\\')
    put("submitted", 50, minutes=minutes_today + 1)
    # WHEN Prometheus asks
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,*/*;q=0.1"
    answer = request("metrics", {"window": "90d"}, accept=accept)
    # THEN its own parser reads it
    assert answer["headers"]["Content-Type"] == CONTENT_TYPE
    families = {family.name: family for family in text_string_to_metric_families(answer["body"])}
    values = {
        (one.name, *sorted(one.labels.items())): one.value for family in families.values() for one in family.samples
    }
    of_kind = ("kind", KIND)
    assert values["longhaul_tasks_ended_total", of_kind, ("status", "SUCCEEDED")] == 3
    assert values["longhaul_tasks_ended_total", ("kind", 'odd "kind"\\'), ("status", "FAILED")] == 1
    assert values["longhaul_tasks_submitted_total", of_kind] == 1, "of today"
    assert values["longhaul_tasks_units_total", of_kind] == 12
    assert values["longhaul_tasks_now_running", of_kind] == 1
    assert values["longhaul_task_running_seconds_sum", of_kind] == 30
    assert values["longhaul_task_running_seconds_count", of_kind] == 3
    buckets = {one.labels["le"]: one.value for one in families["longhaul_task_running_seconds"].samples
               if one.name.endswith("_bucket") and one.labels["kind"] == KIND}  # fmt: skip
    assert (buckets["6.4"], buckets["12.8"], buckets["+Inf"]) == (0, 3, 3)
    # AND who does not say so is given JSON
    assert request("metrics", accept="*/*")["headers"]["Content-Type"] == "application/json"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_report_is_read_by_people(put: Put, running_task: Running, lang: str) -> None:
    task = running_task()
    put("succeeded", 3, seconds=90, units=300)
    put("failed", 1, seconds=30)
    answer = request("report", {"lang": lang})
    assert answer["headers"]["Content-Type"] == "text/plain; charset=utf-8"
    lines = answer["body"].splitlines()
    wanted = {
        "en": ["Task monitor report", "Succeeded: 3", "Failed: 1", "Success rate: 75.00%", "Units: 900",
               "Mean running time: 1.2 min"],
        "zh": ["任务监控报告", "已完成: 3", "失败: 1", "成功率: 75.00%", "处理总数: 900", "平均执行时间: 1.2 分钟"],
    }[lang]  # fmt: skip
    assert set(wanted) <= set(lines)
    assert any(line.startswith(task.task_id) for line in lines)


def test_a_figure_is_told_step_by_step(put: Put) -> None:
    put("succeeded", 4, minutes=3, seconds=10)
    put("failed", 1, minutes=3, seconds=10)
    put("succeeded", 2, minutes=13, seconds=50, kind=GONE)

    def series(figure: str) -> dict[str | None, list[float]]:
        found = read("timeseries", {"window": "30m", "step": "1m", "figure": figure})
        assert found["step_seconds"] == 60
        assert all(len(line["values"]) == len(found["times"]) == 30 for line in found["series"])
        return {line["kind"]: line["values"] for line in found["series"]}

    def told(values: list[float]) -> list[float]:
        return [value for value in values if value]

    ended = series("ended")
    assert {kind: told(values) for kind, values in ended.items()} == {None: [2, 5], KIND: [5], GONE: [2]}
    assert ended[None].index(5) - ended[None].index(2) == 10
    assert told(series("success_rate")[None]) == [1.0, 0.8]
    assert told(series("running_mean")[None]) == [50.0, 10.0]
    assert series("running_p95")[KIND].count(None) == 29
    total = read("timeseries", {"window": "30m", "step": "15m"})["series"][0]["values"]
    assert sum(total) == 7


def test_each_figure_has_what_is_folded_and_what_is_not(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN ends in one step: some are folded, some are not; and what is not of the figure
    put("started", 2, seconds=0.5)
    put("succeeded", 7, seconds=10, units=20)
    put("failed", 1, seconds=10)
    put("cancelled", 1)
    put("retried", 3)
    monkeypatch.setattr(rollups, "fold", lambda **_: 0)
    put("succeeded", 3, seconds=10, units=20)
    put("expired", 8, seconds=100)
    # THEN
    wanted = {
        "ended": 20, "succeeded": 10, "failed": 9, "cancelled": 1, "started": 2, "retried": 3, "submitted": 0,
        "requeued": 0, "units": 200, "success_rate": 0.5, "units_per_second": 2.0, "waiting_mean": 0.5,
        "waiting_p50": 0.5, "waiting_p95": 0.5, "running_mean": pytest.approx(910 / 19, rel=1e-4),
        "running_p50": pytest.approx(10, rel=0.19), "running_p95": pytest.approx(100, rel=0.19),
    }  # fmt: skip
    for figure, value in wanted.items():
        for kind in (None, KIND):
            found = read("timeseries", {"window": "15m", "step": "15m", "figure": figure})
            values = [line["values"] for line in found["series"] if line["kind"] == kind] or [[0, 0]]
            assert [one for one in values[0] if one] == ([] if value == 0 else [value]), figure


def test_a_quantile_over_time_reads_every_bucket_of_a_step(database: dict[str, Any], sql: Sql) -> None:
    # GIVEN one step with durations in all buckets, a million million in each, folded and not
    for table, place in (("task_rollups", "span, start"), ("task_counts", "writer, minute")):
        for bucket in range(LAST_BUCKET + 1):
            sql(
                f"INSERT INTO {table} (tenant_id, kind, event, bucket, {place}, number, microseconds, shortest,"
                " longest, units, best) SELECT 'acme', %s, 'succeeded', %s, 1, TIMESTAMPDIFF(MINUTE, '1970-01-01',"
                " UTC_TIMESTAMP(6)) - 5, 1000000000000, 0, 1, 1000000000000, 0, 0",
                KIND,
                bucket,
            )
    found = read("timeseries", {"window": "15m", "step": "15m", "figure": "running_p50", "kind": KIND})
    values = next(line["values"] for line in found["series"] if line["kind"] == KIND)
    assert [value for value in values if value] == [pytest.approx(0.1 * 2 ** ((LAST_BUCKET / 2 - 0.5) / 2), rel=1e-6)]


def test_a_hundred_thousand_running_tasks_are_counted_and_the_longest_are_named(
    running_task: Running, sql: Sql
) -> None:
    # GIVEN as many as that, one of which has run for three hours
    task = running_task()
    columns = "tenant_id, user_id, kind, title, params, priority, max_retries, status, attempt, started_at, deadline"
    columns += ", created_at, updated_at, run_after"
    digits = "(" + " UNION ALL ".join(f"SELECT {digit} AS digit" for digit in range(10)) + ")"
    sql(
        f"INSERT INTO tasks (task_id, request_digest, {columns})"
        f" SELECT CONCAT('many_', a.digit, b.digit, c.digit, d.digit, e.digit), '', {columns} FROM tasks"
        + "".join(f" JOIN {digits} AS {name}" for name in "abcde")
        + " WHERE task_id = %s",
        task.task_id,
    )
    sql("UPDATE tasks SET started_at = TIMESTAMPADD(HOUR, -3, UTC_TIMESTAMP(6)) WHERE task_id = %s", task.task_id)
    for options in ({}, {"all_tenants": "true"}):
        # WHEN they are looked at
        found = read("metrics", options, scope="tasks:read ops")
        # THEN all are counted, a hundred are named, and what is wrong with them is told in few words
        assert found["now"]["running"] == 100_001
        assert len(found["longest_running"]) == 100
        assert found["longest_running"][0]["task_id"] == task.task_id
        health = read("health", options, scope="tasks:read ops")
        assert health["status"] == "critical"
        assert [issue["type"] for issue in health["issues"]] == ["long_running", "many_running"]
    assert "and 99981 more" in request("report", cache_control="no-cache")["body"]


def test_the_monitor_works_without_dynamodb(put: Put, dynamodb_at: Callable[[str], None]) -> None:
    put("submitted", 3)
    dynamodb_at("http://127.0.0.1:9")
    assert json.loads(request("metrics")["body"])["figures"]["submitted"] == 3
