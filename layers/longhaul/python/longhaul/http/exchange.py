"""What happens to a request before its route sees it, and to the answer after.

The two classes stand where Powertools puts its own validation; they add what it leaves open and change no rule of it.
"""

import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAliasType, cast, get_args, get_origin
from urllib.parse import parse_qsl

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import Route
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
    OpenAPIResponseValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.compat import ModelField
from aws_lambda_powertools.event_handler.types import EventHandlerInstance
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent
from pydantic import BaseModel

from longhaul.errors import FieldError, InvalidRequest
from longhaul.http.errors import BodyTooLarge, InvalidParameter, MalformedBody, UnsupportedMediaType
from longhaul.http.identity import check_security
from longhaul.http.limits import check_limit
from longhaul.http.wire import dumps, with_times
from longhaul.validation import EMPTY, EMPTY_MEMBER

MAX_BODY_BYTES = 1_000_000

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_EXACT = 2**53  # above it a float stands for several integers
_JSON = re.compile(r"application/([\w.+-]+\+)?json")
_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})
_REPLACED = "\ufffd"  # what stands in a decoded text for bytes that are not UTF-8


class RequestValidation(OpenAPIRequestValidationMiddleware):
    """Scopes, the tenant's quota, that every query parameter is known, then Powertools' validation of each value."""

    def __init__(self) -> None:
        """Powertools' own does nothing, and has no types."""

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        route: Route = app.context["_route"]
        api = cast(APIGatewayHttpResolver, app)
        check_security(api, route.security)
        check_limit(api, route)
        types = query_parameters(route)
        known = {name: _is_list(annotation) for name, annotation in types.items()}
        _refuse_unknown_parameters(app.current_event, known)
        _refuse_repeated_parameters(app.current_event, known)
        _refuse_empty_lists(app.current_event, known)
        spelt = _spelt_numbers("query", types, app.current_event.resolved_query_string_parameters)
        in_path = {field.alias: field.field_info.annotation for field in route.dependant.path_params}
        spelt += _spelt_numbers("path", in_path, {name: [text] for name, text in app.context["_route_args"].items()})

        def go_on(app: EventHandlerInstance) -> Response[Any]:
            if spelt:  # what Powertools refuses is told first, all of it
                raise InvalidParameter(errors=spelt)
            return next_middleware(app)

        return super().handler(app, cast(NextMiddleware, go_on))

    def _get_body(self, app: EventHandlerInstance) -> dict[str, Any]:
        return read_body(app.current_event)


class ResponseValidation(OpenAPIResponseValidationMiddleware):
    """The answer held against the route's annotation, then written as JSON while errors still become problems."""

    def handler(self, app: EventHandlerInstance, next_middleware: NextMiddleware) -> Response[Any]:
        response = next_middleware(app)
        if not response.is_json() or isinstance(response.body, str):  # text was written by who knows what it is
            return response
        declared = app.context["_route"].dependant.return_param
        if declared is not None and type(response.body) is not declared.type_:  # such a model is valid
            response.body = with_times(response.body)  # else Pydantic would write them its way
            response = self._handle_response(route=app.context["_route"], response=response)
        response.body = dumps(response.body)
        return response


def query_parameters(route: Route) -> dict[str, Any]:
    """The query parameters that a route takes, alone or as the fields of a model, with their types."""
    fields: list[tuple[str, Any]] = []
    for field in route.dependant.query_params:
        if model := query_model(field):
            fields += [(info.alias or name, info.annotation) for name, info in model.model_fields.items()]
        else:
            fields.append((field.alias, field.field_info.annotation))
    return dict(fields)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


def _is_number(annotation: Any) -> bool:
    """Whether it takes integers or floats and no text, as far as the annotation says."""
    if isinstance(annotation, TypeAliasType):
        return _is_number(annotation.__value__)
    parts = get_args(annotation)
    return annotation in (int, float) or (bool(parts) and str not in parts and any(map(_is_number, parts)))


