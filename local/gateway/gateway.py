"""The gateway: the HTTP API with its routes, tokens, CORS and throttles as the template declares them, in front of the
functions; and the way to the WebSocket API, which has a path of its own on the same port."""

import asyncio
import json
import logging
import uuid

from aiohttp import web

from local.gateway import connections, tokens
from local.gateway.console import Console
from local.gateway.payloads import http_event, http_response
from local.gateway.routes import Routes, TokenBucket
from local.gateway.server import HttpServer, Problem, check_head, problem_response, read_body
from local.gateway.sign_in import SignIn
from local.gateway.sockets import Sockets
from local.gateway.tokens import Issuer, JwtAuthorizer
from local.iam.guard import Guard
from local.runtime.api import Outcome
from local.runtime.limits import PayloadTooLarge, Throttled
from local.runtime.runtime import Runtime
from local.template.model import Api, Cors, Route, SocketApi

log = logging.getLogger(__name__)


class Gateway:
    """Answers /health, the issuer's pages and the console from the start; the API once `open` was called."""

    def __init__(self, issuer: Issuer, guard: Guard, console: Console) -> None:
        self._issuer = issuer
        self._sign_in = SignIn(issuer)
        self._console = console
        self._guard = guard
        self._sockets: Sockets | None = None
        self._api = Api()
        self._routes = Routes(())
        self._buckets: dict[Route, TokenBucket] = {}
        self._authorizer = JwtAuthorizer({}, issuer.public_key)
        self._runtime: Runtime | None = None

    def open(self, api: Api, runtime: Runtime, sockets: SocketApi | None = None) -> None:
        """Let requests reach the functions from now on."""
        self._api = api
        self._routes = Routes(api.routes)
        self._sockets = Sockets(sockets, runtime) if sockets is not None else None
        self._buckets = {route: TokenBucket(route.rate, route.burst) for route in api.routes}
        self._authorizer = JwtAuthorizer(api.authorizers, self._issuer.public_key)
        self._runtime = runtime

    async def close(self) -> None:
        """End the WebSockets: nothing else would end them before the stack."""
        if self._sockets is not None:
            await self._sockets.close()

    def server(self) -> web.Server:
        """Return the HTTP server; needs a running event loop."""
        return HttpServer(self._serve)

    def _own(self, request: web.BaseRequest) -> web.Response | None:
        """Answer what is not part of the API: /health and the issuer's documents."""
        if request.method not in ("GET", "HEAD"):
            return None
        match request.rel_url.path:
            case "/health":
                ready = self._runtime is not None
                body = {"status": "ready" if ready else "starting"}
                return web.json_response(body, status=200 if ready else 503, headers={"Cache-Control": "no-store"})
            case tokens.JWKS_PATH:
                return web.json_response(self._issuer.jwks())
            case tokens.CONFIGURATION_PATH:
                return web.json_response(self._issuer.configuration())
        return None

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        own = self._own(request) or await self._sign_in.answer(request) or self._console.answer(request)
        if own is not None:
            return own
        if self._sockets is not None and f"{request.rel_url.path}/".startswith(f"/{self._sockets.api.stage}/"):
            return await self._serve_socket(self._sockets, request)
        request_id = str(uuid.uuid4())
        if self._api.cors is not None and _is_preflight(request):
            return web.Response(status=204, headers=_preflight_headers(self._api.cors, request))
        try:
            check_head(request)
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

    async def _serve_socket(self, sockets: Sockets, request: web.BaseRequest) -> web.StreamResponse:
        """Answer below /live: a WebSocket's handshake, or a function that has something for one."""
        prefix = f"/{sockets.api.stage}/@connections/"
        try:
            check_head(request)
            if request.rel_url.path.startswith(prefix):
                connection_id = request.rel_url.path.removeprefix(prefix)
                return await connections.manage(sockets, self._guard, request, connection_id)
            return await sockets.serve(request)
        except Problem as problem:
            return problem_response(problem, request.rel_url.path, str(uuid.uuid4()))

    async def _answer(self, request: web.BaseRequest, request_id: str) -> web.Response:
        if self._runtime is None:
            raise Problem(503, "starting", "The stack is starting.", {"Retry-After": "1"})
        found = self._routes.find(request.method, request.rel_url.path)
        if found is None:
            raise Problem(404, "not_found", f"There is no route {request.method} {request.rel_url.path}.")
        route, parameters = found
        identity = self._authorizer.identify(route, request.headers.get("Authorization"))
        if not self._buckets[route].take():
            raise Problem(429, "throttled", "Too many requests; slow down.", {"Retry-After": "1"})
        body = await read_body(request)
        event = http_event(request, body, route, parameters, identity, request_id)
        outcome = await self._invoke(self._runtime, route, json.dumps(event, ensure_ascii=False).encode())
        if outcome.failed:
            log.warning("%s failed a request: %s", route.function, outcome.payload[:500].decode(errors="replace"))
            raise Problem(500, "internal_error", "Something went wrong on our side.")
        return http_response(outcome.payload)

    async def _invoke(self, runtime: Runtime, route: Route, payload: bytes) -> Outcome:
        """Wait for the function as long as API Gateway does. A late function runs on; its result is dropped.

        An HTTP API answers 503 Service Unavailable for a function that is late, as for one that is throttled. (504 is
        a REST API's answer.)
        """
        call = asyncio.ensure_future(runtime.invoke(route.function, payload))
        call.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be waiting for its error
        try:
            async with asyncio.timeout(route.timeout):
                return await asyncio.shield(call)
        except TimeoutError as error:
            raise Problem(503, "unavailable", "The function did not answer in time.", {"Retry-After": "1"}) from error
        except Throttled as error:
            raise Problem(503, "unavailable", "The function is busy.", {"Retry-After": "1"}) from error
        except PayloadTooLarge as error:
            raise Problem(413, "too_large", "The request is over what a function takes, 6 MB.") from error


def _is_preflight(request: web.BaseRequest) -> bool:
    return request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers


def _allowed_origin(cors: Cors, request: web.BaseRequest) -> str | None:
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    if "*" in cors.origins:
        return "*"
    return origin if origin in cors.origins else None


def _preflight_headers(cors: Cors, request: web.BaseRequest) -> dict[str, str]:
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


def _apply_cors(cors: Cors, request: web.BaseRequest, response: web.Response) -> None:
    """Replace the function's CORS headers with the API's, as in the cloud."""
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
