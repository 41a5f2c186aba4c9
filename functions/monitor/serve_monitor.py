"""The HTTP API of the monitor: what happened to tasks in a window, and what is wrong."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Response, also, in_text, make_app, needs
from longhaul.observability import observed
from monitor.monitor_answers import (
    TEXT,
    health_answer,
    issues_answer,
    metrics_answer,
    performance_answer,
    report_answer,
    timeseries_answer,
)
from monitor.openmetrics import CONTENT_TYPE
from monitor.targets_answers import targets_answer
from monitor.targets_wire import Targets, TargetsQuery
from monitor.timeseries_wire import Timeseries
from monitor.window_wire import HealthQuery, IssuesQuery, MonitorQuery, ReportQuery, TimeseriesQuery
from monitor.wire import Health, Issues, Metrics, Performance

settings.require(settings.Database, settings.Cache, settings.Limits)

app = make_app()
ASK: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["monitor"]}
READ = ASK | {"openapi_extensions": also(304)}


@app.get(
    "/api/v1/monitor/metrics",
    **ASK,
    openapi_extensions=also(304) | in_text(CONTENT_TYPE, json=True),
    summary="Read the figures of a window; for Prometheus as OpenMetrics text",
)
def read_metrics(query: Annotated[MonitorQuery, Query()]) -> Response[Metrics]:
    return metrics_answer(app, query)


@app.get(
    "/api/v1/monitor/report",
    **ASK,
    openapi_extensions=also(304) | in_text(TEXT),
    summary="Read the figures of a window as a text for people",
)
def read_report(query: Annotated[ReportQuery, Query()]) -> Response[str]:
    return report_answer(app, query)


@app.get("/api/v1/monitor/health", **READ, summary="Read whether all is well, and what is not")
def read_health(query: Annotated[HealthQuery, Query()]) -> Response[Health]:
    return health_answer(app, query)


@app.get("/api/v1/monitor/performance", **READ, summary="Read how each kind does: counts, success, durations, rates")
def read_performance(query: Annotated[MonitorQuery, Query()]) -> Response[Performance]:
    return performance_answer(app, query)


@app.get(
    "/api/v1/monitor/performance/targets",
    security=needs("ops"),
    tags=["monitor"],
    openapi_extensions=also(304),
    summary="Compare latencies, cache and errors with their targets; p50 and p95 of each route and statement",
)
def compare_targets(query: Annotated[TargetsQuery, Query()]) -> Response[Targets]:
    return targets_answer(app, query)


@app.get("/api/v1/monitor/issues", **READ, summary="List the kinds that are slow, fail or get little done")
def list_issues(query: Annotated[IssuesQuery, Query()]) -> Response[Issues]:
    return issues_answer(app, query)


@app.get("/api/v1/monitor/timeseries", **READ, summary="Read a figure over time, by kind")
def read_timeseries(query: Annotated[TimeseriesQuery, Query()]) -> Response[Timeseries]:
    return timeseries_answer(app, query)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
