"""Who is told how far a task is."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

logger = logging.getLogger(__name__)

type Listener = Callable[[str, int, str], Awaitable[None]]  # task_id, progress in per cent, current step


class Notified(Protocol):
    """What TaskManager takes as its `progress_callback`."""

    async def notify_progress(self, task_id: str, progress: int, step: str) -> None: ...


class ProgressCallback:
    """Tells each of its listeners, in the order in which they came. One that raises does not stop the others."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []

    def add_listener(self, callback: Listener) -> None:
        self.listeners.append(callback)

    async def notify_progress(self, task_id: str, progress: int, step: str) -> None:
        for listener in tuple(self.listeners):
            try:
                await listener(task_id, progress, step)
            except Exception:
                logger.exception("a listener to the progress of %s failed", task_id)
