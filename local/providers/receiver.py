"""A receiver of webhooks: it keeps what it is posted, verifies nothing, and can be slow, wrong or gone.

POST /receiver/NAME/...          as its manner says; GET gives 405, as a receiver would
PUT  /receiver-control/NAME      its manner (`Manner`), from now on
GET  /receiver-control/NAME      what it was posted: [{at, path, headers, body, outcome}]
DELETE /receiver-control         forgets all that was posted, and all manners

A name is whatever stands in the path; each has a manner of its own, and none is needed: then all is taken with 204.
"""

import asyncio
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

KEPT = 5_000  # requests of a name

type Way = Literal["answer", "close", "drip", "drip_headers", "broken", "long"]


class Manner(BaseModel):
    """`{"status": 503, "headers": {"Retry-After": "7"}}`, `{"delay": 60}`, `{"script": [{"status": 500}]}`

    close: the connection ends without an answer. drip: a byte of the answer's body a moment; drip_headers: of its head.
    broken: no HTTP. long: a body without an end. `script` are the manners of the next requests, before this one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int = Field(default=204, ge=100, le=599)
    headers: dict[str, str] = {}
    body: str = ""
    delay: float = Field(default=0, ge=0, le=600)  # seconds before it answers
    way: Way = "answer"
    script: list["Manner"] = []


@dataclass(frozen=True, slots=True)
class Posted:
    """A request: when it came (seconds since the epoch), and its outcome, "" while it is not answered."""

    at: float
    path: str
    headers: dict[str, str]
    body: str
    outcome: str = ""


class Receiver:
    """What each name was posted, and its manner."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._manners: dict[str, Manner] = {}
        self._scripts: dict[str, deque[Manner]] = {}
        self._posted: dict[str, deque[Posted]] = defaultdict(lambda: deque(maxlen=KEPT))

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/receiver/{name}", self.take),
            web.post("/receiver/{name}/{rest:.*}", self.take),
            web.put("/receiver-control/{name}", self.control),
            web.get("/receiver-control/{name}", self.report),
            web.delete("/receiver-control", self.reset),
        ]

    async def take(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        headers = {key.lower(): value for key, value in request.headers.items()}
        posted = Posted(time.time(), request.path_qs, headers, (await request.read()).decode("utf-8", "replace"))
        kept, script = self._posted[name], self._scripts.get(name)
        manner = script.popleft() if script else self._manners.get(name, Manner())
        place = len(kept)
        kept.append(posted)
        await asyncio.sleep(manner.delay)
        if place < len(kept) and kept[place] is posted:
            kept[place] = replace(posted, outcome=manner.way if manner.way != "answer" else str(manner.status))
        return await _answer(request, manner)

    async def control(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            manner = Manner.model_validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"errors": error.errors(include_url=False, include_context=False)}, status=422)
        self._manners[name], self._scripts[name] = manner, deque(manner.script)
        return web.json_response(manner.model_dump())

    async def report(self, request: web.Request) -> web.Response:
        posted: list[dict[str, Any]] = [asdict(one) for one in self._posted[request.match_info["name"]]]
        return web.json_response(posted)

    async def reset(self, request: web.Request) -> web.Response:
        self.forget()
        return web.Response(status=204)


async def _answer(request: web.Request, manner: Manner) -> web.StreamResponse:
    if manner.way == "answer":
        return web.Response(status=manner.status, headers=manner.headers, text=manner.body or None)
    if manner.way in ("drip", "long"):
        return await _drip(request, manner)
    transport = request.transport
    if transport is not None:
        if manner.way == "broken":
            transport.write(b"220 mail.example.com ESMTP\r\n\r\n")
        elif manner.way == "drip_headers":
            transport.write(b"HTTP/1.1 200 OK\r\n")
            while not transport.is_closing():
                transport.write(b"X-Drip: 1\r\n")
                await asyncio.sleep(0.1)
        transport.close()
    return web.Response(status=500)  # nobody reads it


async def _drip(request: web.Request, manner: Manner) -> web.StreamResponse:
    """A body that does not end: a byte a moment, or as fast as it is read."""
    response = web.StreamResponse(status=manner.status if manner.status != 204 else 200)
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b"." if manner.way == "drip" else b"x" * 65_536)
            await asyncio.sleep(0.1 if manner.way == "drip" else 0)
    return response
