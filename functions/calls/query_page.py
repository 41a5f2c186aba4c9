"""The page query: a campaign's calls and how they went, a page at a time."""

from functools import partial
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from calls import pages, provider_wait
from calls.wire import PageAnswer, PageQuery, span_of, write_page
from longhaul import settings
from longhaul.http import Response, also, caller, conditional, make_app, needs, waiting
from longhaul.observability import observed

FUNCTION_SECONDS = 15.0  # the function's timeout: nobody waits for longer

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
    settings.Waits,
    settings.Cursors,
    settings.Calls,
    settings.SyncQueue,
    settings.RecordingsQueue,
    settings.Recordings,
    # For a caller who waits for the provider, and so may see the campaign end.
    settings.Outbound,
    settings.AnalyseQueue,
    settings.ProgressQueue,
    settings.DispatchQueue,
    settings.NoticesQueue,
    settings.Live,
)

app = make_app()


@app.post(
    "/api/query-task-execution",
    security=needs("tasks:read"),
    tags=["calls"],
    summary="Read a page of calls",
    openapi_extensions=also(304, 404),
)
def query_page(query: Annotated[PageQuery, Body()]) -> Response[PageAnswer]:
    span, tenant_id, recordings = span_of(query), caller(app).tenant_id, not query.skip_recording
    if query.wait_for_sync:
        place = partial(waiting.place, tenant_id, FUNCTION_SECONDS)
        page = provider_wait.read(span, tenant_id, recordings=recordings, place=place)
    else:
        page = pages.read(span, tenant_id, recordings=recordings)
    body, etag = write_page(page, skip_recording=query.skip_recording)
    return conditional(app, lambda: body, etag=etag)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
