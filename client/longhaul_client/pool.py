"""HTTP connections that are kept: one client for each event loop, whoever asks in it.

A program that never closes anything leaves no socket behind: an asynchronous generator holds the client, and
`asyncio.run` closes those when its loop ends (https://docs.python.org/3/library/asyncio-runner.html).
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Self
from weakref import WeakSet

import httpx

MOST_CONNECTIONS = 100
HERE = ("all://127.0.0.1", "all://localhost")  # no proxy of the environment leads there
KEEP_SECONDS = 30.0  # shorter than the minutes after which load balancers drop an idle connection


class Pool:
    """The client of one event loop, and who uses it."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=MOST_CONNECTIONS, keepalive_expiry=KEEP_SECONDS)
        self.client = httpx.AsyncClient(
            limits=limits, mounts=dict.fromkeys(HERE), headers={"User-Agent": "longhaul-client"}
        )
        self._users = WeakSet[object]()
        self._held = self._hold()

    @classmethod
    async def of(cls, user: object) -> Self:
        """The running loop's pool, from now on used by `user` too."""
        loop = asyncio.get_running_loop()
        pool = _pools.get(loop)
        if not isinstance(pool, cls):
            pool = _pools[loop] = cls()
            await anext(pool._held)
        pool._users.add(user)
        return pool

    @classmethod
    async def leave(cls, user: object) -> None:
        """The last one to leave closes the running loop's connections."""
        pool = _pools.get(asyncio.get_running_loop())
        if pool is None:
            return
        pool._users.discard(user)
        if not pool._users:
            await pool._held.aclose()

    async def _hold(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            _pools.pop(asyncio.get_running_loop(), None)
            await self.client.aclose()


_pools: dict[asyncio.AbstractEventLoop, Pool] = {}
