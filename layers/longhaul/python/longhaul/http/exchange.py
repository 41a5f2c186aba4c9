"""What happens to a request before its route sees it, and to the answer after.

The two classes stand where Powertools puts its own validation; they add what it leaves open and change no rule of it.
"""

import binascii
import json
import re
from typing import Any, NoReturn, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.types import EventHandlerInstance
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from longhaul.errors import FieldError, InvalidRequest
from longhaul.http.errors import BodyTooLarge, InvalidParameter, MalformedBody, UnsupportedMediaType
from longhaul.http.identity import check_security
from longhaul.http.limits import check_limit
from longhaul.http.wire import dumps, with_times

MAX_BODY_BYTES = 1_000_000

_JSON = re.compile(r"application/([\w.+-]+\+)?json\s*(;.*)?", re.IGNORECASE)


class RequestValidation(OpenAPIRequestValidationMiddleware):
    """Scopes, the tenant's quota, that every query parameter is known, then Powertools' validation of each value."""

    def __init__(self) -> None:
        """Powertools' own does nothing, and has no types."""

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        route: Route = app.context["_route"]
        api = cast(APIGatewayHttpResolver, app)
        check_security(api, route.security)
        check_limit(api, route)
        _refuse_unknown_parameters(app.current_event, route)
        return super().handler(app, next_middleware)

    def _get_body(self, app: EventHandlerInstance) -> dict[str, Any]:
        return read_body(app.current_event)


class ResponseValidation(OpenAPIResponseValidationMiddleware):
    """The answer held against the route's annotation, then written as JSON while errors still become problems."""

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        response = next_middleware(app)
        if not response.is_json() or isinstance(response.body, str):  # text was written by who knows what it is
            return response
        if app.context["_route"].dependant.return_param is not None:
            response.body = with_times(response.body)  # else Pydantic would write them its way
            response = self._handle_response(route=app.context["_route"], response=response)
        response.body = dumps(response.body)
        return response


def read_body(event: BaseProxyEvent) -> dict[str, Any]:
    """The JSON object in the body. Without a Content-Type it is taken for JSON; any other type is refused.

    Raises UnsupportedMediaType (415), BodyTooLarge (413), MalformedBody (400), InvalidRequest (422, no object).
    """
    media_type = event.headers.get("content-type", "").strip()
    if media_type and not _JSON.fullmatch(media_type):
        raise UnsupportedMediaType
    if len(event.body or "") > MAX_BODY_BYTES * 4 / 3 + 4:  # no need to decode it to know
        raise BodyTooLarge
    try:
        text = event.decoded_body or ""
        size = len(text.encode())
    except (UnicodeError, binascii.Error) as error:
        raise MalformedBody("The body is not UTF-8 text.") from error
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge
    return _parse_object(text)


def _parse_object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise MalformedBody("The body is empty; a JSON object is needed.")
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
        if "\\u" in text:
            dumps(body).encode()  # half a surrogate pair parses, but can be neither stored nor sent
    except RecursionError as error:
        raise MalformedBody("The body is nested too deeply.") from error
    except ValueError as error:
        raise MalformedBody(f"The body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidRequest(errors=[FieldError(pointer="", detail="The body should be a JSON object.")])
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_unknown_parameters(event: BaseProxyEvent, route: Route) -> None:
    """A misspelt filter that is ignored gives a wrong answer that looks right."""
    known = {field.alias for field in route.dependant.query_params}
    unknown = sorted(event.query_string_parameters.keys() - known)
    if unknown:
        detail = f"unknown; this resource takes {', '.join(sorted(known)) or 'no query parameters'}"
        raise InvalidParameter(errors=[FieldError(pointer=f"query/{name}", detail=detail) for name in unknown])
