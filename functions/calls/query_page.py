"""The page query (seed 000): how a campaign's calls stand, a page at a time."""

from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.utilities.typing import LambdaContext

from calls import pages
from calls.views import PageAnswer, PageQuery
from longhaul import settings
from longhaul.http import Response, also, caller, conditional, make_app, needs
from longhaul.observability import observed

settings.require(
    settings.Database,
    settings.Kinds,
    settings.Cache,
    settings.Limits,
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
    settings.Live,
)

app = make_app()


@app.post(
    "/api/query-task-execution",
    security=needs("tasks:read"),
    tags=["calls"],
    summary="Read a page of calls",
    openapi_extensions=also(304),
)
def query_page(query: Annotated[PageQuery, Body()]) -> Response[PageAnswer]:
    answer, tag = pages.written(pages.query(query, caller(app).tenant_id))
    return conditional(app, lambda: answer, etag=tag)


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
