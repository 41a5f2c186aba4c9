"""The answer that holds the deployment against its targets, cached for a minute."""

import time
from datetime import UTC, datetime
from typing import Any

from longhaul import cache
from longhaul.cache import Namespace, Tier
from longhaul.http import Api, Response, asks_for_fresh, conditional, weak_etag_of
from longhaul.tasks import rollups
from longhaul.tasks.rollups import Window
from longhaul.timing import tallies
from monitor import latencies
from monitor.latencies import Latencies
from monitor.targets_wire import Targets, TargetsQuery, latency_document, targets_of
from monitor.windows import moment_of
from monitor.wire import lasting

_LATENCIES = Namespace("latencies", 1, Tier.short)
_TAG = "latencies"  # nothing forgets it


def targets_answer(app: Api, query: TargetsQuery) -> Response[Targets]:
    as_of, window, found = measured(query.minutes, fresh=asks_for_fresh(app))
    document = Targets(
        as_of=as_of,
        since=moment_of(window.first),
        until=as_of,
        resolution_seconds=60 * window.span,
        targets=list(targets_of(found, query)),
        routes=[latency_document(one) for one in found.routes],
        statements=[latency_document(one) for one in found.statements],
    )
    return conditional(app, lambda: document, etag=weak_etag_of(lasting(document)))


def measured(minutes: int, *, fresh: bool) -> tuple[datetime, Window, Latencies]:
    """What was measured in so many minutes until now, and when that was read. Raises DatabaseUnavailable."""
    value: dict[str, Any] = cache.read(_LATENCIES, str(minutes), _TAG, lambda: _load(minutes), fresh=fresh).value
    return (
        datetime.fromtimestamp(value["as_of"], UTC),
        Window(*value["window"]),
        Latencies(tallies(value["tallies"])),
    )


def _load(minutes: int) -> dict[str, Any]:
    window = latencies.window_of(minutes, rollups.minute_now())
    return {"as_of": time.time(), "window": window, "tallies": latencies.read(window).content}
