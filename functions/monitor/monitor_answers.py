"""The monitor's answers: cached for a minute, conditional, each made of one observation."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

from longhaul import cache
from longhaul.cache import Namespace, Tier
from longhaul.http import (
    Api,
    Caller,
    InvalidParameter,
    Response,
    asks_for_fresh,
    caller,
    conditional,
    dumps,
    etag_of,
    require_scope,
)
from longhaul.tasks import rollups
from longhaul.tasks.rollups import DAY, HOUR, Reader, Window
from monitor.assessment import health, issues_of
from monitor.observation import Observation, observe
from monitor.openmetrics import CONTENT_TYPE, MEDIA_TYPE, openmetrics
from monitor.report import report
from monitor.window_wire import HealthQuery, IssuesQuery, MonitorQuery, ReportQuery, TimeseriesQuery
from monitor.windows import STEPS, minute_of, stepped_window, window_of
from monitor.wire import (
    Health,
    Issues,
    Metrics,
    Performance,
    Timeseries,
    figures_document,
    issue_document,
    kind_performance,
    metrics_document,
    present_document,
    timeseries_document,
)
from monitor.wire import window_of as window_document

_OBSERVATIONS = Namespace("monitor", 1, Tier.short)
_TAG = "monitor"  # nothing forgets it: a change of a task shows within a minute
TEXT = "text/plain; charset=utf-8"
_VARY = {"Vary": "Authorization, Accept, Accept-Encoding"}


def metrics_answer(app: Api, query: MonitorQuery) -> Response[Metrics]:
    """As JSON, or where OpenMetrics is accepted as that: then it is of today, whatever the window."""
    if MEDIA_TYPE in app.current_event.headers.get("accept", "").lower():
        text = openmetrics(_today(app, query))
        return conditional(app, lambda: text, etag=etag_of(text), content_type=CONTENT_TYPE, headers=_VARY)
    found = metrics_document(_seen(app, query, present=True))
    return conditional(app, lambda: found, etag=etag_of(found), headers=_VARY)


def report_answer(app: Api, query: ReportQuery) -> Response[str]:
    text = report(_seen(app, query, present=True), query.lang)
    return conditional(app, lambda: text, etag=etag_of(text), content_type=TEXT)


def health_answer(app: Api, query: HealthQuery) -> Response[Health]:
    seen = _seen(app, query, present=True)
    status, issues = health(seen, query.thresholds)
    found = Health(
        **window_document(seen),
        status=status,
        issues=[issue_document(issue) for issue in issues],
        now=present_document(seen.present()),
        figures=figures_document(seen.totals),
    )
    return conditional(app, lambda: found, etag=etag_of(found))


def performance_answer(app: Api, query: MonitorQuery) -> Response[Performance]:
    seen = _seen(app, query)
    ended = {kind: figures for kind, figures in seen.by_kind.items() if figures.ended}
    found = Performance(**window_document(seen), kinds=[kind_performance(*item) for item in ended.items()])
    return conditional(app, lambda: found, etag=etag_of(found))


def issues_answer(app: Api, query: IssuesQuery) -> Response[Issues]:
    seen = _seen(app, query)
    issues = issues_of(seen.by_kind, query.thresholds)
    found = Issues(**window_document(seen), issues=[issue_document(issue) for issue in issues])
    return conditional(app, lambda: found, etag=etag_of(found))


def timeseries_answer(app: Api, query: TimeseriesQuery) -> Response[Timeseries]:
    step = STEPS[query.step]

    def choose(now: int) -> Window:
        window = stepped_window(query.minutes, _until(query), now, step)
        if window is None:
            detail = f"steps of {query.step} are not kept of so long ago; take a longer step"
            raise InvalidParameter(f"query/step: {detail}", errors=[{"pointer": "query/step", "detail": detail}])
        return window

    found = timeseries_document(_observed(app, query, choose, ["steps", step], step=step), query.figure, step)
    return conditional(app, lambda: found, etag=etag_of(found))


def _seen(app: Api, query: MonitorQuery, *, present: bool = False) -> Observation:
    return _observed(
        app, query, lambda now: window_of(query.minutes, _until(query), now), ["window", present], present=present
    )


def _today(app: Api, query: MonitorQuery) -> Observation:
    """From midnight on, UTC: the day is in the key, so that none is told as another."""
    day = int(datetime.now(UTC).timestamp()) // (60 * DAY)
    return _observed(app, query, lambda _: Window(day * DAY, (day + 1) * DAY, HOUR), ["day", day], present=True)


def _observed(
    app: Api,
    query: MonitorQuery,
    choose: Callable[[int], Window],
    of: list[object],
    *,
    step: int | None = None,
    present: bool = False,
) -> Observation:
    """What is seen in the window that is chosen by the minute it is. Raises DatabaseUnavailable, Forbidden."""
    reader = _reader(caller(app), query)
    key = dumps([reader.tenant_id, reader.kinds, query.window, query.until, of])
    return cache.read(
        _OBSERVATIONS,
        hashlib.sha256(key.encode()).hexdigest(),
        _TAG,
        lambda: observe(reader, choose(rollups.minute_now()), step=step, present=present),
        parse=Observation.of,
        fresh=asks_for_fresh(app),
    ).value


def _reader(who: Caller, query: MonitorQuery) -> Reader:
    if query.all_tenants:
        require_scope(who, "ops")
    return Reader(None if query.all_tenants else who.tenant_id, tuple(sorted(set(query.kind))))


def _until(query: MonitorQuery) -> int | None:
    return minute_of(query.until) if query.until else None