def query_model(field: ModelField) -> type[BaseModel] | None:
    """The model whose fields are query parameters, if the parameter is one."""
    annotation = field.field_info.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def read_body(event: BaseProxyEvent) -> dict[str, Any]:
    """The JSON object in the body. Without a Content-Type it is taken for JSON; any other type is refused.

    Raises UnsupportedMediaType (415), BodyTooLarge (413), MalformedBody (400), InvalidRequest (422, no object).
    """
    _check_media_type(event.headers)
    if len(event.body or "") > MAX_BODY_BYTES * 4 / 3 + 4:  # no need to decode it to know
        raise BodyTooLarge
    try:
        text = event.decoded_body or ""
        size = len(text.encode())
    except (UnicodeError, binascii.Error) as error:
        raise MalformedBody("The body is not UTF-8 text.") from error
    if size > MAX_BODY_BYTES:
        raise BodyTooLarge
    if _REPLACED in text and event.headers.get("content-length", str(size)) != str(size):
        raise MalformedBody("The body is not UTF-8 text.")  # the gateway has decoded it, and changed its length so
    return _parse_object(text)


def _check_media_type(headers: Mapping[str, str]) -> None:
    if encoding := headers.get("content-encoding", "").strip().lower().replace("identity", ""):
        raise UnsupportedMediaType(f"The body must not be encoded as {encoding[:50]}: send it as it is.")
    if not headers.get("content-type", "").strip():
        return
    if _JSON.fullmatch(headers["content-type"].strip().lower()):
        return
    from email.message import Message  # whose import a request without parameters does not need

    message = Message()
    message["content-type"] = headers["content-type"]
    if not _JSON.fullmatch(message.get_content_type()):
        raise UnsupportedMediaType
    charset = str(message.get_param("charset", "utf-8")).lower()
    if charset not in _UTF_8:
        raise UnsupportedMediaType(f"JSON is UTF-8; the body's charset must not be {charset[:50]}.")


def _parse_object(text: str) -> dict[str, Any]:
    if not text.strip():
        raise MalformedBody("The body is empty; a JSON object is needed.")
    try:
        body = json.loads(text, parse_float=_number, parse_constant=_refuse_constant)
        if "\\u" in text:
            dumps(body).encode()  # half a surrogate pair parses, but can be neither stored nor sent
    except RecursionError as error:
        raise MalformedBody("The body is nested too deeply.") from error
    except ValueError as error:
        raise MalformedBody(f"The body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidRequest(errors=[FieldError(pointer="", detail="The body should be a JSON object.")])
    return body


def _number(text: str) -> int | float:
    """1.0 and 1e3 are integers, as JSON Schema has it (https://json-schema.org/draft/2020-12/json-schema-validation)."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) <= _MAX_EXACT else number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_unknown_parameters(event: BaseProxyEvent, known: Mapping[str, bool]) -> None:
    """A misspelt filter that is ignored gives a wrong answer that looks right."""
    unknown = sorted(event.query_string_parameters.keys() - known.keys())
    if unknown:
        detail = f"unknown; this resource takes {', '.join(sorted(known)) or 'no query parameters'}"
        raise InvalidParameter(errors=[FieldError(pointer=f"query/{name}", detail=detail) for name in unknown])


def _refuse_repeated_parameters(event: BaseProxyEvent, known: Mapping[str, bool]) -> None:
    """Which of two values is meant nobody knows."""
    given = Counter(name for name, _ in parse_qsl(event.get("rawQueryString") or "", keep_blank_values=True))
    repeated = [name for name, is_list in known.items() if not is_list and given[name] > 1]
    if repeated:
        raise InvalidParameter(errors=[FieldError(pointer=f"query/{name}", detail="is repeated") for name in repeated])


def _spelt_numbers(place: str, types: Mapping[str, Any], given: Mapping[str, Sequence[str]]) -> list[FieldError]:
    """Pydantic takes what Python would, such as `1_0` and ` 10`; no other client means a number by that."""
    return [
        FieldError(pointer=f"{place}/{name}", detail="a number is written in digits, such as 10")
        for name, annotation in types.items()
        if _is_number(annotation) and not all(map(_NUMBER.fullmatch, given.get(name, ())))
    ]


def _refuse_empty_lists(event: BaseProxyEvent, known: Mapping[str, bool]) -> None:
    """`?status=` and `?status=FAILED,,` say that some are meant and do not name them: all would be a guess."""
    given = event.resolved_query_string_parameters
    errors = [
        FieldError(pointer=f"query/{name}", detail=EMPTY if len(given[name]) == 1 else EMPTY_MEMBER)
        for name, is_list in known.items()
        if is_list and any(not member.strip() for member in given.get(name, ()))
    ]
    if errors:
        raise InvalidRequest("; ".join(f"{error['pointer']}: {error['detail']}" for error in errors), errors=errors)
