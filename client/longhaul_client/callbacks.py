"""Progress callbacks of a TaskManager: listeners, among them one for WebSockets of the program and one for e-mail."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from longhaul_client.api import Api
from longhaul_client.channels import Recipients
from longhaul_client.connections import Settings

type Listener = Callable[[str, int, str], Awaitable[None]]  # task_id, progress in per cent, current step
type Send = Callable[[str], Awaitable[object]]

SEND_SECONDS = 5.0  # for one WebSocket to take a frame: one that does not read must not hold the task's following up

logger = logging.getLogger(__name__)


class Notified(Protocol):
    """The type of TaskManager's `progress_callback`."""

    async def notify_progress(self, task_id: str, progress: int, step: str) -> None: ...


class ProgressCallback:
    """Calls each of its listeners, in the order in which they were added. One that raises does not stop the others.

    Two of its methods are listeners that may be added: `websocket_callback` and `email_callback`. `emails`: addresses
    for the latter, whose mails are in `language` (en, zh). `url`, `token`: as of TaskManager.
    """

    def __init__(
        self, *, emails: Iterable[str] = (), language: str = "en", url: str | None = None, token: str | None = None
    ) -> None:
        self.listeners: list[Listener] = []
        self._sends: list[Send] = []
        self._emails = list(emails)
        self._language = language
        self._api = (url, token)

    def add_listener(self, callback: Listener) -> None:
        self.listeners.append(callback)

    def add_websocket(self, send: Send) -> None:
        """Have `websocket_callback` send to a WebSocket of this program, by what its library calls `send`, `send_str`
        or `send_text`. Once it fails it is forgotten."""
        self._sends.append(send)

    async def notify_progress(self, task_id: str, progress: int, step: str) -> None:
        for listener in tuple(self.listeners):
            try:
                await listener(task_id, progress, step)
            except Exception:
                logger.exception("a progress listener failed for %s", task_id)

    async def websocket_callback(self, task_id: str, progress: int, step: str) -> None:
        """Send {"task_id", "progress", "step"} as JSON to each WebSocket that was added.

        A browser that may have a token of its own needs no program between: it follows Longhaul's notices directly.
        """
        text = json.dumps({"task_id": task_id, "progress": progress, "step": step}, ensure_ascii=False)
        await asyncio.gather(*(self._sent(send, text) for send in tuple(self._sends)))

    async def email_callback(self, task_id: str, progress: int, step: str) -> None:
        """Have Longhaul tell the addresses of `emails` when tasks end, once each has confirmed by the link it is sent.

        Longhaul mails of ends, the first at once and then at most every 15 minutes, and not of each per cent. It goes
        on when this program does not: `longhaul recipients remove` ends it. A recipient that is there stays as it is.
        """
        if not self._emails:
            return
        api = Api(Settings.of(*self._api))
        try:
            recipients = Recipients(api)
            known = {recipient["address"].casefold() for recipient in await recipients.all()}
            while self._emails:
                if self._emails[0].casefold() not in known:
                    await recipients.add(address=self._emails[0], language=self._language)
                self._emails.pop(0)
        finally:
            await api.aclose()

    async def _sent(self, send: Send, text: str) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await send(text)
        except Exception as error:
            logger.info("a WebSocket is forgotten: %s", str(error) or type(error).__name__)
            if send in self._sends:
                self._sends.remove(send)
