"""For `bench.notices`: clients of the WebSocket API, a process's memory and time, and a channel that is slow."""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from local.running import RunningStack, local_stack

SLOW_SECONDS = 5.0  # that a frame takes
TICK = os.sysconf("SC_CLK_TCK")


class Listener:
    """A client that listens to a task. `heard`: of each notice by its sequence, its own time and when it came."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.heard: dict[str, tuple[str, float]] = {}
        self.twice = 0
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, session: aiohttp.ClientSession, token: str, task_id: str) -> Self:
        """Connect, subscribe, and wait until that is done."""
        headers = {"Authorization": f"Bearer {token}"}
        while True:
            async with session.post(f"{url}/api/v1/live/tickets", headers=headers) as answer:
                if answer.status == 503:  # as a client does
                    await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))
                    continue
                assert answer.status == 201, await answer.text()
                address = (await answer.json())["url"]
            try:
                self = cls(await session.ws_connect(address))
            except aiohttp.WSServerHandshakeError:
                continue  # on a machine that is too busy, a ticket expires before it is looked at
            break
        await self._socket.send_json({"action": "subscribe", "task_id": task_id})
        while (frame := await self._socket.receive_json())["type"] != "longhaul.task.state":
            if frame.get("code") == "unavailable":  # "Send it again in a few seconds."
                await asyncio.sleep(2)
                await self._socket.send_json({"action": "subscribe", "task_id": task_id})
                continue
            assert frame["type"] == "subscribed", frame
        self._reading = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        async for message in self._socket:
            frame = message.json()
            at = time.time()
            if "specversion" in frame and frame["type"] != "longhaul.task.progress":
                self.twice += frame["sequence"] in self.heard
                self.heard.setdefault(frame["sequence"], (frame["time"], at))

    async def close(self) -> None:
        await self._socket.close()
        if self._reading is not None:
            await self._reading


class Process:
    """What a process of this machine has used since it was first looked at."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc", str(pid))
        self._held = self.memory_kb()
        self._seconds = self.seconds()

    def memory_kb(self) -> int:
        """What of it is resident."""
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    def seconds(self) -> float:
        """Of processor time."""
        fields = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def cost(self, held: int, sockets: int, frames: int) -> dict[str, Any]:
        """What a socket and a frame took of it, when it held so much with all sockets open. The frame's time has the
        handshake's in it."""
        return {
            "kb_a_socket": round((held - self._held) / sockets, 1),
            "ms_a_frame": round(1000 * (self.seconds() - self._seconds) / frames, 2),
        }


@contextmanager
def slow_channel(folder: Path, parameters: Mapping[str, str]) -> Iterator[RunningStack]:
    """A stack whose posts take five seconds each, with ten connections of the tenant `slow` that subscribe to all."""
    loop = asyncio.new_event_loop()

    async def wait(_request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(SLOW_SECONDS)
        return web.json_response({})

    async def begin() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(wait), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    threading.Thread(target=loop.run_forever, daemon=True).start()
    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/live"
    with local_stack(folder, parameters={**parameters, "SocketsEndpoint": endpoint}) as stack:
        token = stack.token("slow")
        assert stack.request("POST", "/api/v1/live/tickets", token=token).status == 201  # from now on it is heard
        far = {"N": str(int(time.time()) + 7200)}
        for number in range(10):
            key = {"pk": {"S": 'topic:["slow", "all", ""]'}, "sk": {"S": f"slow-{number}="}}
            item = {**key, "expires_at": far, "token_expires_at": far}
            stack.aws("dynamodb").put_item(TableName="longhaul-SocketsTable", Item=item)
        yield stack
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(10)
    asyncio.run_coroutine_threadsafe(asyncio.sleep(SLOW_SECONDS), loop).result(2 * SLOW_SECONDS)  # the last posts end
    loop.call_soon_threadsafe(loop.stop)
