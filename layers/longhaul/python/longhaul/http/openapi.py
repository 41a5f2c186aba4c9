"""An app's part of the OpenAPI document: what Powertools derives from the routes, with our errors and names.

Nothing of this runs in a function: `docs.document` calls it when the document is made.
"""

import inspect
import re
from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.openapi.models import HTTPBearer, SecurityScheme
from pydantic import BaseModel, Field

from longhaul.errors import FieldError
from longhaul.http.app import Api
from longhaul.http.described import ALSO, TEXTS
from longhaul.http.exchange import query_model
from longhaul.http.idempotency import REPLAYED
from longhaul.http.identity import BEARER
from longhaul.http.limits import EXTENSION, class_of
from longhaul.http.problems import PROBLEM_JSON
from longhaul.validation import OWN_ID_PATTERN

SECURITY_SCHEMES: dict[str, SecurityScheme] = {
    BEARER: HTTPBearer(
        bearerFormat="JWT",
        description="A token of the issuer with `sub`, `tenant_id` and, in `scope` or `scp`, what the operation names.",
    )
}

_PROBLEMS = {
    400: ("BadRequest", "A parameter is wrong, repeated or unknown, or the body is not JSON."),
    401: ("Unauthenticated", "The request carries no valid token."),
    403: ("Forbidden", "The token lacks a scope."),
    404: ("NotFound", "There is no such thing (any more), or it is another tenant's."),
    409: ("Conflict", "Not possible in the present state; `allowed_actions` says what is."),
    412: ("PreconditionFailed", "It is another version than `If-Match` names; read it again."),
    413: ("TooLarge", "The body is over 1 MB."),
    414: ("UriTooLong", "The request line is over 8 KB."),
    415: ("UnsupportedMediaType", "The body is not `application/json`, not UTF-8, or compressed."),
    422: (
        "Invalid",
        "The body is JSON but not valid, a list is empty, an id of yours cannot be one, or the Idempotency-Key was"
        " another's; `errors` says where.",
    ),
    429: ("TooManyRequests", "The quota of this minute is used up; `Retry-After` says when to try again."),
    431: ("HeadersTooLarge", "The request line and its headers are over 10 KB."),
    500: ("InternalError", "Our fault; quote the `request_id`."),
    503: ("Unavailable", "Something needed is away or full; `Retry-After` says when to try again."),
}


_HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit-Policy": {
        "description": "The class the operation counts as, its quota, and the seconds that is for "
        "([draft](https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/)). Absent where it is free.",
        "schema": {"type": "string", "examples": ['"write";q=600;w=60']},
    },
    "RateLimit": {
        "description": "Requests that remain, and the seconds until there is one more than that.",
        "schema": {"type": "string", "examples": ['"write";r=599;t=1']},
    },
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "Location": {"description": "Where the task is.", "schema": {"type": "string", "format": "uri-reference"}},
    "ETag": {"description": "Of this version; for `If-None-Match`.", "schema": {"type": "string"}},
    REPLAYED: {
        "description": "`true`: a request with this Idempotency-Key was carried out before; this one changed nothing.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Preference-Applied": {"description": "What was heeded of `Prefer`.", "schema": {"type": "string"}},
}
_LIMITS = ("RateLimit-Policy", "RateLimit")
_HEADERS_OF = {202: ("Location", "Retry-After"), 304: ("ETag",), 429: (*_LIMITS, "Retry-After"), 503: ("Retry-After",)}


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
    components = document["components"]
    for route in app.routes:
        _spread_query_models(route, document)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            operation["responses"] = _responses(path, method, operation)
            for parameter in operation.get("parameters", ()):
                _exemplify(parameter, components["schemas"])
    for unused in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    model = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    components["schemas"] |= {**model.pop("$defs"), "Problem": model}
    components["responses"] = {name: _problem_response(status, text) for status, (name, text) in _PROBLEMS.items()}
    components["headers"] = _HEADERS
    _drop_unused(document, "responses")
    _drop_unused(document, "headers")
    return document


def _name(route: Route, tag: str) -> None:
    title, _, more = inspect.cleandoc(route.func.__doc__ or "").partition("\n\n")
    route.operation_id = route.func.__name__
    route.summary = route.summary or title or route.func.__name__.replace("_", " ").capitalize()
    route.description = route.description or more or None
    route.tags = route.tags or [tag]
    if name := class_of(route):
        route.openapi_extensions = {**(route.openapi_extensions or {}), EXTENSION: name}


