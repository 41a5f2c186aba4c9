"""ProgressCallback: its listeners for WebSockets of the program, and for e-mail."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from longhaul_client import ProgressCallback, TaskManager, callbacks
from tests.client.scripted import Reply, Scripted, problem, task

MOVED = {"task_id": "province_海南省_1", "progress": 40, "step": "正在获取区县数据：定安县"}
RECIPIENT = {"recipient_id": "r-1", "address": "ada@example.com", "status": "pending"}


@asynccontextmanager
async def browser(callback: ProgressCallback) -> AsyncIterator[Any]:
    """A WebSocket to this program, which gives it to the callback."""

    async def opened(connection: ServerConnection) -> None:
        callback.add_websocket(connection.send)
        await connection.wait_closed()

    async with serve(opened, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}", proxy=None) as page:
            await page.ping()
            yield page


def test_progress_reaches_the_websockets_of_the_program(server: Scripted) -> None:
    # GIVEN two pages, of which one leaves, and one that does not read
    callback = ProgressCallback()
    callback.add_listener(callback.websocket_callback)
    server.will(Reply(200, task()), Reply(200, task("SUCCEEDED", progress=100)))

    async def follow() -> list[Any]:
        async with browser(callback) as page:
            async with browser(callback):
                pass
            await TaskManager(progress_callback=callback).wait_for_completion("t-1", poll_interval=0.01)
            return [json.loads(await page.recv()) for _ in range(2)]

    # WHEN a task is waited for
    told = asyncio.run(follow())

    # THEN the page that is there was told of each change
    assert told == [MOVED, {**MOVED, "progress": 100}]


def test_a_websocket_that_does_not_read_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callbacks, "SEND_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    told: list[str] = []

    async def hang(text: str) -> None:
        told.append("hung")
        await asyncio.Event().wait()

    async def take(text: str) -> None:
        told.append("took")

    callback = ProgressCallback()
    callback.add_websocket(hang)
    callback.add_websocket(take)
    for progress in range(2):
        asyncio.run(callback.websocket_callback("t-1", progress, ""))
    assert told == ["hung", "took", "took"]
    assert "a WebSocket is forgotten: TimeoutError" in caplog.text


def test_who_is_to_be_told_by_mail_is_made_a_recipient_once(server: Scripted) -> None:
    # GIVEN a recipient that is there, and a server that cannot take another at first
    known = Reply(200, {"items": [{**RECIPIENT, "kinds": ["k"]}]})
    server.will(known, problem(409, "mail_not_sent", "later"), known, Reply(202, RECIPIENT))
    callback = ProgressCallback(emails=["Ada@example.com", "bob@example.com", "eve@example.com"], language="zh")
    callback.add_listener(callback.email_callback)

    # WHEN there is progress
    async def report() -> None:
        for progress in range(4):
            await callback.notify_progress("t-1", progress, "")

    asyncio.run(report())

    # THEN each new address was given to it until it was taken, and nothing else
    assert {request.path for request in server.requests} == {"/api/v1/mail/recipients"}
    assert [request.body for request in server.requests if request.method == "POST"] == [
        {"address": f"{who}@example.com", "language": "zh"} for who in ("bob", "bob", "eve")
    ]
    assert len(server.requests) == 5


def test_without_addresses_and_websockets_nothing_is_sent(server: Scripted) -> None:
    callback = ProgressCallback()
    callback.add_listener(callback.websocket_callback)
    callback.add_listener(callback.email_callback)
    asyncio.run(callback.notify_progress("t-1", 1, "step"))
    assert server.requests == []
