"""The HTTP endpoint of OutboundBot: Alibaba Cloud's protocol, for calls that take their time.

    POST /                                the action that the header x-acs-action names (`actions`)
    GET  /recordings/{TaskId}.wav         a recording, by the link that DownloadRecording returned

The faults (`faults.Outbound`), and what the SDK makes of them:

    throttled      400 with x-acs-retry-after, in milliseconds          ThrottlingException
    500            500 with JSON                                        ServerException
    html           502 with a proxy's HTML page                         UnretryableException
    timeout        nothing for two minutes                              UnretryableException
    drop           the connection breaks, nothing was done              UnretryableException
    lost_answer    all was done, the response breaks off in the middle  UnretryableException
    refused        200 with `Success: false`, nothing was done          a response
    nonsense       200 with fields of the wrong types                   AttributeError, or a response

Otherwise the action is carried out at once, and only its response takes time: a client that goes away undoes nothing.
"""

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web

from local.providers.faults import Faults, OutboundFault
from local.providers.journal import Call, Journal
from local.providers.outbound.actions import Actions
from local.providers.outbound.lines import World
from local.providers.outbound.protocol import OK, Keys, Parameters, Refusal, success, verify
from local.providers.outbound.recordings import Links, tone

HELD_SECONDS = 120  # longer than any client waits
RETRY_AFTER_MS = "1000"
NONSENSE = {"Code": OK, "Success": "yes", **dict.fromkeys(("Jobs", "JobsId", "JobGroup", "DownloadParams"), "无")}
SUBJECTS = ("JobGroupId", "JobId.1", "TaskId", "InstanceId")  # the first one given is the call's key in the journal
RECORDING = "recording"


class OutboundBot:
    """Serves the actions and the recordings; `faults` decides what goes wrong, `journal` notes each request."""

    def __init__(self, faults: Faults, journal: Journal, world: World, keys: Keys) -> None:
        self._faults = faults
        self._journal = journal
        self._keys = keys
        self._links = Links()
        self._actions = Actions(world, self._links, lambda: faults.controls.outbound.link_seconds)

    def routes(self) -> Iterable[web.RouteDef]:
        return [
            web.post("/", self.act),
            web.get("/recordings/{call_id}.wav", self.download, allow_head=False),
        ]

    async def act(self, request: web.Request) -> web.StreamResponse:
        try:
            verify(request, await request.read(), self._keys)
        except Refusal as refusal:
            return _json(refusal, request.host)
        version, action = (request.headers.get(f"x-acs-{name}", "") for name in ("version", "action"))
        form = {name: str(value) for name, value in (await request.post()).items()}
        parameters = Parameters({**request.query, **form}, request.host)
        subject = next(filter(None, map(parameters.get, SUBJECTS)), "")

        def work() -> web.Response:
            return web.json_response(success(self._actions.answer(version, action, parameters)))

        return await self._serve(request, action, subject, work)

    async def download(self, request: web.Request) -> web.StreamResponse:
        call_id, query = request.match_info["call_id"], request.query

        def work() -> web.Response:
            self._links.check(call_id, query.get("Expires", ""), query.get("Signature", ""))
            return web.Response(body=tone(call_id), content_type="audio/wav")

        return await self._serve(request, RECORDING, call_id, work)

    async def _serve(
        self, request: web.Request, ask: str, subject: str, work: Callable[[], web.Response]
    ) -> web.StreamResponse:
        """Carry out the request unless a fault prevents it, note the outcome, and respond after the latency."""
        fault, seconds = self._faults.decide_outbound(ask)
        outcome: str = fault or "ok"
        response = web.Response()
        if fault in (None, "lost_answer"):
            try:
                response = work()
            except Refusal as refusal:
                outcome, response = refusal.code, _json(refusal, request.host)
        self._journal.note(Call(ask, subject, 0, outcome))
        await asyncio.sleep(seconds)
        if fault == "lost_answer":
            return await _break_off(request, response)
        return await _faulty(request, fault) if fault else response


async def _faulty(request: web.Request, fault: OutboundFault) -> web.Response:
    host = request.host
    match fault:
        case "throttled":
            throttled = Refusal(400, "Throttling.User", "Request was denied due to user flow control.")
            return _json(throttled, host, {"x-acs-retry-after": RETRY_AFTER_MS})
        case "html":
            return web.Response(status=502, text="<html><h1>502 Bad Gateway</h1></html>", content_type="text/html")
        case "refused":
            return _json(Refusal(OK, "InternalError", "The service could not do it."), host)
        case "nonsense":
            return web.json_response(NONSENSE)
        case "drop":
            _abort(request)
        case "timeout":
            await asyncio.sleep(HELD_SECONDS)
    return _json(Refusal(500, "InternalError", "The service is away."), host)


async def _break_off(request: web.Request, whole: web.Response) -> web.StreamResponse:
    body = whole.body
    assert isinstance(body, bytes)
    half = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    _abort(request)
    return half


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _json(refusal: Refusal, host: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(refusal.body(host), status=refusal.status, headers=headers)
