"""One WebSocket for all who follow tasks in an event loop: its subscriptions, reconnecting, and its absence.

A follower hears of changes sooner by it. It can always read by HTTP instead, and does while there is no socket. So
nothing that goes wrong here is an error of the follower's: the socket is opened again, with pauses that double.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md is the form of a notice; docs/live.md the protocol.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from longhaul_client.api import Api
from longhaul_client.connections import Settings
from longhaul_client.documents import Document
from longhaul_client.errors import TaskError
from longhaul_client.subscriptions import State, Subscription, Topic

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

TICKETS = "/api/v1/live/tickets"

CONNECT_SECONDS = 10.0  # for a ticket and the handshake
PING_SECONDS = 120.0  # of silence; the server closes a connection that is silent for ten minutes
PONG_SECONDS = 30.0  # after a ping, within which something must come
LINGER_SECONDS = 5.0  # for which an unused socket is kept: another follower may come
STEADY_SECONDS = 10.0  # for which a socket has worked when the pause before the next is short again
FIRST_PAUSE, MAX_PAUSE = 0.5, 60.0  # seconds between two tries to open a socket

_LOCAL = ("127.0.0.1", "localhost", "::1")  # the environment's proxy is not used for this machine
_NOT_OFFERED = (404, 405, 501)  # the statuses of a stack without sockets

logger = logging.getLogger(__name__)


class Live:
    """The socket of one caller in one event loop. It is open while somebody follows, and a little longer."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._key = (asyncio.get_running_loop(), api.settings)
        self._followers: dict[str, Subscription] = {}
        self._numbers = 0
        self._socket: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_absent = False

    @classmethod
    def of(cls, api: Api) -> "Live":
        """The one of the running loop, for the caller whose API this is."""
        key = (asyncio.get_running_loop(), api.settings)
        if key not in _lives:
            _lives[key] = cls(api)
        return _lives[key]

    @classmethod
    async def leave(cls, api: Api) -> None:
        """Close the running loop's socket of this caller unless somebody follows."""
        live = _lives.get((asyncio.get_running_loop(), api.settings))
        if live is not None and (running := live._stop_unused()):
            await asyncio.wait([running])

    @contextlib.asynccontextmanager
    async def subscription(self, topic: Topic) -> AsyncGenerator[Subscription]:
        self._numbers += 1
        follower = Subscription(self._numbers, topic, State.ABSENT if self._is_absent else State.CONNECTING)
        self._followers[follower.number] = follower
        try:
            if self._running is None or self._running.done():
                self._running = asyncio.create_task(self._run())
            elif self._socket is not None:
                await self._say(follower.subscribe)
            yield follower
        finally:
            del self._followers[follower.number]
            await self._forget(topic)

    async def _forget(self, topic: Topic) -> None:
        if self._socket is not None and all(other.topic != topic for other in self._followers.values()):
            await self._say({"action": "unsubscribe", **topic.frame})
        if not self._followers:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop_unused)

    def _stop_unused(self) -> asyncio.Task[None] | None:
        """Close the socket unless somebody follows. Returns the task that closes it."""
        if self._running is None or self._followers:
            return None
        _lives.pop(self._key, None)
        self._running.cancel()
        return self._running

    async def _run(self) -> None:
        """Keep a socket open. Whatever ends it, the followers read by HTTP until there is another."""
        clock, pause = asyncio.get_running_loop().time, 0.0
        try:
            while True:
                began = clock()
                try:
                    await self._connect()
                except Exception as error:
                    logger.info("no live notices from %s, reading instead: %s", self._api.settings.url, _reason(error))
                    pause = _next_pause(pause, clock() - began, error)
                self._turn(State.CONNECTING if any(one.is_live for one in self._followers.values()) else State.ABSENT)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
        finally:
            _lives.pop(self._key, None)

    def _turn(self, state: State) -> None:
        self._is_absent = state is State.ABSENT
        for follower in self._followers.values():
            follower.turn(state)

    async def _connect(self) -> None:
        """Open a socket, subscribe all followers, and hand out what comes until it is closed. Always raises."""
        async with asyncio.timeout(CONNECT_SECONDS):
            ticket = await self._api.request("POST", TICKETS, attempts=1, expects=("url",))
            socket = await _opened(str((ticket.document or {})["url"]))
        try:
            self._socket, self._is_absent = socket, False
            for follower in list(self._followers.values()):
                await socket.send(json.dumps(follower.subscribe))
            await self._listen(socket)
        finally:
            self._socket = None
            await socket.close()

    async def _listen(self, socket: "ClientConnection") -> None:
        was_pinged = False
        while True:
            try:
                async with asyncio.timeout(PONG_SECONDS if was_pinged else PING_SECONDS):
                    self._hear(json.loads(await socket.recv()))
                was_pinged = False
            except TimeoutError:
                if was_pinged:
                    raise
                was_pinged = True
                await socket.send(json.dumps({"action": "ping"}))

    def _hear(self, frame: Any) -> None:
        """Hand a frame to those whom it is for. Frames of an unknown type may come one day, and are for nobody."""
        followers = list(self._followers.values())
        if "specversion" in frame:
            for follower in followers:
                if follower.topic.covers(frame):
                    follower.put(frame)
            return
        if "id" in frame:
            meant = [follower for follower in followers if follower.number == frame["id"]]
        else:
            meant = [follower for follower in followers if follower.topic.frame.items() <= frame.items()]
        for follower in meant:
            match frame.get("type"):
                case "subscribed":
                    follower.confirm(frame.get("sequence"))
                case "reset":
                    follower.reset()
                case "error":  # its own reading by HTTP says why, if it is refused there, too
                    follower.turn(State.ABSENT)

    async def _say(self, frame: Document) -> None:
        """A connection that is lost is noticed where it is read."""
        if self._socket is not None:
            with contextlib.suppress(Exception):
                await self._socket.send(json.dumps(frame))


_lives: dict[tuple[asyncio.AbstractEventLoop, Settings], Live] = {}


def _next_pause(last: float, worked: float, error: Exception) -> float:
    """Return the seconds before the next try, `worked` seconds after the last one began."""
    if isinstance(error, TaskError) and error.status in _NOT_OFFERED:
        return MAX_PAUSE
    return FIRST_PAUSE if worked > STEADY_SECONDS else min(MAX_PAUSE, max(FIRST_PAUSE, 2 * last))


async def _opened(url: str) -> "ClientConnection":
    """Open a WebSocket. The library is loaded here: most programs never need it."""
    from websockets.asyncio.client import connect

    proxy: Literal[True] | None = None if urlsplit(url).hostname in _LOCAL else True
    return await connect(url, proxy=proxy, close_timeout=1.0, user_agent_header="longhaul-client")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
