"""An open WebSocket to Longhaul (docs/live.md): what is subscribed to on it, and who is handed what comes."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from longhaul_client.documents import Document
from longhaul_client.subscriptions import State, Subscription, Topic

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PING_SECONDS = 120.0  # of silence; the server closes a connection that is silent for ten minutes
PONG_SECONDS = 30.0  # after a ping, within which something must come
MAX_TOPICS = 50  # subscriptions; the server allows 100. Beyond, all of the tenant's notices are taken in

_LOCAL = ("127.0.0.1", "localhost", "::1")  # the environment's proxy is not used for this machine
_EVERYTHING = Topic()
_WIDE = "everything"  # the `id` of the subscription that stands for many
_PASSING = ("unavailable", "internal_error")  # the codes of errors that may be gone later


class Socket:
    """`followers`: by their numbers, those who are handed what comes."""

    def __init__(self, connection: "ClientConnection", followers: Mapping[str, Subscription]) -> None:
        self._connection = connection
        self._followers = followers
        self._topics: set[Topic] = set()  # that have subscriptions of their own
        self._is_wide = False  # all is subscribed to, or will be
        self._hears_all = False

    @classmethod
    async def open(cls, url: str, followers: Mapping[str, Subscription]) -> "Socket":
        """The library is loaded here: most programs never need it."""
        from websockets.asyncio.client import connect

        proxy: Literal[True] | None = None if urlsplit(url).hostname in _LOCAL else True
        connection = await connect(url, proxy=proxy, close_timeout=1.0, user_agent_header="longhaul-client")
        return cls(connection, followers)

    async def close(self) -> None:
        await self._connection.close()

    async def subscribe(self, follower: Subscription) -> None:
        """Subscribe to the follower's topic; when there are very many, to all: each is handed its own anyway."""
        if follower.topic in self._topics or len(self._topics) < MAX_TOPICS:
            self._topics.add(follower.topic)
            await self._say(follower.subscribe)
        elif self._hears_all:
            follower.join()
        elif not self._is_wide:
            self._is_wide = True
            await self._say({"action": "subscribe", **_EVERYTHING.frame, "id": _WIDE})

    async def forget(self, topic: Topic) -> None:
        """Unsubscribe from what nobody follows any more."""
        topics = {follower.topic for follower in self._followers.values()}
        if topic in self._topics and topic not in topics:
            self._topics.discard(topic)
            if topic != _EVERYTHING or not self._is_wide:
                await self._say({"action": "unsubscribe", **topic.frame})
        if self._is_wide and topics <= self._topics:
            self._is_wide = self._hears_all = False
            if _EVERYTHING not in topics:
                await self._say({"action": "unsubscribe", **_EVERYTHING.frame})

    async def listen(self) -> None:
        """Hand out what comes, until the connection is lost. Always raises."""
        was_pinged = False
        while True:
            try:
                async with asyncio.timeout(PONG_SECONDS if was_pinged else PING_SECONDS):
                    self._hear(json.loads(await self._connection.recv()))
                was_pinged = False
            except TimeoutError:
                if was_pinged:
                    raise
                was_pinged = True
                await self._say({"action": "ping"})

    def _hear(self, frame: Any) -> None:
        """Hand a frame to those whom it is for. Frames of an unknown type may come one day, and are for nobody."""
        if "specversion" in frame:
            for follower in self._followers.values():
                if follower.topic.covers(frame):
                    follower.put(frame)
        elif frame.get("code") in _PASSING or {"message", "connectionId"} <= frame.keys():  # the latter: API Gateway's
            raise ConnectionError(f"the server answers {frame.get('message')}")  # all subscribe again, after a pause
        elif frame.get("id") == _WIDE:
            self._hears_all = frame.get("type") == "subscribed"
            for follower in self._followers.values():
                if self._hears_all and follower.topic not in self._topics:
                    follower.join()
        else:
            for follower in self._meant(frame):
                _answer(follower, frame)

    def _meant(self, frame: Document) -> list[Subscription]:
        """A reset has no `id`: it is for all who follow its topic."""
        if "id" in frame:
            return [follower for number, follower in self._followers.items() if number == frame["id"]]
        return [follower for follower in self._followers.values() if follower.topic.frame.items() <= frame.items()]

    async def _say(self, frame: Document) -> None:
        """A connection that is lost is noticed where it is read."""
        with contextlib.suppress(Exception):
            await self._connection.send(json.dumps(frame))


def _answer(follower: Subscription, frame: Document) -> None:
    match frame.get("type"):
        case "subscribed":
            follower.confirm(frame.get("sequence"))
        case "reset":
            follower.reset()
        case "error":
            follower.refusal = str(frame.get("message"))
            follower.turn(State.ABSENT)
