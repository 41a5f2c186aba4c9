"""A client of the WebSocket API, and that API served with the functions in the test's own process."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from local.gateway import connections
from local.gateway.server import HttpServer, Problem, problem_response
from local.gateway.sockets import Sockets
from local.iam.guard import Guard
from local.running import RunningStack
from local.runtime.api import Outcome
from local.template.model import SocketApi
from longhaul import database
from tests.calling import call

SECONDS = 60.0  # for an answer: a busy machine is no finding

type Frame = dict[str, Any]


class Listener:
    """A connection. `frames` are all that came so far."""

    def __init__(self, url: str) -> None:
        self.frames: list[Frame] = []
        self.url = url
        self._exits = ExitStack()
        self._connection: ClientConnection = self._exits.enter_context(
            connect(url, proxy=None, compression=None, open_timeout=SECONDS)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, frame: Frame | str) -> None:
        self._connection.send(frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False))

    def receive(self) -> Frame:
        """The next frame."""
        frame: Frame = json.loads(self._connection.recv(SECONDS))
        self.frames.append(frame)
        return frame

    def ask(self, action: str, **more: Any) -> Frame:
        """Send a request; return the frame that answers it. The notices before it are in `frames`."""
        self.send({"action": action, "id": f"of {action}", **more})
        return self.until(lambda frame: frame.get("id") == f"of {action}")

    def until(self, wanted: Callable[[Frame], object]) -> Frame:
        while not wanted(frame := self.receive()):
            pass
        return frame

    def heard(self, kind: str) -> Frame:
        """The next notice of this type, such as `succeeded`."""
        return self.until(lambda frame: frame["type"] == f"longhaul.task.{kind}")

    def quiet(self) -> list[Frame]:
        """What came before the answer to a ping: nothing, if nothing did."""
        before = len(self.frames)
        self.ask("ping")
        return self.frames[before:-1]

    def ended(self) -> int | None:
        """The code with which the connection was closed, once it is."""
        with suppress(ConnectionClosed):
            while True:
                self.receive()
        return self._connection.close_code

    def vanish(self) -> None:
        """End without a word."""
        self._connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._exits.close()


def listen(stack: RunningStack, tenant: str = "local", **options: Any) -> Listener:
    """A connection to a running stack, for a user of the tenant; `options` are of its token."""
    answer = stack.request("POST", "/api/v1/live/tickets", token=stack.token(tenant, **options))
    assert answer.status == 201, answer.body.decode()
    return Listener(answer.json()["url"])


class InProcess:
    """Runs functions of the domain where the test is, each in a thread, as the runtime would in their processes."""

    async def invoke(self, name: str, event: bytes) -> Outcome:
        return await asyncio.to_thread(self._run, name, event)

    def _run(self, name: str, event: bytes) -> Outcome:
        stem = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")
        try:
            return Outcome(json.dumps(call("sockets", stem, json.loads(event))).encode())
        except Exception as error:
            return Outcome(repr(error).encode(), failed=True)
        finally:
            database.close()


class Served:
    """A WebSocket API that is served. `sockets` are its connections."""

    def __init__(self, api: SocketApi, runtime: Any, folder: Path) -> None:
        self.endpoint = ""
        self.sockets = Sockets(api, runtime)
        self._guard = Guard(folder)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.rel_url.path.removeprefix(f"/{self.sockets.api.stage}")
        try:
            if path.startswith("/@connections/"):
                connection_id = path.removeprefix("/@connections/")
                return await connections.manage(self.sockets, self._guard, request, connection_id)
            return await self.sockets.serve(request)
        except Problem as problem:
            return problem_response(problem, path, "one")


@contextmanager
def served(api: SocketApi, folder: Path, runtime: Any = None) -> Iterator[Served]:
    """Serve the API on a free port until the block ends."""
    loop = asyncio.new_event_loop()

    async def begin() -> tuple[Served, web.ServerRunner]:
        live = Served(api, runtime or InProcess(), folder)
        runner = web.ServerRunner(HttpServer(live.serve), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        live.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/{api.stage}"
        return live, runner

    async def end() -> None:
        await live.sockets.close()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    live, runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
    try:
        yield live
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
