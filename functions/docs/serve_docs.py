"""The API's documentation: GET /openapi.json and, for people, GET /docs. Open to all: it holds no data."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from docs import published
from longhaul.http import Response, conditional, etag_of, make_app
from longhaul.observability import observed

app = make_app()


@app.get("/openapi.json", include_in_schema=False)
def show_document() -> Response[str]:
    text = published.openapi()
    return conditional(app, lambda: text, etag=etag_of(text))


@app.get("/docs", include_in_schema=False)
def show_page() -> Response[str]:
    page = published.page()
    return conditional(app, lambda: page, etag=etag_of(page), content_type="text/html; charset=utf-8")


@observed
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
