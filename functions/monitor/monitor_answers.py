"""The monitor's answers: cached for a minute, conditional, each made of one observation."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial

from pydantic import BaseModel

from longhaul import cache, database
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
    require_scope,
    weak_etag_of,
)
from longhaul.tasks import rollups
from longhaul.tasks.listing import check_kinds
from longhaul.tasks.rollups import DAY, HOUR, Reader, Window
from monitor.assessment import health, issues_of
from monitor.latencies import Latencies
from monitor.observation import Content, Observation, observe, observe_steps
from monitor.openmetrics import CONTENT_TYPE, MEDIA_TYPE, openmetrics
from monitor.report import report
from monitor.targets_answers import measured
from monitor.timeseries_wire import Timeseries, is_quantile, steps_of, timeseries_document
from monitor.window_wire import HealthQuery, IssuesQuery, MonitorQuery, ReportQuery, TimeseriesQuery
from monitor.windows import STEPS, minute_of, stepped_window, window_of
from monitor.wire import (
    Health,
    Issues,
    Metrics,
    Performance,
    figures_document,
    issue_document,
    kind_performance,
    lasting,
    metrics_document,
    present_document,
)
from monitor.wire import window_of as window_document

_OBSERVATIONS = Namespace("monitor", 3, Tier.short)
_TAG = "monitor"  # nothing forgets it: a change of a task shows within a minute
TEXT = "text/plain; charset=utf-8"
_VARY = {"Vary": "Authorization, Accept, Accept-Encoding"}


def metrics_answer(app: Api, query: MonitorQuery) -> Response[Metrics]:
    """As JSON, or where OpenMetrics is accepted as that: then it is of today, whatever the window."""
    if MEDIA_TYPE in app.current_event.headers.get("accept", "").lower():
        seen = _today(app, query)
        text = openmetrics(seen, _measured_today(app) if query.all_tenants else None)
        return conditional(app, lambda: text, etag=weak_etag_of(text), content_type=CONTENT_TYPE, headers=_VARY)
    return _answer(app, metrics_document(_seen(app, query, present=True)), headers=_VARY)


def report_answer(app: Api, query: ReportQuery) -> Response[str]:
    seen = _seen(app, query, present=True)
    etag = weak_etag_of(lasting(metrics_document(seen)))
    return conditional(app, lambda: report(seen, query.lang), etag=etag, content_type=TEXT)


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
    return _answer(app, found)


def performance_answer(app: Api, query: MonitorQuery) -> Response[Performance]:
    seen = _seen(app, query)
    ended = {kind: figures for kind, figures in seen.by_kind.items() if figures.ended}
    return _answer(app, Performance(**window_document(seen), kinds=[kind_performance(*item) for item in ended.items()]))


def issues_answer(app: Api, query: IssuesQuery) -> Response[Issues]:
    seen = _seen(app, query)
    issues = issues_of(seen.by_kind, query.thresholds)
    return _answer(app, Issues(**window_document(seen), issues=[issue_document(issue) for issue in issues]))


def timeseries_answer(app: Api, query: TimeseriesQuery) -> Response[Timeseries]:
    step = STEPS[query.step]
    steps, by_bucket = steps_of(query.figure, step), is_quantile(query.figure)

    def choose(now: int) -> Window:
        window = stepped_window(query.minutes, _until(query), now, step)
        if window is None:
            detail = f"steps of {query.step} are not kept of so long ago; take a longer step"
            raise InvalidParameter(f"query/step: {detail}", errors=[{"pointer": "query/step", "detail": detail}])
        return window

    def load(reader: Reader, window: Window) -> Content:
        return observe_steps(reader, window, steps, by_bucket=by_bucket)

    seen = _observed(app, query, choose, ["steps", *steps, by_bucket], load)
    return _answer(app, timeseries_document(seen, query.figure, step))


def _answer[T: BaseModel](app: Api, found: T, headers: Mapping[str, str] | None = None) -> Response[T]:
    """Its tag is weak: a caller that has the same figures needs no answer that only says when they were read."""
    return conditional(app, lambda: found, etag=weak_etag_of(lasting(found)), headers=headers)


def _seen(app: Api, query: MonitorQuery, *, present: bool = False) -> Observation:
    return _observed(
        app,
        query,
        lambda now: window_of(query.minutes, _until(query), now),
        ["window", present],
        partial(observe, present=present),
    )


def _today(app: Api, query: MonitorQuery) -> Observation:
    """From midnight on, UTC: the day is in the key, so that none is told as another."""
    day = int(datetime.now(UTC).timestamp()) // (60 * DAY)
    today = Window(day * DAY, (day + 1) * DAY, HOUR)
    return _observed(app, query, lambda _: today, ["day", day], partial(observe, present=True))


def _measured_today(app: Api) -> Latencies:
    now = datetime.now(UTC)
    return measured(now.hour * HOUR + now.minute + 1, fresh=asks_for_fresh(app))[-1]


def _observed(
    app: Api,
    query: MonitorQuery,
    choose: Callable[[int], Window],
    of: list[object],
    load: Callable[[Reader, Window], Content],
) -> Observation:
    """What `load` sees in the window that is chosen by the minute it is. Raises DatabaseUnavailable, Forbidden,
    UnknownKindAsked.
    """
    reader = _reader(caller(app), query)

    def read() -> Content:
        with database.connection() as session:
            check_kinds(session, reader.kinds)
        return load(reader, choose(rollups.minute_now()))

    key = dumps([reader.tenant_id, reader.kinds, query.window, query.until, of])
    return cache.read(
        _OBSERVATIONS,
        hashlib.sha256(key.encode()).hexdigest(),
        _TAG,
        read,
        parse=Observation.of,
        fresh=asks_for_fresh(app),
    ).value


def _reader(who: Caller, query: MonitorQuery) -> Reader:
    if query.all_tenants:
        require_scope(who, "ops")
    return Reader(None if query.all_tenants else who.tenant_id, tuple(sorted(set(query.kind))))


def _until(query: MonitorQuery) -> int | None:
    return minute_of(query.until) if query.until else None