def _spread_query_models(route: Route, document: dict[str, Any]) -> None:
    """A model of query parameters as its fields. Powertools tells their names, but no bounds and no examples."""
    models = [model for field in route.dependant.query_params if (model := query_model(field))]
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        document["components"]["schemas"].pop(model.__name__, None)  # nothing of it travels as a whole
        document["components"]["schemas"] |= schema.get("$defs", {})
        path = re.sub(r"<(\w+)>", r"{\1}", route.path)
        parameters = document["paths"][path][route.method.lower()]["parameters"]
        for parameter in parameters:
            if (field := schema["properties"].get(parameter["name"])) and parameter["in"] == "query":
                description = field.pop("description", "") + (" By commas, or repeated." if "items" in field else "")
                if field.get("default", "") is None:
                    del field["default"]
                parameter |= {"description": description, "schema": field}


def _responses(path: str, method: str, operation: dict[str, Any]) -> dict[str, Any]:
    """The route's own, without Powertools' notion of errors, and the problems such an operation can answer with."""
    own = {int(status): answer for status, answer in operation["responses"].items()}
    for status in (422, 500):
        if "ValidationError" in str(own.get(status)):
            del own[status]
    headers = {
        parameter["name"].lower() for parameter in operation.get("parameters", ()) if parameter["in"] == "header"
    }
    possible = {400, 414, 431, 500, 503}
    possible |= {401, 403, 429} if operation.get("security") else set()
    possible |= {404} if "{" in path else set()
    possible |= {404} if "idempotency-key" in headers else set()  # what an earlier request has made may be gone
    possible |= {409} if method != "get" else set()
    possible |= {412} if "if-match" in headers else set()
    possible |= {413, 415, 422} if "requestBody" in operation else set()
    possible |= {422} if OWN_ID_PATTERN in _patterns(operation) else set()
    possible |= {422} if "idempotency-key" in headers or _takes_lists(operation) else set()
    good = next(answer for status, answer in own.items() if status < 300)
    if texts := operation.pop(TEXTS, None):
        contents = {media_type: {"schema": {"type": "string"}} for media_type in texts["media_types"]}
        good["content"] = {**(good["content"] if texts["json"] else {}), **contents}
    more = set(operation.pop(ALSO, ()))
    possible |= more & _PROBLEMS.keys()
    for status in sorted(more - _PROBLEMS.keys()):
        own[status] = {"description": "Not modified"} if status == 304 else dict(good)
    for status, answer in own.items():
        names = [*_HEADERS_OF.get(status, ()), *(_LIMITS if operation.get("security") else ())]
        names += ["ETag"] if status == 200 and 304 in own else []
        names += [REPLAYED] if status < 300 and "idempotency-key" in headers else []
        names += ["Preference-Applied"] if status < 300 and "prefer" in headers else []
        answer["headers"] = {**_header_refs(names), **answer.get("headers", {})}
        if status == 304:
            answer.pop("content", None)
    refs = {status: {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"} for status in possible - own.keys()}
    return {str(status): answer for status, answer in sorted({**refs, **own}.items())}


def _patterns(operation: dict[str, Any]) -> set[str | None]:
    """The patterns of an operation's parameters."""
    return {option.get("pattern") for option in _options(operation)}


def _takes_lists(operation: dict[str, Any]) -> bool:
    return any("items" in option for option in _options(operation))


def _options(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The schemas of an operation's parameters, and each of their alternatives."""
    schemas = [parameter["schema"] for parameter in operation.get("parameters", ())]
    return [option for schema in schemas for option in (schema, *schema.get("anyOf", ()))]


def _header_refs(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem_response(status: int, description: str) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if headers := _header_refs(_HEADERS_OF.get(status, ())):
        response["headers"] = headers
    return response


def _exemplify(parameter: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Give a parameter without an example its default as one, or the first of its values."""
    schema = parameter["schema"]
    if parameter.keys() & {"example", "examples"} or "examples" in schema:
        return
    if "default" in schema:
        parameter["example"] = schema["default"]
        return
    options = [schema, *schema.get("anyOf", ())]
    several = [option["items"] for option in options if "items" in option]
    for option in (schemas.get(str(o.get("$ref")).rpartition("/")[2], o) for o in (*several, *options)):
        if "enum" in option:
            parameter["example"] = option["enum"][:1] if several else option["enum"][0]
            return


def _drop_unused(document: dict[str, Any], kind: str) -> None:
    """Components that no operation of this app refers to: the whole document has them from another, if at all."""
    text = str(document)
    members = document["components"][kind]
    document["components"][kind] = {
        name: body for name, body in members.items() if f"'#/components/{kind}/{name}'" in text
    }
