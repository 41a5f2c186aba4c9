"""The HTTP API of the monitor: what happened to tasks in a window, and what is wrong."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from longhaul import settings
from longhaul.http import Response, also, make_app, needs
from longhaul.observability import observed
from monitor.monitor_answers import (
    health_answer,
    issues_answer,
    metrics_answer,
    performance_answer,
    report_answer,
    timeseries_answer,
)
from monitor.window_wire import HealthQuery, IssuesQuery, MonitorQuery, ReportQuery, TimeseriesQuery
from monitor.wire import Health, Issues, Metrics, Performance, Timeseries

settings.require(settings.Database, settings.Cache, settings.Limits)

app = make_app()
READ: dict[str, Any] = {"security": needs("tasks:read"), "tags": ["monitor"], "openapi_extensions": also(304)}


@app.get("/api/v1/monitor/metrics", **READ, summary="Read the figures of a window; for Prometheus as OpenMetrics text")
def read_metrics(query: Annotated[MonitorQuery, Query()]) -> Response[Metrics]:
    return metrics_answer(app, query)


@app.get("/api/v1/monitor/report", **READ, summary="Read the figures of a window as a text for people")
def read_report(query: Annotated[ReportQuery, Query()]) -> Response[str]:
    return report_answer(app, query)


@app.get("/api/v1/monitor/health", **READ, summary="Read whether all is well, and what is not")
def read_health(query: Annotated[HealthQuery, Query()]) -> Response[Health]:
    return health_answer(app, query)


@app.get("/api/v1/monitor/performance", **READ, summary="Read how each kind does: counts, success, durations, rates")
def read_performance(query: Annotated[MonitorQuery, Query()]) -> Response[Performance]:
    return performance_answer(app, query)


@app.get("/api/v1/monitor/issues", **READ, summary="List the kinds that are slow, fail or get little done")
def list_issues(query: Annotated[IssuesQuery, Query()]) -> Response[Issues]:
    return issues_answer(app, query)


@app.get("/api/v1/monitor/timeseries", **READ, summary="Read a figure over time, by kind")
def read_timeseries(query: Annotated[TimeseriesQuery, Query()]) -> Response[Timeseries]:
    return timeseries_answer(app, query)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
