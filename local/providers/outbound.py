"""The OutboundBot stand-in: Alibaba Cloud's wire, for calls that play out over time.

    POST /                                the action that the header x-acs-action names (`outbound_actions`)
    GET  /recordings/{TaskId}.wav         a recording, by the link that DownloadRecording gave

What can go wrong (`faults.Outbound`), by what the SDK makes of it:

    throttled      400 with x-acs-retry-after, in milliseconds          ThrottlingException
    500            500 with JSON                                        ServerException
    html           502 with a page of a proxy's                         UnretryableException
    timeout        nothing for two minutes                              UnretryableException
    drop           the connection breaks, nothing was done              UnretryableException
    lost_answer    all was done, the answer breaks off in the middle    UnretryableException
    refused        200 with `Success: false`, nothing was done          an answer
    nonsense       200 with fields of other types than they should be   AttributeError, or an answer

Otherwise what is asked is done at once, and it is the answer that takes its time: a client that went away undoes
nothing.
"""

import asyncio
from collections.abc import Callable, Iterable

from aiohttp import web

from local.providers import acs
from local.providers.faults import Faults, OutboundFault
from local.providers.journal import Call, Journal
from local.providers.lines import World
from local.providers.outbound_actions import Actions
from local.providers.recordings import Links, tone
from local.providers.rpc import OK, Parameters, Refusal, success

HELD_SECONDS = 120  # longer than any client waits
RETRY_AFTER_MS = "1000"
NONSENSE = {"Code": OK, "Success": "yes", **dict.fromkeys(("Jobs", "JobsId", "JobGroup", "DownloadParams"), "无")}
SUBJECTS = ("JobGroupId", "JobId.1", "TaskId", "InstanceId")  # the first that is given is a call's key in the journal
RECORDING = "recording"


class OutboundBot:
    def __init__(self, faults: Faults, journal: Journal, world: World, keys: acs.Keys) -> None:
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
            acs.verify(request, await request.read(), self._keys)
        except Refusal as refusal:
            return _json(refusal, request.host)
        version, action = (request.headers.get(f"x-acs-{name}", "") for name in ("version", "action"))
        form = {name: str(value) for name, value in (await request.post()).items()}
        asked = Parameters({**request.query, **form}, request.host)
        subject = next(filter(None, map(asked.get, SUBJECTS)), "")

        def work() -> web.Response:
            return web.json_response(success(self._actions.answer(version, action, asked)))

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
        """Work, or don't, as fate has it; note what came of it; answer in due time."""
        fault, seconds = self._faults.decide_outbound(ask)
        outcome: str = fault or "ok"
        answer = web.Response()
        if fault in (None, "lost_answer"):
            try:
                answer = work()
            except Refusal as refusal:
                outcome, answer = refusal.code, _json(refusal, request.host)
        self._journal.note(Call(ask, subject, 0, outcome))
        await asyncio.sleep(seconds)
        if fault == "lost_answer":
            return await _break_off(request, answer)
        return await _trouble(request, fault) if fault else answer


async def _trouble(request: web.Request, fault: OutboundFault) -> web.Response:
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


async def _break_off(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = answer.body
    assert isinstance(body, bytes)
    half = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
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
