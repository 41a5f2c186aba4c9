"""The HTTP API on this machine: routes, tokens, CORS and throttling as the template says, functions behind it."""

import asyncio
import json
import logging
import uuid

from aiohttp import web

from local import issuer as issuing
from local.authorization import JwtAuthorizer
from local.issuer import Issuer
from local.model import Api, Cors, Route
from local.outcomes import Outcome, Throttled
from local.payloads import http_event, http_response
from local.problems import Problem, problem_response
from local.routing import Routes
from local.runtime import Runtime
from local.runtime_api import PAYLOAD_BYTES
from local.throttling import Bucket

BODY_BYTES = 10 * 1024 * 1024
INTEGRATION_SECONDS = 30.0

log = logging.getLogger(__name__)


class Gateway:
    """Answers /health and the issuer's documents from the start, the API once `open` was called."""

    def __init__(self, issuer: Issuer, integration_seconds: float = INTEGRATION_SECONDS) -> None:
        self._issuer = issuer
        self._integration_seconds = integration_seconds
        self._api = Api()
        self._routes = Routes(())
        self._buckets: dict[Route, Bucket] = {}
        self._authorizer = JwtAuthorizer({}, issuer.public_key)
        self._runtime: Runtime | None = None

    def open(self, api: Api, runtime: Runtime) -> None:
        """From now on requests reach the functions."""
        self._api = api
        self._routes = Routes(api.routes)
        self._buckets = {route: Bucket(route.rate, route.burst) for route in api.routes}
        self._authorizer = JwtAuthorizer(api.authorizers, self._issuer.public_key)
        self._runtime = runtime

    def application(self) -> web.Application:
        application = web.Application(client_max_size=BODY_BYTES)
        application.router.add_get("/health", self._health)
        application.router.add_get(f"{issuing.PATH}/.well-known/jwks.json", self._jwks)
        application.router.add_get(f"{issuing.PATH}/.well-known/openid-configuration", self._configuration)
        application.router.add_route("*", "/{path:.*}", self._serve)
        return application

    async def _health(self, _request: web.Request) -> web.Response:
        ready = self._runtime is not None
        body = {"status": "ready" if ready else "starting"}
        return web.json_response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self._issuer.jwks())

    async def _configuration(self, _request: web.Request) -> web.Response:
        return web.json_response(self._issuer.configuration())

    async def _serve(self, request: web.Request) -> web.Response:
        request_id = str(uuid.uuid4())
        if self._api.cors is not None and _is_preflight(request):
            return web.Response(status=204, headers=_preflight_headers(self._api.cors, request))
        try:
            response = await self._answer(request, request_id)
        except Problem as problem:
            response = problem_response(problem, request.rel_url.path, request_id)
        except Exception:
            log.exception("%s %s", request.method, request.rel_url.path)
            broken = Problem(500, "internal_error", "Something went wrong on our side.")
            response = problem_response(broken, request.rel_url.path, request_id)
        response.headers["apigw-requestid"] = request_id
        if self._api.cors is not None:
            _apply_cors(self._api.cors, request, response)
        return response

    async def _answer(self, request: web.Request, request_id: str) -> web.Response:
        if self._runtime is None:
            raise Problem(503, "starting", "The stack is starting.", {"Retry-After": "1"})
        found = self._routes.find(request.method, request.rel_url.path)
        if found is None:
            raise Problem(404, "not_found", f"There is no route {request.method} {request.rel_url.path}.")
        route, parameters = found
        identity = self._authorizer.identify(route, request.headers.get("Authorization"))
        if not self._buckets[route].take():
            raise Problem(429, "throttled", "Too many requests; slow down.", {"Retry-After": "1"})
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            raise Problem(413, "too_large", f"The body is over {BODY_BYTES} bytes.") from error
        event = http_event(request, body, route, parameters, identity, request_id)
        payload = json.dumps(event, ensure_ascii=False).encode()
        if len(payload) > PAYLOAD_BYTES:
            raise Problem(413, "too_large", "The body is over what a function takes, 6 MB.")
        outcome = await self._invoke(self._runtime, route.function, payload)
        if outcome.failed:
            log.warning("%s failed a request: %s", route.function, outcome.payload[:500].decode(errors="replace"))
            raise Problem(500, "internal_error", "Something went wrong on our side.")
        return http_response(outcome.payload)

    async def _invoke(self, runtime: Runtime, function: str, payload: bytes) -> Outcome:
        """Wait for the function as long as API Gateway does; a late answer is dropped, not stopped."""
        call = asyncio.ensure_future(runtime.invoke(function, payload))
        call.add_done_callback(lambda done: done.cancelled() or done.exception())  # an error nobody waits for
        try:
            async with asyncio.timeout(self._integration_seconds):
                return await asyncio.shield(call)
        except TimeoutError as error:
            raise Problem(504, "gateway_timeout", "The function did not answer in time.") from error
        except Throttled as error:
            raise Problem(503, "unavailable", "The function is busy.", {"Retry-After": "1"}) from error


def _is_preflight(request: web.Request) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _allowed_origin(cors: Cors, request: web.Request) -> str | None:
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    if "*" in cors.origins:
        return "*"
    return origin if origin in cors.origins else None


def _preflight_headers(cors: Cors, request: web.Request) -> dict[str, str]:
    origin = _allowed_origin(cors, request)
    if origin is None:
        return {}
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": ",".join(cors.methods),
        "Access-Control-Allow-Headers": ",".join(cors.headers),
    }
    if cors.max_age is not None:
        headers["Access-Control-Max-Age"] = str(cors.max_age)
    if cors.credentials:
        headers["Access-Control-Allow-Credentials"] = "true"
    return headers


def _apply_cors(cors: Cors, request: web.Request, response: web.Response) -> None:
    """The API's CORS headers stand in for whatever the function set, as in the cloud."""
    for name in [name for name in response.headers if name.lower().startswith("access-control-")]:
        del response.headers[name]
    origin = _allowed_origin(cors, request)
    if origin is None:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    if origin != "*":
        response.headers.add("Vary", "Origin")
    if cors.exposed:
        response.headers["Access-Control-Expose-Headers"] = ",".join(cors.exposed)
    if cors.credentials:
        response.headers["Access-Control-Allow-Credentials"] = "true"
