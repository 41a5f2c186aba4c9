"""For `bench.console`: the console's files, and in place of the API one that answers at once from memory.

What is measured is the browser, so nothing of a database or of functions is in it: a page of 100 tasks costs what its
bytes cost. It signs anybody in, lists as many tasks as asked for, and tells of changes over the WebSocket.
"""

import asyncio
import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from aiohttp import WSMsgType, web

from local.gateway.console import Console
from local.gateway.tokens import SCOPES
from local.machine import free_port

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
KINDS = ("hospital_province_refresh", "call_campaign", "text_summaries", "brand_diagnosis")
STATUSES = ("SUCCEEDED", "SUCCEEDED", "RUNNING", "FAILED", "PENDING")
TASK = "many"  # the id of the task with the many steps
MOMENT = "moment"  # of one whose steps all worked at the same time
AT_ONCE = 400  # steps of it

type Row = dict[str, Any]


class Stand:
    """What the console talks to. `tasks`: how many a list has; `steps`: how many the task TASK has."""

    def __init__(self, tasks: int, steps: int) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sent = 0  # notices to each socket
        self.a_second = 0.0  # of notices; 0 sends none
        self._tasks, self._steps = tasks, steps
        self._console = Console(self, self.port)  # type: ignore[arg-type]  # of an issuer it reads the address

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        path, query = request.rel_url.path, request.rel_url.query
        page = self._console.answer(request)
        if page is not None:
            return page
        if path == "/.well-known/openid-configuration":
            ends = {"authorization_endpoint": f"{self.url}/authorize", "token_endpoint": f"{self.url}/token"}
            return web.json_response(ends)
        if path == "/authorize":
            return web.Response(
                status=302, headers={"Location": f"{query['redirect_uri']}?code=c&state={query['state']}"}
            )
        if path == "/token":
            return web.json_response({"access_token": token(), "expires_in": 86_400, "scope": " ".join(SCOPES)})
        if path == "/live":
            return await self._send(request)
        if path == "/api/v1/live/tickets":
            answer = {"ticket": "t", "url": f"ws://127.0.0.1:{self.port}/live", "expires_at": moment(0)}
            return web.json_response(answer, status=201)
        return web.json_response(self._document(path, query))

    def _document(self, path: str, query: Any) -> Row:
        first = int(query.get("cursor", 0))
        if path == "/api/v1/queue":
            return {"items": []}
        if path == "/api/v1/tasks/summary":
            size = int(query.get("page_size", 20))
            last = min(first + size, self._tasks)
            more = str(last) if last < self._tasks else None
            items = [summary(number) for number in range(first, last)]
            return {
                "items": items,
                "page": None,
                "page_size": size,
                "total": self._tasks,
                "pages": None,
                "next_cursor": more,
            }
        if path.endswith("/steps") and "status" not in query:
            steps, make = (AT_ONCE, step_of_moment) if f"/{MOMENT}/" in path else (self._steps, step)
            last = min(first + int(query.get("limit", 1000)), steps)
            more = str(last) if last < steps else None
            return {"items": [make(number) for number in range(first, last)], "next_cursor": more}
        if path in (f"/api/v1/tasks/{TASK}", f"/api/v1/tasks/{MOMENT}"):
            return summary(0) | {
                "task_id": path.rpartition("/")[2],
                "status": "SUCCEEDED",
                "attempt": 1,
                "allowed_actions": [],
                "links": {},
            }
        return {"items": [], "next_cursor": None}

    async def _send(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = await socket.receive()
        if message.type is WSMsgType.TEXT:
            await socket.send_json({"type": "subscribed", "sequence": "0" * 20})
            for number in count(1):
                while not self.a_second:
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1 / self.a_second)
                if socket.closed:
                    break
                try:
                    await socket.send_json(notice(number))
                except ConnectionResetError:
                    break  # the page has gone on
                self.sent += 1
        return socket


def token() -> str:
    claims = json.dumps({"sub": "developer", "tenant_id": "local"}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.none"


def moment(seconds: float) -> str:
    return (BEGAN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def summary(number: int) -> Row:
    return {
        "task_id": f"province_广东省_20261101_{number:08d}",
        "kind": KINDS[number % len(KINDS)],
        "title": f"广东省刷新 {number}",
        "status": STATUSES[number % len(STATUSES)],
        "priority": "normal",
        "progress": number % 101,
        "created_at": moment(-number),
        "updated_at": moment(-number),
    }


def step(number: int) -> Row:
    """Fifty work at a time, each for two seconds or three; each fiftieth fails."""
    began = number / 20
    failed = number % 50 == 7
    return {
        "key": f"{'district' if number % 20 else 'city'}/{number}",
        "level": "district" if number % 20 else "city",
        "label": f"第{number}区",
        "status": "FAILED" if failed else "SUCCEEDED",
        "attempt": 1,
        "attempts": 3 if failed else 1,
        "units": number % 40,
        "error": {"code": "timeout", "message": "no answer"} if failed else None,
        "created_at": moment(began - 1),
        "started_at": moment(began),
        "finished_at": moment(began + 2 + number % 2),
        "duration_seconds": 2.0 + number % 2,
    }


def step_of_moment(number: int) -> Row:
    return step(number) | {"created_at": moment(0), "started_at": moment(1), "finished_at": moment(3)}


def notice(number: int) -> Row:
    """Half of the notices change a row of the list's beginning, each tenth is a task that is new."""
    new = number % 10 == 0
    row = summary(number % 200) | ({"task_id": f"new-{number}"} if new else {})
    data = {name: row[name] for name in ("task_id", "kind", "title")}
    data |= {"status": "PENDING" if new else "RUNNING", "attempt": 1, "progress": number % 101, "stage": "districts"}
    return {
        "specversion": "1.0",
        "type": "longhaul.task.created" if new else "longhaul.task.progress",
        "subject": row["task_id"],
        "sequence": f"{number:020d}",
        "time": datetime.now(UTC).isoformat(),
        "data": data | {"current_step": f"第{number}区"},
    }


@contextmanager
def standing(tasks: int, steps: int) -> Iterator[Stand]:
    """Serve until the block ends."""
    stand, loop = Stand(tasks, steps), asyncio.new_event_loop()

    async def begin() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(stand.answer), shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", stand.port).start()
        return runner

    async def end() -> None:
        await runner.cleanup()
        sockets = asyncio.all_tasks() - {asyncio.current_task()}
        for socket in sockets:
            socket.cancel()
        await asyncio.gather(*sockets, return_exceptions=True)

    runner = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield stand
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
