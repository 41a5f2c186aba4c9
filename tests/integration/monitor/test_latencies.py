"""Latencies: measured in memory, reported once a minute, folded once, and compared with the targets. (serve_monitor)"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from longhaul import database as longhaul_database
from longhaul.database import reporting
from longhaul.timing import REPORT_SECONDS, Group, Tallies, Timings, tallies
from monitor import latencies
from monitor.targets_answers import measured
from tests.calling import at_once, call, sample

type Sql = Callable[..., list[dict[str, Any]]]

ROUTE = "GET /api/v1/monitor/performance/targets"
FAST, SLOW = 10, 24  # buckets: about 3 ms and 350 ms


class Killed(BaseException):
    """The process dies here."""


def report(content: dict[str, dict[str, dict[int, int]]]) -> None:
    """What an execution environment writes."""
    taken = tallies(json.loads(json.dumps(content)))
    with longhaul_database.connection() as session:
        reporting.write(session, taken)


def ask(path: str = "performance/targets", query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    event = sample("monitor", "serve_monitor")
    event["rawPath"] = event["requestContext"]["http"]["path"] = f"/api/v1/monitor/{path}"
    event["queryStringParameters"] = query
    event["headers"] |= {"cache-control": "no-cache"} | headers
    scope = headers.pop("scope", "tasks:read ops")
    event["requestContext"]["authorizer"]["jwt"]["claims"] |= {"scope": scope}
    answer: dict[str, Any] = call("monitor", "serve_monitor", event)
    return answer


def told(query: dict[str, str] | None = None) -> dict[str, Any]:
    answer = ask(query=query)
    assert answer["statusCode"] == 200, answer["body"]
    found: dict[str, Any] = json.loads(answer["body"])
    return found


def content() -> Tallies:
    return measured(60, fresh=True)[-1].content


def test_where_nothing_was_measured_nothing_is_met_or_missed(database: dict[str, Any]) -> None:
    found = told()
    assert [(one["value"], one["count"], one["met"]) for one in found["targets"]] == [(None, 0, None)] * 4
    assert (found["routes"], found["statements"]) == ([], [])


@pytest.mark.parametrize(
    ("slow", "errors", "hits", "met"),
    [(4, 1, 60, [True, True, True, True]), (6, 2, 59, [False, False, False, False])],
)
def test_each_target_is_met_or_missed(
    database: dict[str, Any], slow: int, errors: int, hits: int, met: list[bool]
) -> None:
    # GIVEN a hundred requests and statements, of which some are slow, failed, or found nothing in the cache
    report(
        {
            "routes": {"GET /a": {FAST: 100 - slow, SLOW: slow}},
            "statements": {"fetch_a": {FAST: 100 - slow, SLOW: slow}},
            "errors": {"GET /a": {0: errors}},
            "cache": {"CacheHit": {0: hits}, "CacheMiss": {0: 95 - hits}, "CacheStale": {0: 5}},
        }
    )
    latencies.fold(seconds=10)
    # THEN
    found = told()
    assert [one["name"] for one in found["targets"]] == ["api_p95", "database_p95", "cache_hit_rate", "error_rate"]
    assert [one["met"] for one in found["targets"]] == met
    assert [one["count"] for one in found["targets"]] == [100] * 4
    assert [one["value"] for one in found["targets"]][2:] == [hits, errors]
    (route,) = found["routes"]
    assert (route["name"], route["count"], route["errors"]) == ("GET /a", 100, errors)
    assert 2 < route["p50_ms"] < 4
    assert (route["p95_ms"] > 200) != met[0]


def test_targets_are_parameters_and_few_are_not_judged(database: dict[str, Any]) -> None:
    report({"routes": {"GET /a": {FAST: 19}}})
    latencies.fold(seconds=10)
    assert told()["targets"][0]["met"] is None
    assert told({"min_count": "19"})["targets"][0]["met"] is True
    assert told({"min_count": "19", "api_p95_ms": "1"})["targets"][0]["met"] is False
    assert ask(query={"window": "59m"})["statusCode"] == 400
    assert ask(scope="tasks:read")["statusCode"] == 403


def test_reports_are_folded_once_also_by_two_at_once(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latencies, "FOLDED", 3)
    for _ in range(30):
        report({"routes": {"GET /a": {FAST: 1}}})
    at_once(4, lambda: latencies.fold(seconds=30))
    latencies.fold(seconds=30)
    assert sql("SELECT 1 FROM latency_reports") == []
    assert content() == {"routes": {"GET /a": {FAST: 30}}}
    assert {row["span"] for row in sql("SELECT span FROM latency_rollups")} == set(latencies.KEPT)


@pytest.mark.parametrize("statement", ["write_latency_rollup", "delete_latency_reports"])
def test_a_fold_that_is_killed_has_done_nothing(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    report({"routes": {"GET /a": {FAST: 5}}})

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(latencies._queries, statement, die)
        with pytest.raises(Killed):
            latencies.fold(seconds=10)
    assert content() == {}
    latencies.fold(seconds=10)
    assert content() == {"routes": {"GET /a": {FAST: 5}}}


def test_old_rows_are_purged(database: dict[str, Any], sql: Sql) -> None:
    for span, minutes in latencies.KEPT.items():
        for age in (minutes - 1, minutes + 1):
            sql(
                "INSERT INTO latency_rollups"
                " SELECT %s, TIMESTAMPDIFF(MINUTE, '1970-01-01', UTC_TIMESTAMP(6)) - %s, '{}'",
                span,
                age,
            )
    assert call("monitor", "fold_rollups", sample("monitor", "fold_rollups"))["purged"] == 2
    assert len(sql("SELECT 1 FROM latency_rollups")) == 2


def test_a_request_is_measured_and_reported_with_its_statements(
    database: dict[str, Any], sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    # GIVEN an execution environment that has not reported for a minute
    from longhaul import cache
    from longhaul.http import app, waiting

    seconds = [0.0]
    timings = Timings(lambda: seconds[0])
    for module in (longhaul_database, cache, app, waiting):
        monkeypatch.setattr(module, "timings", timings)
    # WHEN it answers
    told()
    assert sql("SELECT 1 FROM latency_reports") == []
    seconds[0] += REPORT_SECONDS
    told()
    # THEN it reports the requests, the statements that they ran, and nobody's names
    (row,) = sql("SELECT tallies FROM latency_reports")
    found = tallies(json.loads(row["tallies"]))
    assert found[Group.routes].keys() == {ROUTE}
    assert found[Group.routes][ROUTE].total() == 2
    assert found[Group.statements]["list_latency_rollups"].total() == 2
    assert Group.errors not in found


def test_a_database_that_is_away_costs_no_request_its_answer(
    database: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    timings = Timings(lambda: seconds[0])
    monkeypatch.setattr(longhaul_database, "timings", timings)
    timings.measure(Group.statements, "fetch_task", 0.001)
    seconds[0] += REPORT_SECONDS

    def away(*_: Any) -> None:
        raise longhaul_database.DatabaseUnavailable("connection lost (2013)")

    monkeypatch.setattr(reporting, "write", away)
    longhaul_database.report_timings()
    told()


def test_prometheus_reads_latencies_of_the_deployment(database: dict[str, Any]) -> None:
    report(
        {
            "routes": {"GET /a": {FAST: 100}},
            "statements": {"fetch_a": {FAST: 90, SLOW: 10}},
            "errors": {"GET /a": {0: 2}},
            "cache": {"CacheHit": {0: 6}, "CacheMiss": {0: 4}},
        }
    )
    latencies.fold(seconds=10)
    accept = "application/openmetrics-text"
    answer = ask("metrics", {"all_tenants": "true"}, accept=accept)
    families = text_string_to_metric_families(answer["body"])
    values = {(one.name, *sorted(one.labels.items())): one.value for family in families for one in family.samples}
    assert values["longhaul_route_seconds_count", ("route", "GET /a")] == 100
    assert values["longhaul_route_errors_total", ("route", "GET /a")] == 2
    assert values["longhaul_statement_seconds", ("quantile", "0.95"), ("statement", "fetch_a")] > 0.2
    assert values["longhaul_cache_readings_total", ("outcome", "miss")] == 4
    assert "longhaul_route" not in ask("metrics", accept=accept)["body"], "a tenant's own has nothing of it"
