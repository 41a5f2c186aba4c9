"""Following several tasks at once."""

import asyncio
from collections.abc import Callable, Sequence

from longhaul_client.errors import Document, TaskError
from longhaul_client.tasks import LONGEST_HOLD, Tasks

LOOK_EVERY = 1.0  # seconds


async def watch(tasks: Tasks, task_ids: Sequence[str], show: Callable[[Document], None]) -> list[Document | TaskError]:
    """Show each task whenever it changes; how each ended, or why it could not be followed, in order."""
    hold = LONGEST_HOLD if len(task_ids) == 1 else 0  # each answer held back keeps a worker of the server

    async def until_end(task_id: str) -> Document | TaskError:
        last: Document = {}
        try:
            async for last in tasks.follow(task_id, interval=LOOK_EVERY, hold=hold):
                show(last)
        except TaskError as error:
            return error
        return last

    return await asyncio.gather(*map(until_end, task_ids))
