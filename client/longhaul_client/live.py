"""One WebSocket for all who follow tasks in an event loop: opened, opened again, and absent.

A follower hears of changes sooner by it. It can always read by HTTP instead, and does while there is no socket. So
nothing that goes wrong here is an error of the follower's: the socket is opened again, with pauses that double.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator

from longhaul_client.api import Api
from longhaul_client.connections import Settings
from longhaul_client.errors import TaskError
from longhaul_client.sockets import Socket
from longhaul_client.subscriptions import State, Subscription, Topic

TICKETS = "/api/v1/live/tickets"

CONNECT_SECONDS = 10.0  # for a ticket and the handshake
LINGER_SECONDS = 5.0  # for which an unused socket is kept: another follower may come
STEADY_SECONDS = 10.0  # for which a socket has worked when the pause before the next is short again
FIRST_PAUSE, MAX_PAUSE = 0.5, 60.0  # seconds between two tries to open a socket

_NOT_OFFERED = (404, 405, 501)  # the statuses of a stack without sockets

logger = logging.getLogger(__name__)


class Live:
    """The socket of one caller in one event loop. It is open while somebody follows, and a little longer."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._key = (asyncio.get_running_loop(), api.settings)
        self._followers: dict[str, Subscription] = {}
        self._numbers = 0
        self._socket: Socket | None = None
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
                await self._socket.subscribe(follower)
            yield follower
        finally:
            del self._followers[follower.number]
            if self._socket is not None:
                await self._socket.forget(topic)
            if not self._followers:
                asyncio.get_running_loop().call_later(LINGER_SECONDS, self._stop_unused)

    def _stop_unused(self) -> asyncio.Task[None] | None:
        """Close the socket unless somebody follows. Returns the task that closes it."""
        if self._running is None or self._followers:
            return None
        self._withdraw()
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
                    pause = _next_pause(pause, clock() - began, error)
                    logger.info("no WebSocket to %s for %.1f s: %s", self._api.settings.url, pause, _reason(error))
                self._turn(State.CONNECTING if any(one.is_live for one in self._followers.values()) else State.ABSENT)
                await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
        finally:
            self._withdraw()

    def _withdraw(self) -> None:
        if _lives.get(self._key) is self:
            del _lives[self._key]

    def _turn(self, state: State) -> None:
        self._is_absent = state is State.ABSENT
        for follower in self._followers.values():
            follower.turn(state)

    async def _connect(self) -> None:
        """Open a socket, subscribe all followers, and hand out what comes until it is closed. Always raises."""
        async with asyncio.timeout(CONNECT_SECONDS):
            ticket = await self._api.request("POST", TICKETS, attempts=1, expects=("url",))
            socket = await Socket.open(str((ticket.document or {})["url"]), self._followers)
        try:
            self._socket, self._is_absent = socket, False
            for follower in list(self._followers.values()):
                await socket.subscribe(follower)
            await socket.listen()
        finally:
            self._socket = None
            await socket.close()


_lives: dict[tuple[asyncio.AbstractEventLoop, Settings], Live] = {}


def _next_pause(last: float, worked: float, error: Exception) -> float:
    """Return the seconds before the next try, `worked` seconds after the last one began."""
    if isinstance(error, TaskError) and error.status in _NOT_OFFERED:
        return MAX_PAUSE
    return FIRST_PAUSE if worked > STEADY_SECONDS else min(MAX_PAUSE, max(FIRST_PAUSE, 2 * last))


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
