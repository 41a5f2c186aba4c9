"""An app's part of the OpenAPI document: what Powertools derives from the routes, with our errors and names.

Nothing of this runs in a function: `docs.document` calls it when the document is made.
"""

import inspect
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, SecurityScheme
from pydantic import BaseModel, Field

from longhaul.errors import FieldError
from longhaul.http.app import Api
from longhaul.http.identity import BEARER
from longhaul.http.problems import PROBLEM_JSON

SECURITY_SCHEMES: dict[str, SecurityScheme] = {
    BEARER: HTTPBearer(
        bearerFormat="JWT",
        description="A token of the issuer with `sub`, `tenant_id` and, in `scope`, what the operation names.",
    )
}

_PROBLEMS = {
    400: ("BadRequest", "A parameter is wrong, repeated or unknown, or the body is not JSON."),
    401: ("Unauthenticated", "The request carries no valid token."),
    403: ("Forbidden", "The token lacks a scope."),
    404: ("NotFound", "There is no such thing, or it is another tenant's."),
    409: ("Conflict", "Not possible in the present state; `allowed_actions` says what is."),
    413: ("TooLarge", "The body is over 1 MB."),
    415: ("UnsupportedMediaType", "The body is not `application/json`."),
    422: ("Invalid", "The body is JSON, but not valid; `errors` says where."),
    500: ("InternalError", "Our fault; quote the `request_id`."),
    503: ("Unavailable", "Something needed is away or full; `Retry-After` says when to try again."),
}


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(examples=["urn:longhaul:problem:invalid_request"])
    title: str = Field(examples=["Invalid request"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["/params/province: Field required"])
    instance: str = Field(description="The path of the request.", examples=["/api/v1/tasks"])
    code: str = Field(description="What a program decides by.", examples=["invalid_request"])
    retryable: bool = Field(description="Whether the same request may succeed later.", examples=[False])
    request_id: str = Field(description="Also in the header X-Request-Id.", examples=["JKJaXmPLvHcESHA="])
    errors: list[FieldError] | None = Field(
        None,
        description="Where: a JSON pointer into the body, or `query/page`, `path/task_id`, `header/idempotency-key`.",
        examples=[[{"pointer": "/params/province", "detail": "Field required"}]],
    )


def describe(app: Api, tag: str) -> dict[str, Any]:
    """The OpenAPI document of `app` alone. Operations are named after their functions and filed under `tag`."""
    for route in app.routes:
        _name(route, tag)
    schema = app.get_openapi_schema(security_schemes=SECURITY_SCHEMES)
    document: dict[str, Any] = schema.model_dump(mode="json", by_alias=True, exclude_none=True)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"] = _responses(path, method, operation)
    components = document["components"]
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    model = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= {**model.pop("$defs"), "Problem": model}
    components["responses"] = {name: _problem_response(status, told) for status, (name, told) in _PROBLEMS.items()}
    return document


def _name(route: Route, tag: str) -> None:
    title, _, more = inspect.cleandoc(route.func.__doc__ or "").partition("\n\n")
    route.operation_id = route.func.__name__
    route.summary = route.summary or title or route.func.__name__.replace("_", " ").capitalize()
    route.description = route.description or more or None
    route.tags = route.tags or [tag]


def _responses(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """The route's own, without Powertools' notion of errors, and the problems such an operation can answer with."""
    own = {str(status): answer for status, answer in operation["responses"].items()}
    for status in ("422", "500"):
        if "ValidationError" in str(own.get(status)):
            del own[status]
    if "304" in own:
        own["304"].pop("content", None)
    possible = {400, 500, 503}
    possible |= {401, 403} if operation.get("security") else set()
    possible |= {404} if "{" in path else set()
    possible |= {409} if method != "get" else set()
    possible |= {413, 415, 422} if "requestBody" in operation else set()
    refs = {str(status): {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"} for status in possible}
    return dict(sorted({**refs, **own}.items()))


def _problem_response(status: int, description: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if status == 503:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
        response["headers"] = {"Retry-After": seconds}
    return response
