"""The resolver every HTTP function is made of."""

import re
import time
from collections.abc import Callable, Collection
from functools import cached_property
from http import HTTPStatus
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.api_gateway import ResponseBuilder, Route
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2
from aws_lambda_powertools.utilities.data_classes.common import BaseProxyEvent

from longhaul.cache.compression import gzipped
from longhaul.errors import NotFound
from longhaul.http import limits, problems
from longhaul.http.conditions import encoded_etag
from longhaul.http.errors import MethodNotAllowed
from longhaul.http.exchange import RequestValidation, ResponseValidation
from longhaul.http.wire import dumps
from longhaul.observability import logger
from longhaul.timing import Group, timings
from longhaul.tracing import current as current_trace
from longhaul.tracing import next_traceparent

COMPRESS_OVER_BYTES = 1_024

_TRACE = "traceparent"  # under this name it waits in the resolver's context for the answer


class Event(APIGatewayProxyEventV2):
    """Powertools' event. That writes all headers' names in small letters for each header that is read."""

    @cached_property
    def headers(self) -> dict[str, str]:
        return super().headers


class Answer(ResponseBuilder[BaseProxyEvent]):
    """Powertools' builder of answers, which compresses as hard as zlib goes: that is a third of a page's time."""

    def _compress(self) -> None:
        body = self.response.body
        if body is None:
            return
        self.response.headers["Content-Encoding"] = "gzip"
        self.response.body = gzipped(body.encode() if isinstance(body, str) else body)


class Api(APIGatewayHttpResolver):
    """Powertools' HTTP API resolver with Longhaul's manners (see `longhaul.http`).

    The methods with an underscore override the resolver's own steps, which it has no public hooks for; Powertools is
    pinned and `tests/unit/http` exercises each of them.
    """

    def __init__(self, served_elsewhere: Callable[[str], Collection[str]]) -> None:
        super().__init__(
            debug=False,  # else POWERTOOLS_DEV prints each event, its token too, into the log
            serializer=dumps,
            enable_validation=True,
            response_validation_error_http_code=500,
        )
        self._served_elsewhere = served_elsewhere
        self._response_builder_class = Answer
        self._request_validation_middleware = RequestValidation()
        self._response_validation_middleware = ResponseValidation(has_response_validation_error=True)
        problems.install(self)

    @property
    def routes(self) -> list[Route]:
        """Every route, in the order they are tried."""
        return [*self._static_routes, *self._dynamic_routes]

    def _resolve(self) -> ResponseBuilder[BaseProxyEvent]:
        """Every log line of the request, and its answer, tell the trace."""
        self.context[_TRACE] = next_traceparent(self.current_event.headers.get("traceparent"))
        logger.append_keys(traceparent=self.context[_TRACE])
        token = current_trace.set(self.context[_TRACE])
        started, timings.held = time.perf_counter(), False
        try:
            built = super()._resolve()
        finally:
            current_trace.reset(token)
        self._measure(built.response.status_code, time.perf_counter() - started)
        return built

    def _measure(self, status: int, seconds: float) -> None:
        """How long the route took. One that was held open for its caller says nothing of that."""
        route: Route | None = self.context.get("_route")
        if route is None:
            return
        name = f"{route.method} {route.openapi_path}"
        if not timings.held:
            timings.measure(Group.routes, name, seconds)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            timings.measure(Group.errors, name)

    def _to_proxy_event(self, event: dict[str, Any]) -> BaseProxyEvent:
        return Event(event)

    @staticmethod
    def _compile_regex(rule: str, base_regex: str = "^{}$") -> re.Pattern[str]:
        """A path parameter is all that stands between two slashes, and its type says what it may be.

        Powertools leaves characters out, which makes an id with one of them a route that is not there. Nothing is
        decoded: an HTTP API decodes `rawPath` (https://github.com/aws-powertools/powertools-lambda-python/issues/1098).
        """
        pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", rule)
        return re.compile(base_regex.format(pattern).removesuffix("$") + r"\Z")

    def _call_route(self, route: Route, route_arguments: dict[str, str]) -> ResponseBuilder[BaseProxyEvent]:
        """A path that has a route of its own is never a parameter of another's: `/webhooks/secret` is no webhook."""
        path: str = self.context["_path"]
        if route_arguments and _matching(self._static_routes, path):
            return self._handle_not_found(route.method, path)
        return super()._call_route(route, route_arguments)

    def _handle_not_found(self, method: str, path: str) -> ResponseBuilder[BaseProxyEvent]:
        """405 with Allow where another method would do, else 404."""
        if method == "OPTIONS" and "access-control-request-method" in self.current_event.headers:
            answer: Response[Any] = Response(status_code=204)  # a preflight: the gateway adds its CORS headers
        else:
            found = _matching(self._static_routes, path) or _matching(self._dynamic_routes, path)
            allowed = {route.method for route in found} | {*self._served_elsewhere(path)}
            error = MethodNotAllowed(allowed) if allowed else NotFound(f"There is no {method} {path}.")
            answer = problems.problem(self, error)
        return self._response_builder_class(response=answer, serializer=self._serializer)

    def _build_response(self, response_builder: ResponseBuilder[BaseProxyEvent]) -> dict[str, Any]:
        """Name the request in every answer; compress what is worth it for those who asked."""
        response = response_builder.response
        response.headers |= {
            "X-Request-Id": problems.request_id_of(self),
            "X-Content-Type-Options": "nosniff",
            "traceparent": self.context[_TRACE],
            **limits.headers(self.context),
        }
        if isinstance(response.body, str) and len(response.body.encode()) > COMPRESS_OVER_BYTES:
            response.headers.setdefault("Vary", "Accept-Encoding")
            if response.compress is None:
                response.compress = self._accepts_gzip()
            if response.compress and isinstance(etag := response.headers.get("ETag"), str):
                response.headers["ETag"] = encoded_etag(etag)
        return super()._build_response(response_builder)

    def _accepts_gzip(self) -> bool:
        """Powertools looks for the word alone; `gzip;q=0` means no."""
        offers = self.current_event.headers.get("accept-encoding", "").lower().replace(" ", "").split(",")
        return any(re.fullmatch(r"gzip(;q=(1|0?\.\d*[1-9]).*)?", offer) for offer in offers)


def _matching(routes: list[Route], path: str) -> list[Route]:
    return [route for route in routes if route.rule.match(path)]


def make_app(served_elsewhere: Callable[[str], Collection[str]] = lambda _: ()) -> Api:
    """A resolver without routes yet: `app = make_app()`, then `@app.get(...)`, then `app.resolve(event, context)`.

    `served_elsewhere(path)`: the methods that other functions serve there. Only the function that the gateway sends
    what no route takes needs to know them.
    """
    return Api(served_elsewhere)
