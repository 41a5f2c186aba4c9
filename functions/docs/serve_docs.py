"""The API's documentation: GET /openapi.json and, for people, GET /docs. Open to all, as it holds no data, or closed.

The gateway also sends it the requests without a route. They are refused: 405 where the document knows another method,
else 404.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from docs import published
from longhaul import settings
from longhaul.errors import NotFound
from longhaul.http import Response, conditional, etag_of, make_app
from longhaul.observability import observed

settings.require(settings.Docs)

app = make_app(served_elsewhere=published.methods_at)


@app.get("/openapi.json", include_in_schema=False)
def show_document() -> Response[str]:
    refuse_if_closed()
    text = published.openapi()
    return conditional(app, lambda: text, etag=etag_of(text))


@app.get("/docs", include_in_schema=False)
def show_page() -> Response[str]:
    refuse_if_closed()
    page = published.page()
    return conditional(app, lambda: page, etag=etag_of(page), content_type="text/html; charset=utf-8")


def refuse_if_closed() -> None:
    if not settings.of(settings.Docs).public_docs:
        raise NotFound("This deployment does not publish its documentation.")


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
