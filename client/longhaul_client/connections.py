"""Where the API is, who calls it, and the HTTP connections that are kept to it.

Each event loop has one client. A program that never closes anything leaves no socket behind: an asynchronous generator
holds the client, and `asyncio.run` closes such generators when its loop ends
(https://docs.python.org/3/library/asyncio-runner.html).
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self
from weakref import WeakSet

import httpx

from longhaul_client.errors import ValidationError

URL = "http://127.0.0.1:3000"  # where `make up` serves

MAX_CONNECTIONS = 100
NO_PROXY = ("all://127.0.0.1", "all://localhost")  # the environment's proxy is not used for this machine
KEEP_SECONDS = 30.0  # shorter than the minutes after which load balancers drop an idle connection
MAX_HOLD = 20  # seconds for which the server may hold an answer back (Prefer: wait)
POLL_SECONDS = 1.0  # the least time between two looks at a task whose answer the server does not hold back
POLLS_PER_SECOND = 20  # of all followers of an event loop together


@dataclass(frozen=True)
class Settings:
    """`timeout`: seconds that an answer may take."""

    url: str
    token: str
    timeout: float = 30.0

    @classmethod
    def of(cls, url: str | None = None, token: str | None = None) -> Self:
        """What is not given comes from LONGHAUL_URL and LONGHAUL_TOKEN. Raises ValidationError for unusable values."""
        found = (url or os.environ.get("LONGHAUL_URL") or URL).strip().rstrip("/")
        secret = (token or os.environ.get("LONGHAUL_TOKEN") or "").strip()
        if not _is_url(found):
            raise ValidationError(f"{found!r} is not a URL such as {URL}")
        if not (secret.isascii() and secret.isprintable()):
            raise ValidationError("the token is not valid: it has characters that no token has")
        return cls(found, secret)


class Pool:
    """The client of one event loop, its users, and the one request that the server may hold back."""

    def __init__(self) -> None:
        self.client = _client()
        self._users = WeakSet[object]()
        self._followers = 0
        self._holding = False
        self._open = self._keep_open()

    @classmethod
    async def of(cls, user: object) -> Self:
        """Return the running loop's pool and count `user` among its users."""
        loop = asyncio.get_running_loop()
        pool = _pools.get(loop)
        if not isinstance(pool, cls):
            pool = _pools[loop] = cls()
            await anext(pool._open)
        pool._users.add(user)
        return pool

    @classmethod
    async def leave(cls, user: object) -> None:
        """Stop counting `user`. When the last user leaves, the running loop's connections are closed."""
        pool = _pools.get(asyncio.get_running_loop())
        if pool is None:
            return
        pool._users.discard(user)
        if not pool._users:
            await pool._open.aclose()

    @contextmanager
    def follower(self) -> Iterator[None]:
        """Count one more follower of a task until the block ends."""
        self._followers += 1
        try:
            yield
        finally:
            self._followers -= 1

    @contextmanager
    def hold(self) -> Iterator[int]:
        """Seconds for which the server may hold an answer back. 0 while it holds another one: each occupies one of
        its workers."""
        if self._holding:
            yield 0
            return
        self._holding = True
        try:
            yield MAX_HOLD
        finally:
            self._holding = False

    def poll_interval(self, wanted: float) -> float:
        """Return the seconds between two looks at a task. They grow with the number of followers."""
        return max(wanted, POLL_SECONDS, self._followers / POLLS_PER_SECOND)

    async def _keep_open(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            _pools.pop(asyncio.get_running_loop(), None)
            await self.client.aclose()


_pools: dict[asyncio.AbstractEventLoop, Pool] = {}


def _client() -> httpx.AsyncClient:
    """Raises ValidationError for a proxy or certificates in the environment that cannot be used."""
    try:
        return httpx.AsyncClient(
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEP_SECONDS),
            mounts=dict.fromkeys(NO_PROXY),
            headers={"User-Agent": "longhaul-client"},
        )
    except (ValueError, OSError, ImportError, httpx.InvalidURL) as error:
        raise ValidationError(
            f"the environment's proxy or certificates (HTTP_PROXY, SSL_CERT_FILE ...) cannot be used: {error}"
        ) from error


def _is_url(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return url.scheme in ("http", "https") and bool(url.host) and not (url.query or url.fragment)
