"""The providers' stand-ins, served in a thread of the test's process and spoken to over HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import urllib3
from aiohttp import web

from local.providers.app import make_app


class StandIn:
    """The stand-ins' address, their controls and what they were asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool = urllib3.PoolManager()

    def control(self, **controls: Any) -> None:
        """What goes wrong; what is not given is as it should be."""
        answer = self.pool.request("PUT", f"{self.url}/control", json=controls)
        assert answer.status == 200, answer.data

    def calls(self, ask: str = "", key: str = "", model: str = "") -> dict[str, Any]:
        """{count, by_key, by_outcome, by_model, most_at_once, calls}"""
        answer = self.pool.request("GET", f"{self.url}/calls", fields={"ask": ask, "key": key, "model": model})
        report: dict[str, Any] = answer.json()
        return report

    def reset(self) -> None:
        """No faults, and no memory of earlier calls."""
        self.control()
        self.pool.request("DELETE", f"{self.url}/calls")


@contextmanager
def served[S: StandIn](kind: type[S], **keys: str) -> Iterator[S]:
    """The stand-ins on a free port, accepting these keys, until the block ends."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(make_app(**keys), handler_cancellation=True, shutdown_timeout=0.1)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stand_in = kind(f"http://127.0.0.1:{runner.addresses[0][1]}")
    try:
        yield stand_in
    finally:
        stand_in.pool.clear()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
